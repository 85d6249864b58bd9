/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* initramfs-tree: recursion by descriptors; an initramfs is shallow enough. */
#include "initramfs-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *
open_directory(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory && fd >= 0)
        close(fd);
    return directory;
}

static int
copy_bytes(int in, int out, off_t size)
{
    while (size > 0) {
        ssize_t n = sendfile(out, in, /* offset= */ NULL, (size_t)size);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        size -= n;
    }
    return 0;
}

static int
copy_file(int from_fd, int to_fd, const char *name, const struct stat *st)
{
    int in = openat(from_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0)
        return -errno;
    int out = openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                     st->st_mode & S_IXUSR ? 0755 : 0644);
    int r = out < 0 ? -errno : copy_bytes(in, out, st->st_size);
    if (out >= 0)
        close(out);
    close(in);
    return r;
}

static int copy_directory(DIR *from, int to_fd);

static int
copy_subdirectory(int from_fd, int to_fd, const char *name)
{
    if (mkdirat(to_fd, name, 0755) < 0)
        return -errno;
    int sub_fd = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sub_fd < 0)
        return -errno;
    DIR *sub = open_directory(from_fd, name);
    int r = sub ? copy_directory(sub, sub_fd) : -errno;
    close(sub_fd);
    return r;
}

/* Closes `from`. */
static int
copy_directory(DIR *from, int to_fd)
{
    int r = 0;

    for (struct dirent *entry; r == 0 && (entry = readdir(from));) {
        struct stat st;
        if (is_dot(entry->d_name))
            continue;
        if (fstatat(dirfd(from), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            r = -errno;
        else if (S_ISDIR(st.st_mode))
            r = copy_subdirectory(dirfd(from), to_fd, entry->d_name);
        else if (S_ISREG(st.st_mode))
            r = copy_file(dirfd(from), to_fd, entry->d_name, &st);
    }
    closedir(from);
    return r;
}

int
tree_copy(const char *from, const char *to)
{
    int to_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to_fd < 0)
        return -errno;
    DIR *directory = open_directory(AT_FDCWD, from);
    int r = directory ? copy_directory(directory, to_fd) : -errno;
    close(to_fd);
    return r;
}

/* Closes `directory`. */
static void
empty_directory(DIR *directory, dev_t device)
{
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat st;
        if (is_dot(entry->d_name) ||
            fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_dev != device)
            continue;
        DIR *sub = S_ISDIR(st.st_mode) ? open_directory(dirfd(directory), entry->d_name) : NULL;
        if (sub)
            empty_directory(sub, device);
        unlinkat(dirfd(directory), entry->d_name, sub ? AT_REMOVEDIR : 0);
    }
    closedir(directory);
}

void
tree_empty(const char *path)
{
    struct stat st;
    DIR *directory = open_directory(AT_FDCWD, path);
    if (directory && fstat(dirfd(directory), &st) == 0)
        empty_directory(directory, st.st_dev);
}
