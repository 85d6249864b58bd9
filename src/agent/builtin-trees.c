/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin-trees: list, remove, chmod and chown of directories.
 *
 * Trees are walked by descriptors and not by paths: a path may be longer than PATH_MAX, and a
 * directory may be replaced by a symbolic link during the walk, which must not be followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin-record.h"
#include "builtin-trees.h"
#include "builtin-walk.h"
#include "builtin.h"
#include "owner-names.h"

#define LIST_SIZE_MAX (2u << 20)

/* --- list --- */

typedef struct {
    unsigned long depth, limit;
    size_t written;
} List;

/* An empty record means that there are more entries. */
static void
write_entry(List *list, int fd, const char *name, const char *path, const struct stat *st)
{
    static const uint8_t more[4];
    char target[PATH_MAX] = "";

    if (list->limit == 0 || list->written > LIST_SIZE_MAX) {
        builtin_write(more, sizeof more);
        _exit(0);
    }
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(fd, name, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = '\0';
    }
    list->written += builtin_write_file(path, target, st);
    list->limit--;
}

static void list_directory(List *list, int fd, const char *path, unsigned long depth,
                           const char *after);

/* `after`: the last entry of the previous list; NULL: none. */
static void
list_entry(List *list, int fd, const char *name, const char *path, unsigned long depth,
           const char *after)
{
    size_t size = after ? strcspn(after, "/") : 0;
    int order = 1;
    struct stat st;

    if (after) {
        order = strncmp(name, after, size);
        order = order == 0 && name[size] ? 1 : order;
    }
    if (order < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (order > 0)
        write_entry(list, fd, name, path, &st);
    int below = S_ISDIR(st.st_mode) && depth < list->depth ? walk_open(fd, name) : -1;
    if (below < 0)
        return;
    list_directory(list, below, path, depth + 1,
                   order == 0 && after[size] == '/' ? after + size + 1 : NULL);
    close(below);
}

static void
list_directory(List *list, int fd, const char *path, unsigned long depth, const char *after)
{
    size_t count;
    char **names = walk_names(fd, &count);

    for (size_t i = 0; i < count; i++) {
        char *below = NULL;

        if (asprintf(&below, "%s%s%s", path, *path ? "/" : "", names[i]) < 0)
            _exit(ENOMEM);
        list_entry(list, fd, names[i], below, depth, after);
        free(below);
    }
    walk_free_names(names, count);
}

void
builtin_list(char *const *argv)
{
    List list = {
        .depth = strtoul(argv[2], NULL, 10),
        .limit = strtoul(argv[3], NULL, 10),
    };
    int fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        builtin_fail(errno, WIRE_ABOUT_FILE, argv[1]);
    if (list.depth > BUILTIN_DEPTH_MAX)
        list.depth = BUILTIN_DEPTH_MAX;
    builtin_ready();
    list_directory(&list, fd, "", 1, *argv[4] ? argv[4] : NULL);
}

/* --- remove --- */

static void remove_entry(int fd, const WalkPath *path);

static void
remove_below(int fd, const WalkPath *path)
{
    size_t count;
    char **names = walk_names(fd, &count);

    for (size_t i = 0; i < count; i++) {
        WalkPath below;

        walk_enter(&below, path, names[i]);
        remove_entry(fd, &below);
    }
    walk_free_names(names, count);
}

/* Another process may remove entries as well. */
static void
remove_entry(int fd, const WalkPath *path)
{
    if (unlinkat(fd, path->name, 0) == 0 || errno == ENOENT)
        return;
    int error = errno;
    int below = error == EISDIR || error == EPERM ? walk_open(fd, path->name) : -1;
    if (below < 0)
        walk_fail(error == EISDIR ? errno : error, path);
    remove_below(below, path);
    close(below);
    if (unlinkat(fd, path->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        walk_fail(errno, path);
}

void
builtin_remove_tree(const char *path)
{
    WalkPath top = {.name = path};

    walk_prepare();
    remove_entry(AT_FDCWD, &top);
}

/* Without this check the content would be removed before the kernel refuses to remove the
 * directory. */
static void
check_removable(const char *path, const struct stat *st)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct stat root;

    if (stat("/", &root) == 0 && st->st_dev == root.st_dev && st->st_ino == root.st_ino)
        builtin_fail(EBUSY, WIRE_ABOUT_FILE, path);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        builtin_fail(EINVAL, WIRE_ABOUT_FILE, path);
}

void
builtin_remove(char *const *argv)
{
    const char *path = argv[1];
    struct stat st;

    if (lstat(path, &st) < 0) {
        if (errno == ENOENT && builtin_flag(argv[3]))
            return;
        builtin_fail(errno, WIRE_ABOUT_FILE, path);
    }
    check_removable(path, &st);
    if (S_ISDIR(st.st_mode) && builtin_flag(argv[2]))
        builtin_remove_tree(path);
    else if (unlinkat(AT_FDCWD, path, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
        builtin_fail(errno, WIRE_ABOUT_FILE, path);
}

/* --- chmod, chown --- */

typedef struct {
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool is_chmod;
} Change;

/* A symbolic link has an owner but no mode. */
static void
change_entry(const Change *change, int fd, const WalkPath *path, const struct stat *st)
{
    int r = 0;

    if (!change->is_chmod)
        r = fchownat(fd, path->name, change->uid, change->gid, AT_SYMLINK_NOFOLLOW);
    else if (!S_ISLNK(st->st_mode)) {
        /* Uses a descriptor, because fchmodat() would follow a symbolic link that replaced the
         * file. */
        char link[64];
        int file = openat(fd, path->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        r = file < 0 ? -1 : chmod(link, change->mode);
        int error = errno;
        if (file >= 0)
            close(file);
        errno = error;
    }
    if (r < 0)
        walk_fail(errno, path);
}

/* Changes the content first, because the new mode may deny access. A directory that cannot be
 * opened is changed before, because the new mode may permit access. */
static void
change_tree(const Change *change, int fd, const WalkPath *path)
{
    struct stat st;
    size_t count = 0;

    if (fstatat(fd, path->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        walk_fail(errno, path);
    if (S_ISDIR(st.st_mode)) {
        int below = walk_open(fd, path->name);
        if (below < 0 && errno == EACCES && change->is_chmod) {
            change_entry(change, fd, path, &st);
            below = walk_open(fd, path->name);
        }
        if (below < 0)
            walk_fail(errno, path);
        char **names = walk_names(below, &count);
        for (size_t i = 0; i < count; i++) {
            WalkPath entry;

            walk_enter(&entry, path, names[i]);
            change_tree(change, below, &entry);
        }
        walk_free_names(names, count);
        close(below);
    }
    change_entry(change, fd, path, &st);
}

static void
change(const Change *change, const char *path, bool recursive, bool follow)
{
    char *resolved = follow ? realpath(path, NULL) : strdup(path);
    WalkPath top = {.name = resolved};
    struct stat st;

    if (!resolved || lstat(resolved, &st) < 0)
        builtin_fail(errno, WIRE_ABOUT_FILE, path);
    walk_prepare();
    if (recursive)
        change_tree(change, AT_FDCWD, &top);
    else
        change_entry(change, AT_FDCWD, &top, &st);
}

void
builtin_chmod(char *const *argv)
{
    const Change wish = {.is_chmod = true, .mode = builtin_mode(argv[2], 0)};

    change(&wish, argv[1], builtin_flag(argv[3]), /* follow= */ true);
}

void
builtin_chown(char *const *argv)
{
    Change wish = {.is_chmod = false};
    int r = names_parse_owner(argv[2], &wish.uid, &wish.gid);

    if (r < 0)
        builtin_fail(-r, WIRE_ABOUT_USER, argv[2]);
    change(&wish, argv[1], builtin_flag(argv[3]), builtin_flag(argv[4]));
}
