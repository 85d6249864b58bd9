/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-walk: walks directories by descriptors. */
#include "builtin-walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "builtin.h"

void
walk_fail(int error, const WalkPath *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    const WalkPath *parts[WALK_DEPTH_MAX + 2];
    size_t count = 0;

    for (; path && count < sizeof parts / sizeof *parts; path = path->parent)
        parts[count++] = path;
    while (out && count > 0) {
        const char *name = parts[--count]->name;
        size_t length = strlen(name);

        fprintf(out, "%s%s", name,
                count > 0 && (length == 0 || name[length - 1] != '/') ? "/" : "");
    }
    if (out)
        fclose(out);
    builtin_fail(error, WIRE_ABOUT_FILE, text ? text : "");
}

void
walk_enter(WalkPath *path, const WalkPath *parent, const char *name)
{
    *path = (WalkPath){.parent = parent, .name = name, .depth = parent->depth + 1};
    if (path->depth > WALK_DEPTH_MAX)
        walk_fail(ENAMETOOLONG, path);
}

int
walk_open(int parent_fd, const char *name)
{
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

void
walk_prepare(void)
{
    struct rlimit files;

    /* A walk has one open descriptor per level. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
walk_names(int fd, size_t *ret_count)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    char **names = NULL;
    size_t count = 0;

    if (!directory)
        builtin_fail(errno, WIRE_ABOUT_SYSTEM, "descriptors");
    for (struct dirent *entry; (entry = readdir(directory));) {
        char **more;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (count % 64 == 0) {
            more = reallocarray(names, count + 64, sizeof *names);
            if (!more)
                builtin_fail(ENOMEM, WIRE_ABOUT_SYSTEM, "memory");
            names = more;
        }
        names[count] = strdup(entry->d_name);
        if (!names[count++])
            builtin_fail(ENOMEM, WIRE_ABOUT_SYSTEM, "memory");
    }
    closedir(directory);
    if (names)
        qsort(names, count, sizeof *names, compare_names);
    *ret_count = count;
    return names;
}

void
walk_free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}
