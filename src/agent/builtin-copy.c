/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin-copy: a file, or a tree, with all that its user may keep of it.
 *
 * Holes stay holes, and names of one file stay names of one file. An owner that may not be kept is
 * let go; set-user-id bits go with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin-tree.h"

#define COPY_SIZE (1u << 20)

/* A file with several names, and where the first of them was copied to. */
typedef struct {
    dev_t device;
    ino_t inode;
    int fd; /* O_PATH */
} Link;

static struct {
    bool recursive, replaces;
    dev_t device; /* of the copy's top, once it is a directory: it must not be copied into itself */
    ino_t inode;
    bool has_top;
    Link *links;
    size_t n_links;
} copy;

static void copy_entry(int from, const TreePath *path, int to, const char *name);

/* --- bytes --- */

static void
copy_range(int in, int out, off_t from, off_t to, const TreePath *path)
{
    static char buffer[64 << 10];

    if (lseek(in, from, SEEK_SET) < 0 || lseek(out, from, SEEK_SET) < 0)
        tree_fail(errno, path);
    while (from < to) {
        size_t size = (size_t)(to - from) < COPY_SIZE ? (size_t)(to - from) : COPY_SIZE;
        ssize_t n = copy_file_range(in, NULL, out, NULL, size, 0);

        if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
            n = read(in, buffer, size < sizeof buffer ? size : sizeof buffer);
            if (n > 0 && write(out, buffer, (size_t)n) != n)
                n = -1;
        }
        if (n < 0)
            tree_fail(errno, path);
        if (n == 0)
            return; /* it became shorter */
        from += n;
    }
}

/* Where holes cannot be asked for, all is data. */
static void
copy_bytes(int in, int out, off_t size, const TreePath *path)
{
    off_t at = 0;

    while (at < size) {
        off_t data = lseek(in, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        off_t hole = data < 0 ? size : lseek(in, data, SEEK_HOLE);

        copy_range(in, out, data < 0 ? at : data, hole < 0 ? size : hole, path);
        at = hole < 0 ? size : hole;
    }
    if (ftruncate(out, size) < 0)
        tree_fail(errno, path);
}

/* --- what a file has beside its bytes --- */

static void
keep_attributes(int to, const char *name, const struct stat *st, const TreePath *path)
{
    const struct timespec times[] = {st->st_atim, st->st_mtim};
    mode_t mode = st->st_mode & 07777;

    if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        mode &= 01777;
    if (!S_ISLNK(st->st_mode) && fchmodat(to, name, mode, 0) < 0)
        tree_fail(errno, path);
    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

static void
remember_link(int to, const char *name, const struct stat *st)
{
    Link *more = reallocarray(copy.links, copy.n_links + 1, sizeof *more);
    int fd = more ? openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (!more || fd < 0)
        return; /* then it is copied twice */
    copy.links = more;
    copy.links[copy.n_links++] = (Link){st->st_dev, st->st_ino, fd};
}

static bool
link_again(int to, const char *name, const struct stat *st)
{
    char path[64];

    for (size_t i = 0; i < copy.n_links; i++) {
        const Link *link = &copy.links[i];

        if (link->device != st->st_dev || link->inode != st->st_ino)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", link->fd);
        return linkat(AT_FDCWD, path, to, name, AT_SYMLINK_FOLLOW) == 0;
    }
    return false;
}

/* --- each kind --- */

static void
copy_file(int from, const TreePath *path, int to, const char *name, const struct stat *st)
{
    int in = openat(from, path->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (out < 0)
        tree_fail(errno, path);
    copy_bytes(in, out, st->st_size, path);
    close(in);
    if (close(out) < 0)
        tree_fail(errno, path);
}

static void
copy_link(int from, const TreePath *path, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, path->name, target, sizeof target - 1);

    if (n < 0)
        tree_fail(errno, path);
    target[n] = '\0';
    if (symlinkat(target, to, name) < 0)
        tree_fail(errno, path);
}

static void
remember_top(int fd)
{
    struct stat st;

    if (copy.has_top || fstat(fd, &st) < 0)
        return;
    copy.device = st.st_dev;
    copy.inode = st.st_ino;
    copy.has_top = true;
}

static void
copy_directory(int from, const TreePath *path, int to, const char *name)
{
    size_t count;
    int in = tree_open(from, path->name);

    if (in < 0)
        tree_fail(errno, path);
    if (!copy.recursive)
        tree_fail(EISDIR, path);
    char **names = tree_names(in, &count); /* before the copy may be among them */
    if (mkdirat(to, name, 0700) < 0 && (errno != EEXIST || !copy.replaces))
        tree_fail(errno, path);
    int out = tree_open(to, name);
    if (out < 0)
        tree_fail(errno, path);
    remember_top(out);
    for (size_t i = 0; i < count; i++) {
        TreePath below;

        tree_enter(&below, path, names[i]);
        copy_entry(in, &below, out, names[i]);
    }
    tree_free_names(names, count);
    close(in);
    close(out);
}

/* What is there goes, unless it is a directory that gets a directory. */
static void
make_room(int to, const char *name, const struct stat *st, const TreePath *path)
{
    struct stat there;

    if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (!copy.replaces)
        tree_fail(EEXIST, path);
    if (there.st_dev == st->st_dev && there.st_ino == st->st_ino)
        tree_fail(EINVAL, path); /* it is itself */
    if (S_ISDIR(there.st_mode) && S_ISDIR(st->st_mode))
        return;
    if (S_ISDIR(there.st_mode))
        tree_fail(EISDIR, path);
    if (unlinkat(to, name, 0) < 0)
        tree_fail(errno, path);
}

static void
copy_entry(int from, const TreePath *path, int to, const char *name)
{
    struct stat st;

    if (fstatat(from, path->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        tree_fail(errno, path);
    if (copy.has_top && st.st_dev == copy.device && st.st_ino == copy.inode)
        tree_fail(EINVAL, path); /* a directory in itself */
    make_room(to, name, &st, path);
    if (st.st_nlink > 1 && !S_ISDIR(st.st_mode) && link_again(to, name, &st))
        return;
    if (S_ISDIR(st.st_mode))
        copy_directory(from, path, to, name);
    else if (S_ISREG(st.st_mode))
        copy_file(from, path, to, name, &st);
    else if (S_ISLNK(st.st_mode))
        copy_link(from, path, to, name);
    else if (mknodat(to, name, st.st_mode & (S_IFMT | 0600), st.st_rdev) < 0)
        tree_fail(errno, path);
    keep_attributes(to, name, &st, path);
    if (st.st_nlink > 1 && !S_ISDIR(st.st_mode))
        remember_link(to, name, &st);
}

void
builtin_copy_tree(const char *from, const char *to, bool recursive, bool replaces)
{
    TreePath top = {.name = from};

    copy.recursive = recursive;
    copy.replaces = replaces;
    tree_prepare();
    copy_entry(AT_FDCWD, &top, AT_FDCWD, to);
}

void
builtin_copy(char *const *argv)
{
    builtin_copy_tree(argv[1], argv[2], builtin_flag(argv[3]), builtin_flag(argv[4]));
}
