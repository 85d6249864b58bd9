/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin: the table of tasks, and the functions that they share. */
#include "builtin.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "child.h"

static const struct {
    const char *name;
    int arguments; /* after the name */
    void (*run)(char *const *argv);
    bool stays_awake;
} tasks[] = {
    {"stat", 2, builtin_stat},
    {"read", 3, builtin_read},
    {"write", 5, builtin_store},
    {"append", 2, builtin_append},
    {"mkdir", 3, builtin_mkdir},
    {"move", 3, builtin_move},
    {"readlink", 1, builtin_readlink},
    {"list", 4, builtin_list},
    {"copy", 4, builtin_copy},
    {"remove", 3, builtin_remove},
    {"chmod", 3, builtin_chmod},
    {"chown", 4, builtin_chown},
    {"watch", 2, builtin_watch},
    {"connect", 2, builtin_connect},
    {"listeners", 0, builtin_listeners},
    {"processes", 0, builtin_processes},
    {"kept", 0, builtin_kept, .stays_awake = true},
};

static int
count_arguments(char *const *argv)
{
    int n = 0;

    while (argv[1 + n])
        n++;
    return n;
}

bool
builtin_stays_awake(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i].name, name) == 0)
            return tasks[i].stays_awake;
    return false;
}

void
builtin_run(char *const *argv)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i].name, argv[0]) == 0 && tasks[i].arguments == count_arguments(argv)) {
            tasks[i].run(argv);
            _exit(0);
        }
    builtin_fail(EINVAL, WIRE_ABOUT_REQUEST, argv[0]);
}

/* Whether the file system that would contain the file has no inodes left. Directories above the
 * file need not exist. */
static bool
lacks_inodes(const char *path)
{
    char copy[PATH_MAX], *directory = copy;
    struct statvfs state;

    snprintf(copy, sizeof copy, "%s", path);
    do
        directory = dirname(directory);
    while (statvfs(directory, &state) < 0 && strlen(directory) > 1);
    return state.f_files > 0 && state.f_favail == 0;
}

void
builtin_fail(int error, WireObject about, const char *name)
{
    char inodes[NAME_MAX];

    /* ENOSPC means that either blocks or inodes are exhausted. */
    if (error != ENOSPC || about != WIRE_ABOUT_FILE || !name || !lacks_inodes(name))
        child_fail(error, about, name);
    snprintf(inodes, sizeof inodes, "inodes for '%s'", name);
    child_fail(error, WIRE_ABOUT_SYSTEM, inodes);
}

void
builtin_ready(void)
{
    close(CHILD_REPORT_FD);
}

void
builtin_write(const void *data, size_t size)
{
    for (const char *next = data; size > 0;) {
        ssize_t n = write(STDOUT_FILENO, next, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            _exit(errno);
        next += n;
        size -= (size_t)n;
    }
}

void
builtin_write_record(const WireWriter *fields)
{
    uint8_t length[4];
    WireWriter w = {.data = length, .size = sizeof length};

    if (fields->overflow)
        return;
    wire_put_u32(&w, (uint32_t)fields->used);
    builtin_write(length, sizeof length);
    builtin_write(fields->data, fields->used);
}
