/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cgroup: reads and writes files of the cgroup2 file system. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16 /* of cgroups that the guest's root created in ours */

static int root_fd = -1, operations_fd = -1;
static int freeze_fd = -1; /* kept open, so that a lack of descriptors cannot prevent a thaw */

static int
parent_of(uint64_t number)
{
    return number & CGROUP_AWAKE ? root_fd : operations_fd;
}

static void
path_of(uint64_t number, const char *file, char *out, size_t size)
{
    snprintf(out, size, "p%" PRIu64 "%s", number & ~CGROUP_AWAKE, file);
}

int
cgroup_open(const char *directory)
{
    root_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0 || (mkdirat(root_fd, CGROUP_OPERATIONS, 0755) < 0 && errno != EEXIST))
        return -errno;
    operations_fd = openat(root_fd, CGROUP_OPERATIONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (operations_fd < 0)
        return -errno;
    freeze_fd = openat(operations_fd, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
    return freeze_fd < 0 ? -errno : 0;
}

int
cgroup_create(uint64_t number)
{
    char path[64];

    path_of(number, "", path, sizeof path);
    if (mkdirat(parent_of(number), path, 0755) < 0)
        return -errno;
    int fd = openat(parent_of(number), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void
cgroup_kill(uint64_t number)
{
    char path[64];

    path_of(number, "/cgroup.kill", path, sizeof path);
    int fd = openat(parent_of(number), path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* the cgroup is gone, and its processes with it */
    dprintf(fd, "1");
    close(fd);
}

/* The number after `key` in a file with lines "key number", or -1. */
static long
value_of(int fd, const char *key)
{
    char text[512];

    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    const char *found = strstr(text, key);
    return found ? strtol(found + strlen(key), NULL, 10) : -1;
}

static long
value_in(uint64_t number, const char *file, const char *key)
{
    char path[64];

    path_of(number, file, path, sizeof path);
    int fd = openat(parent_of(number), path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    long value = value_of(fd, key);
    close(fd);
    return value;
}

bool
cgroup_ran_out_of_memory(uint64_t number)
{
    return value_in(number, "/memory.events", "oom_kill ") > 0;
}

/* Removes empty cgroups that the guest's root created inside, which would keep ours busy. */
static int
remove_below(int parent_fd, const char *name, int depth)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory)
        return -errno;

    for (struct dirent *entry; depth > 0 && (entry = readdir(directory));)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            remove_below(fd, entry->d_name, depth - 1);
    closedir(directory);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int
cgroup_remove(uint64_t number)
{
    char path[64];

    path_of(number, "", path, sizeof path);
    if (unlinkat(parent_of(number), path, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (value_in(number, "/cgroup.events", "populated ") != 0)
        return -EBUSY;
    return remove_below(parent_of(number), path, DEPTH_MAX);
}

int
cgroup_watch(uint64_t number)
{
    char path[64];

    path_of(number, "/cgroup.events", path, sizeof path);
    int fd = openat(parent_of(number), path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void
cgroup_watch_again(int fd)
{
    value_of(fd, "populated ");
}

int
cgroup_freeze(bool is_on)
{
    return pwrite(freeze_fd, is_on ? "1" : "0", 1, 0) < 0 ? -errno : 0;
}

int
cgroup_watch_frozen(void)
{
    int fd = openat(operations_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

bool
cgroup_is_frozen(int fd)
{
    return value_of(fd, "frozen ") == 1;
}
