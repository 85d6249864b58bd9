/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin-copy: copies and moves a file or a tree, with all attributes that its user may set.
 *
 * Holes and hard links are preserved. If the user may not set the owner, the copy belongs to the
 * user and has no set-user-id bits.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "builtin-record.h"
#include "builtin-trees.h"
#include "builtin-walk.h"
#include "builtin.h"

#define COPY_SIZE (1u << 20)

/* A file with several links, and the copy of the first one. */
typedef struct {
    dev_t device;
    ino_t inode;
    int fd; /* O_PATH */
} Link;

static struct {
    bool recursive, replaces;
    Link *links;
    size_t n_links;
} copy;

static void copy_entry(int from, const WalkPath *path, int to, const char *name);

/* --- bytes --- */

static void
write_all(int out, const char *data, size_t size, const WalkPath *path)
{
    while (size > 0) {
        ssize_t n = write(out, data, size);

        if (n < 0)
            walk_fail(errno, path);
        data += n;
        size -= (size_t)n;
    }
}

static void
copy_range(int in, int out, off_t from, off_t to, const WalkPath *path)
{
    static char buffer[64 << 10];

    if (lseek(in, from, SEEK_SET) < 0 || lseek(out, from, SEEK_SET) < 0)
        walk_fail(errno, path);
    while (from < to) {
        size_t size = (size_t)(to - from) < COPY_SIZE ? (size_t)(to - from) : COPY_SIZE;
        ssize_t n = copy_file_range(in, NULL, out, NULL, size, 0);

        if (n < 0 &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
            n = read(in, buffer, size < sizeof buffer ? size : sizeof buffer);
            if (n > 0)
                write_all(out, buffer, (size_t)n, path);
        }
        if (n < 0)
            walk_fail(errno, path);
        if (n == 0)
            return; /* the file became shorter */
        from += n;
    }
}

/* A file system without SEEK_DATA has no holes. */
static void
copy_bytes(int in, int out, off_t size, const WalkPath *path)
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
        walk_fail(errno, path);
}

/* --- attributes --- */

static void
keep_attributes(int to, const char *name, const struct stat *st, const WalkPath *path)
{
    const struct timespec times[] = {st->st_atim, st->st_mtim};
    mode_t mode = st->st_mode & 07777;

    if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        mode &= 01777;
    if (!S_ISLNK(st->st_mode) && fchmodat(to, name, mode, 0) < 0)
        walk_fail(errno, path);
    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

static void
remember_link(int to, const char *name, const struct stat *st)
{
    Link *more = reallocarray(copy.links, copy.n_links + 1, sizeof *more);
    int fd = more ? openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (!more || fd < 0)
        return; /* then the file is copied twice */
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
copy_file(int in, const WalkPath *path, int to, const char *name, const struct stat *st)
{
    int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (out < 0)
        walk_fail(errno, path);
    copy_bytes(in, out, st->st_size, path);
    if (close(out) < 0)
        walk_fail(errno, path);
}

static void
copy_link(int from, const WalkPath *path, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, path->name, target, sizeof target - 1);

    if (n < 0)
        walk_fail(errno, path);
    target[n] = '\0';
    if (symlinkat(target, to, name) < 0)
        walk_fail(errno, path);
}

static void
copy_directory(int in, const WalkPath *path, int to, const char *name)
{
    size_t count;
    char **names = walk_names(in, &count);

    if (mkdirat(to, name, 0700) < 0 && (errno != EEXIST || !copy.replaces))
        walk_fail(errno, path);
    int out = walk_open(to, name);
    if (out < 0)
        walk_fail(errno, path);
    for (size_t i = 0; i < count; i++) {
        WalkPath below;

        walk_enter(&below, path, names[i]);
        copy_entry(in, &below, out, names[i]);
    }
    walk_free_names(names, count);
    close(out);
}

/* Removes the existing target, unless both are directories. */
static void
make_room(int to, const char *name, const struct stat *st, const WalkPath *path)
{
    struct stat there;

    if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (!copy.replaces)
        walk_fail(EEXIST, path);
    if (there.st_dev == st->st_dev && there.st_ino == st->st_ino)
        walk_fail(EINVAL, path); /* source and target are the same file */
    if (S_ISDIR(there.st_mode) && S_ISDIR(st->st_mode))
        return;
    if (S_ISDIR(there.st_mode))
        walk_fail(EISDIR, path);
    if (unlinkat(to, name, 0) < 0)
        walk_fail(errno, path);
}

/* -1 for types that are not read. */
static int
open_source(int from, const WalkPath *path, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        return -1;
    if (S_ISDIR(st->st_mode) && !copy.recursive)
        walk_fail(EISDIR, path);
    int in = S_ISDIR(st->st_mode)
                 ? walk_open(from, path->name)
                 : openat(from, path->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0)
        walk_fail(errno, path);
    return in;
}

static void
make_copy(int from, int in, const WalkPath *path, int to, const char *name, const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        copy_directory(in, path, to, name);
    else if (S_ISREG(st->st_mode))
        copy_file(in, path, to, name, st);
    else if (S_ISLNK(st->st_mode))
        copy_link(from, path, to, name);
    else if (mknodat(to, name, st->st_mode & (S_IFMT | 0600), st->st_rdev) < 0)
        walk_fail(errno, path);
    keep_attributes(to, name, st, path);
    if (st->st_nlink > 1 && !S_ISDIR(st->st_mode))
        remember_link(to, name, st);
}

/* Checks that the source can be read before the target is removed. */
static void
copy_entry(int from, const WalkPath *path, int to, const char *name)
{
    struct stat st;

    if (fstatat(from, path->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        walk_fail(errno, path);
    int in = open_source(from, path, &st);
    make_room(to, name, &st, path);
    if (st.st_nlink <= 1 || S_ISDIR(st.st_mode) || !link_again(to, name, &st))
        make_copy(from, in, path, to, name, &st);
    if (in >= 0)
        close(in);
}

/* A directory cannot be copied into itself: it would grow while it is read. */
static void
check_outside(const char *from, const char *to)
{
    char *path = strdup(to);
    struct stat source, here, above;

    if (lstat(from, &source) < 0)
        builtin_fail(errno, WIRE_ABOUT_FILE, from);
    int fd = path ? open(dirname(path), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &here) < 0)
        builtin_fail(errno, WIRE_ABOUT_FILE, to);
    while (S_ISDIR(source.st_mode)) {
        if (here.st_dev == source.st_dev && here.st_ino == source.st_ino)
            builtin_fail(EINVAL, WIRE_ABOUT_FILE, to);
        int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (up < 0 || fstat(up, &above) < 0 ||
            (above.st_dev == here.st_dev && above.st_ino == here.st_ino))
            break;
        close(fd);
        fd = up;
        here = above;
    }
    close(fd);
    free(path);
}

static void
copy_tree(const char *from, const char *to, bool recursive, bool replaces)
{
    WalkPath top = {.name = from};

    copy.recursive = recursive;
    copy.replaces = replaces;
    check_outside(from, to);
    walk_prepare();
    copy_entry(AT_FDCWD, &top, AT_FDCWD, to);
}

void
builtin_copy(char *const *argv)
{
    copy_tree(argv[1], argv[2], builtin_flag(argv[3]), builtin_flag(argv[4]));
}

/* --- move --- */

void
builtin_move(char *const *argv)
{
    bool replaces = builtin_flag(argv[3]);
    struct stat st;

    if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2],
                replaces ? 0 : 1 /* RENAME_NOREPLACE */) == 0)
        return;
    int error = errno;
    if (error != EXDEV)
        builtin_fail(error, WIRE_ABOUT_FILE,
                     error == ENOENT && lstat(argv[1], &st) < 0 ? argv[1] : argv[2]);
    /* A directory replaces only an empty one, as rename() does. */
    if (replaces && lstat(argv[1], &st) == 0 && S_ISDIR(st.st_mode) && rmdir(argv[2]) < 0 &&
        errno != ENOENT)
        builtin_fail(errno, WIRE_ABOUT_FILE, argv[2]);
    copy_tree(argv[1], argv[2], /* recursive= */ true, replaces);
    builtin_remove_tree(argv[1]);
}
