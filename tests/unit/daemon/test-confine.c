/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-confine: the confined daemon cannot make the calls that it does not need.
 *
 * Each case runs in a child, because confinement cannot be undone. The child ends with _exit(),
 * because the sanitizer's check at exit needs system calls that are refused.
 */
#include "confine.h"

#include <errno.h>
#include <linux/reboot.h>
#include <sched.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"

#define NO_PID 0x7fffffff
#define TRY_SOCKET "--socket"

typedef struct {
    const char *name;
    long number;
    unsigned long arguments[4];
} Call;

/* The arguments are harmless, and without the filter the kernel returns another error than EPERM to
 * root. */
static const Call refused[] = {
    {"socket-inet", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
    {"socket-inet6", SYS_socket, {AF_INET6, SOCK_DGRAM, 0}},
    {"socket-netlink", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}},
    {"socket-packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
    {"socket-vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
    {"bind", SYS_bind, {-1ul, 0, 0}},
    {"listen", SYS_listen, {-1ul, 0}},
    {"accept4", SYS_accept4, {-1ul, 0, 0, 0}},
    {"ptrace", SYS_ptrace, {PTRACE_ATTACH, NO_PID, 0, 0}},
    {"process_vm_readv", SYS_process_vm_readv, {NO_PID, 0, 0, 0}},
    {"mount", SYS_mount, {0, 0, 0, 0}},
    {"umount2", SYS_umount2, {0, 0}},
    {"chroot", SYS_chroot, {0}},
    {"unshare", SYS_unshare, {CLONE_NEWUTS}},
    {"clone-newuser", SYS_clone, {CLONE_NEWUSER | SIGCHLD, 0, 0, 0}},
    {"clone-newnet", SYS_clone, {CLONE_NEWNET | SIGCHLD, 0, 0, 0}},
    {"setns", SYS_setns, {-1ul, 0}},
    {"bpf", SYS_bpf, {-1ul, 0, 0}},
    {"perf_event_open", SYS_perf_event_open, {0, 0, 0, -1ul}},
    {"keyctl", SYS_keyctl, {-1ul, 0, 0, 0}},
    {"reboot", SYS_reboot, {LINUX_REBOOT_MAGIC1, 0, 0, 0}},
    {"setresuid", SYS_setresuid, {-1ul, -1ul, -1ul}},
    {"personality", SYS_personality, {0xffffffff}},
    {"io_uring_setup", SYS_io_uring_setup, {1, 0}},
    {"userfaultfd", SYS_userfaultfd, {-1ul}},
    {"execveat", SYS_execveat, {-1ul, 0, 0, 0}},
    {"mknodat", SYS_mknodat, {-1ul, 0, 0, 0}},
};

/* Runs the attempt in a child, and returns the child's status. */
static int
in_child(int (*attempt)(gconstpointer data), gconstpointer data)
{
    int status;
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        _exit(attempt(data));
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Returns 0 or errno. */
static int
try_call(gconstpointer data)
{
    const Call *call = data;
    const unsigned long *a = call->arguments;

    errno = 0;
    return syscall(call->number, a[0], a[1], a[2], a[3]) < 0 ? errno : 0;
}

static int
try_confined_call(gconstpointer data)
{
    return confine_system_calls(NULL) ? try_call(data) : 255;
}

static void
test_refused(gconstpointer data)
{
    g_assert_cmpint(in_child(try_call, data), !=, EPERM);
    g_assert_cmpint(in_child(try_confined_call, data), ==, EPERM);
}

/* --- what must remain possible --- */

static gpointer
open_inet(gpointer data)
{
    return GINT_TO_POINTER(socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0);
}

static int
try_threads(gconstpointer data)
{
    GThread *thread;

    if (!confine_system_calls(NULL))
        return 255;
    thread = g_thread_new("later", open_inet, NULL);
    return GPOINTER_TO_INT(g_thread_join(thread));
}

/* Threads can be made although clone3() is not available, and they are confined like the thread
 * that made them. */
static void
test_threads(void)
{
    g_assert_cmpint(in_child(try_threads, NULL), ==, EPERM);
}

typedef struct {
    GMutex mutex;
} Gate;

static gpointer
open_inet_behind(gpointer data)
{
    Gate *gate = data;

    g_mutex_lock(&gate->mutex);
    g_mutex_unlock(&gate->mutex);
    return open_inet(NULL);
}

static int
try_earlier_threads(gconstpointer data)
{
    Gate gate = {0};
    GThread *thread;

    g_mutex_init(&gate.mutex);
    g_mutex_lock(&gate.mutex);
    thread = g_thread_new("earlier", open_inet_behind, &gate);
    if (!confine_system_calls(NULL))
        return 255;
    g_mutex_unlock(&gate.mutex);
    return GPOINTER_TO_INT(g_thread_join(thread));
}

static void
test_earlier_threads(void)
{
    g_assert_cmpint(in_child(try_earlier_threads, NULL), ==, EPERM);
}

static int
try_program(gconstpointer data)
{
    const char *argv[] = {"/proc/self/exe", TRY_SOCKET, NULL};
    int status;

    if (!confine_system_calls(NULL) ||
        !g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, NULL, &status, NULL))
        return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

/* A program that the daemon starts, such as qemu-img, is confined, too. */
static void
test_program(void)
{
    g_assert_cmpint(in_child(try_program, NULL), ==, EPERM);
}

static int
try_local_sockets(gconstpointer data)
{
    int pair[2];

    if (!confine_system_calls(NULL))
        return 255;
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
                   write(pair[0], "x", 1) != 1
               ? errno
               : 0;
}

static void
test_local_sockets(void)
{
    g_assert_cmpint(in_child(try_local_sockets, NULL), ==, 0);
}

/* --- capabilities --- */

static int
count_capabilities(gconstpointer data)
{
    static const cap_flag_t sets[] = {CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE};
    cap_t now;
    int count = 0;

    if (data && !confine_capabilities(NULL))
        return 255;
    now = cap_get_proc();
    for (gsize i = 0; i < G_N_ELEMENTS(sets); i++)
        for (cap_value_t value = 0; value < cap_max_bits(); value++) {
            cap_flag_value_t is_set = CAP_CLEAR;

            cap_get_flag(now, value, sets[i], &is_set);
            count += is_set == CAP_SET;
        }
    cap_free(now);
    return count;
}

static void
test_capabilities(void)
{
    g_assert_cmpint(in_child(count_capabilities, NULL), >, 0);
    g_assert_cmpint(in_child(count_capabilities, "confined"), ==, 0);
}

static int
confine_twice(gconstpointer data)
{
    return confine_capabilities(NULL) && confine_capabilities(NULL) ? 0 : 255;
}

/* As where systemd starts the daemon, there is no capability to remove. */
static void
test_no_capabilities(void)
{
    g_assert_cmpint(in_child(confine_twice, NULL), ==, 0);
}

static int
confine_without_filters(gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    /* The first filter refuses a second one. */
    return confine_system_calls(NULL) && !confine_system_calls(&error) &&
                   g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED) &&
                   strstr(error->message, "Cannot filter system calls: ")
               ? 0
               : 255;
}

static void
test_failure(void)
{
    g_assert_cmpint(in_child(confine_without_filters, NULL), ==, 0);
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], TRY_SOCKET) == 0)
        _exit(GPOINTER_TO_INT(open_inet(NULL)));
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strconcat("/confine/refused/", refused[i].name, NULL);

        g_test_add_data_func(path, &refused[i], test_refused);
    }
    g_test_add_func("/confine/threads", test_threads);
    g_test_add_func("/confine/earlier-threads", test_earlier_threads);
    g_test_add_func("/confine/program", test_program);
    g_test_add_func("/confine/local-sockets", test_local_sockets);
    g_test_add_func("/confine/capabilities", test_capabilities);
    g_test_add_func("/confine/no-capabilities", test_no_capabilities);
    g_test_add_func("/confine/failure", test_failure);
    return g_test_run();
}
