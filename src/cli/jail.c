/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jail: the input is a memory file, so that parent and child cannot wait for each other.
 *
 * The child has an empty environment, so that an attacker who controls it finds no secrets there.
 */
#include "jail.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_PROGRAM "/proc/self/exe"
#define CHUNK 65536

/* --- the child --- */

static gboolean
set_limit(int resource, rlim_t value)
{
    const struct rlimit limit = {value, value};

    return setrlimit(resource, &limit) == 0;
}

static gboolean
set_limits(guint cpu_s)
{
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
    if (!set_limit(RLIMIT_AS, JAIL_MEMORY_MAX))
        return FALSE;
#endif
    return set_limit(RLIMIT_CPU, cpu_s) && set_limit(RLIMIT_CORE, 0);
}

gboolean
jail_enter(guint cpu_s)
{
    static const int allowed[] = {
        SCMP_SYS(read),        SCMP_SYS(write),        SCMP_SYS(brk),     SCMP_SYS(mmap),
        SCMP_SYS(mremap),      SCMP_SYS(munmap),       SCMP_SYS(madvise), SCMP_SYS(exit),
        SCMP_SYS(exit_group),  SCMP_SYS(rt_sigreturn),
#ifdef __SANITIZE_ADDRESS__
        SCMP_SYS(sigaltstack), /* before each longjmp() and _exit() */
#endif
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    gboolean is_good = filter != NULL && set_limits(cpu_s);

    for (gsize i = 0; is_good && i < G_N_ELEMENTS(allowed); i++)
        is_good = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    is_good = is_good && seccomp_load(filter) == 0;
    if (filter != NULL)
        seccomp_release(filter);
    return is_good;
}

static gssize
read_some(int fd, void *bytes, gsize size)
{
    gssize n;

    do
        n = read(fd, bytes, size);
    while (n < 0 && errno == EINTR);
    return n;
}

GBytes *
jail_read_input(void)
{
    GByteArray *input = g_byte_array_new();
    guint8 chunk[CHUNK];
    gssize n;

    while ((n = read_some(STDIN_FILENO, chunk, sizeof chunk)) > 0)
        g_byte_array_append(input, chunk, (guint)n);
    if (n == 0)
        return g_byte_array_free_to_bytes(input);
    g_byte_array_unref(input);
    return NULL;
}

static gboolean
write_all(int fd, const char *data, gsize size)
{
    while (size > 0) {
        gssize n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FALSE;
        data += n;
        size -= (gsize)n;
    }
    return TRUE;
}

void
jail_exit(const GString *output)
{
    gboolean is_good = output != NULL && write_all(STDOUT_FILENO, output->str, output->len);

    _exit(is_good ? EXIT_SUCCESS : EXIT_FAILURE); /* exit() makes other system calls */
}

/* --- the parent --- */

static int
open_input(GBytes *input)
{
    gsize size;
    const char *data = g_bytes_get_data(input, &size);
    int fd = memfd_create("cloche-jail", MFD_CLOEXEC);

    if (fd >= 0 && (!write_all(fd, data, size) || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* NULL: there is too much. */
static GString *
read_output(int fd)
{
    g_autofree char *chunk = g_malloc(CHUNK);
    GString *output = g_string_new(NULL);
    gssize n;

    while (output->len <= JAIL_OUTPUT_MAX && (n = read_some(fd, chunk, CHUNK)) > 0)
        g_string_append_len(output, chunk, n);
    if (output->len <= JAIL_OUTPUT_MAX)
        return output;
    g_string_free(output, TRUE);
    return NULL;
}

static gboolean
start(const char *name, int input, GPid *ret_pid, int *ret_output)
{
    char *argv[] = {OWN_PROGRAM, (char *)name, NULL};
    char *environment[] = {NULL};

    return g_spawn_async_with_pipes_and_fds(
        /* working_directory= */ NULL, (const char *const *)argv, (const char *const *)environment,
        G_SPAWN_FILE_AND_ARGV_ZERO | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
        /* child_setup= */ NULL, /* user_data= */ NULL, input, /* stdout_fd= */ -1,
        /* stderr_fd= */ -1, /* source_fds= */ NULL, /* target_fds= */ NULL, /* n_fds= */ 0,
        ret_pid,
        /* stdin_pipe= */ NULL, ret_output, /* stderr_pipe= */ NULL, /* error= */ NULL);
}

static int
wait_for(GPid pid)
{
    int status = -1;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    g_spawn_close_pid(pid);
    return status;
}

GString *
jail_run(const char *name, GBytes *input, int *ret_status)
{
    int fd = open_input(input), from_child = -1, status = -1;
    GString *output = NULL;
    GPid pid;

    if (fd >= 0 && start(name, fd, &pid, &from_child)) {
        output = read_output(from_child);
        close(from_child); /* a child that still writes dies of SIGPIPE */
        status = wait_for(pid);
    }
    if (fd >= 0)
        close(fd);
    if (ret_status != NULL)
        *ret_status = status;
    if (output != NULL && status != 0) {
        g_string_free(output, TRUE);
        output = NULL;
    }
    return output;
}
