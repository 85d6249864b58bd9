/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin-processes: lists processes from /proc; a process may end while it is read.
 *
 * A process can choose any name, so its name in /proc/PID/stat ends at the last parenthesis.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "builtin.h"
#include "owner-names.h"

#define ARGV_MAX 4096u
#define ARGUMENTS_MAX 256u
#define OUTPUT_MAX (2u << 20)
#define KERNEL_THREAD 0x00200000u /* PF_KTHREAD */

typedef struct {
    uint32_t pid, parent, uid;
    char state;
    char name[64];
    unsigned flags;
    uint64_t ticks, started_ticks, memory_kib, group;
    char argv[ARGV_MAX + 1];
    size_t argv_size;
} ProcessInfo;

/* Reads at most `max` bytes and adds a NUL; -1 if the file cannot be read. */
static ssize_t
read_file(uint32_t pid, const char *file, char *out, size_t max)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%u/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, max);
    close(fd);
    out[n < 0 ? 0 : n] = '\0';
    return n;
}

static bool
read_stat(ProcessInfo *p)
{
    char text[1024];
    unsigned long user, system, started;
    long pages;

    if (read_file(p->pid, "stat", text, sizeof text - 1) <= 0)
        return false;
    char *open_mark = strchr(text, '('), *close_mark = strrchr(text, ')');
    if (!open_mark || !close_mark || close_mark < open_mark)
        return false;
    *close_mark = '\0';
    snprintf(p->name, sizeof p->name, "[%s]", open_mark + 1);
    /* Fields 3 to 24 of proc(5). */
    if (sscanf(
            close_mark + 1,
            " %c %u %*d %*d %*d %*d %u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %lu %*u %ld",
            &p->state, &p->parent, &p->flags, &user, &system, &started, &pages) != 7)
        return false;
    p->ticks = user + system;
    p->started_ticks = started;
    p->memory_kib = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
    return true;
}

static void
read_owner(ProcessInfo *p)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%u", p->pid);
    p->uid = stat(path, &st) == 0 ? st.st_uid : 0;
}

/* The number N of the first part "pN" of the cgroup's path. */
static void
read_group(ProcessInfo *p)
{
    char text[4096];
    char *part =
        read_file(p->pid, "cgroup", text, sizeof text - 1) > 0 ? strstr(text, "0::") : NULL;

    while (part && (part = strstr(part, "/p"))) {
        char *end;

        part += 2;
        if (!isdigit((unsigned char)*part))
            continue;
        uint64_t number = strtoull(part, &end, 10);
        if (*end == '\0' || *end == '\n' || *end == '/') {
            p->group = number;
            return;
        }
    }
}

static bool
read_program(ProcessInfo *p)
{
    if (!read_stat(p) || p->flags & KERNEL_THREAD)
        return false;
    read_owner(p);
    read_group(p);
    ssize_t n = read_file(p->pid, "cmdline", p->argv, ARGV_MAX);
    p->argv_size = n < 0 ? 0 : (size_t)n;
    return true;
}

static uint64_t
milliseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Computed from the present time, because the clock was different before a restore. */
static uint64_t
started_ms(const ProcessInfo *p)
{
    uint64_t age_ms =
        milliseconds(CLOCK_BOOTTIME) - p->started_ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);

    return milliseconds(CLOCK_REALTIME) - age_ms;
}

static void
put_argv(WireWriter *w, ProcessInfo *p)
{
    const char *argv[ARGUMENTS_MAX + 1] = {p->name};
    size_t n = 0;

    for (char *argument = p->argv; argument < p->argv + p->argv_size && n < ARGUMENTS_MAX;
         argument += strlen(argument) + 1)
        argv[n++] = argument;
    wire_put_strv(w, argv);
}

static size_t
write_program(ProcessInfo *p)
{
    static uint8_t fields[2 * ARGV_MAX + 4 * ARGUMENTS_MAX];
    WireWriter w = {.data = fields, .size = sizeof fields};

    wire_put_u32(&w, p->pid);
    wire_put_u32(&w, p->parent);
    wire_put_u32(&w, p->uid);
    wire_put_string(&w, names_user(p->uid));
    put_argv(&w, p);
    wire_put_u32(&w, (uint8_t)p->state);
    wire_put_u64(&w, started_ms(p));
    wire_put_u64(&w, p->memory_kib);
    wire_put_u64(&w, p->ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    wire_put_u64(&w, p->group);
    builtin_write_record(&w);
    return w.used;
}

static int
compare_pids(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return first < second ? -1 : first > second;
}

/* All processes except for the agent and this one. */
static uint32_t *
list_pids(size_t *ret_count)
{
    DIR *directory = opendir("/proc");
    uint32_t *pids = NULL;
    size_t count = 0;

    if (!directory)
        builtin_fail(errno, WIRE_ABOUT_FILE, "/proc");
    for (struct dirent *entry; (entry = readdir(directory));) {
        unsigned long pid = strtoul(entry->d_name, NULL, 10);
        uint32_t *more = NULL;

        if (pid == 0 || pid == (unsigned long)getpid() || pid == (unsigned long)getppid())
            continue;
        more = reallocarray(pids, count + 1, sizeof *pids);
        if (!more)
            builtin_fail(ENOMEM, WIRE_ABOUT_SYSTEM, "memory");
        pids = more;
        pids[count++] = (uint32_t)pid;
    }
    closedir(directory);
    if (pids)
        qsort(pids, count, sizeof *pids, compare_pids);
    *ret_count = count;
    return pids;
}

void
builtin_processes(char *const *argv)
{
    size_t count, written = 0;
    uint32_t *pids = list_pids(&count);

    builtin_ready();
    for (size_t i = 0; i < count && written < OUTPUT_MAX; i++) {
        ProcessInfo program = {.pid = pids[i]};

        if (read_program(&program))
            written += write_program(&program);
    }
}
