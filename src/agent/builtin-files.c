/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin-files: reads and writes single files.
 *
 * A file that is written atomically has no name until it is complete (O_TMPFILE), so a task that is
 * killed leaves nothing. If the file system does not support that, the file has a hidden name.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin-record.h"
#include "builtin.h"
#include "owner-names.h"

#define COPY_SIZE (64u << 10)
#define TRIES 16

_Noreturn static void
fail_at_path(int error, const char *path)
{
    builtin_fail(error, WIRE_ABOUT_FILE, path);
}

/* --- stat, readlink --- */

/* Makes the path absolute, and resolves links if they are followed. */
static char *
absolute(const char *path, bool follow)
{
    char *whole = NULL;

    if (follow)
        return realpath(path, NULL);
    if (*path == '/')
        return strdup(path);
    char *here = getcwd(NULL, 0);
    if (here && asprintf(&whole, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path) < 0)
        whole = NULL;
    free(here);
    return whole;
}

void
builtin_stat(char *const *argv)
{
    bool follow = builtin_flag(argv[2]);
    char target[PATH_MAX] = "";
    struct stat st;

    if ((follow ? stat : lstat)(argv[1], &st) < 0)
        fail_at_path(errno, argv[1]);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(argv[1], target, sizeof target - 1);
        target[n < 0 ? 0 : n] = '\0';
    }
    char *path = absolute(argv[1], follow);
    builtin_ready();
    builtin_write_file(path ? path : argv[1], target, &st);
}

void
builtin_readlink(char *const *argv)
{
    char target[PATH_MAX];
    ssize_t n = readlink(argv[1], target, sizeof target);

    if (n < 0)
        fail_at_path(errno, argv[1]);
    builtin_ready();
    builtin_write(target, (size_t)n);
}

/* --- read --- */

/* Refuses FIFOs, which would block, and devices. */
static void
check_regular(int fd, const char *path)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        fail_at_path(errno, path);
    if (S_ISDIR(st.st_mode))
        fail_at_path(EISDIR, path);
    if (!S_ISREG(st.st_mode))
        fail_at_path(ENXIO, path); /* as open() returns for a socket */
}

/* Files in /proc have no size, and sendfile() does not support all of them. */
static ssize_t
pass_on(int fd, size_t size)
{
    static char buffer[COPY_SIZE];
    ssize_t n = sendfile(STDOUT_FILENO, fd, NULL, size < COPY_SIZE ? size : COPY_SIZE);

    if (n >= 0 || (errno != EINVAL && errno != ENOSYS))
        return n;
    n = read(fd, buffer, size < COPY_SIZE ? size : COPY_SIZE);
    if (n > 0)
        builtin_write(buffer, (size_t)n);
    return n;
}

void
builtin_read(char *const *argv)
{
    unsigned long long offset = strtoull(argv[2], NULL, 10);
    unsigned long long left = *argv[3] ? strtoull(argv[3], NULL, 10) : ULLONG_MAX;
    int fd = open(argv[1], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        fail_at_path(errno, argv[1]);
    check_regular(fd, argv[1]);
    if (offset > LLONG_MAX || (offset > 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0))
        fail_at_path(EINVAL, argv[1]);
    builtin_ready();
    while (left > 0) {
        ssize_t n = pass_on(fd, left < COPY_SIZE ? (size_t)left : COPY_SIZE);

        if (n < 0 && errno != EINTR)
            _exit(errno);
        if (n == 0)
            return;
        left -= n > 0 ? (unsigned long long)n : 0;
    }
}

/* --- mkdir --- */

/* Creates the directories above `path` that do not exist. */
static void
make_parents(const char *path)
{
    char *copy = strdup(path);

    if (!copy)
        fail_at_path(ENOMEM, path);
    for (char *slash = copy + 1; *copy && (slash = strchr(slash, '/')); slash++) {
        if (!slash[strspn(slash, "/")])
            break; /* after the last name */
        *slash = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            fail_at_path(errno, copy);
        *slash = '/';
    }
    free(copy);
}

void
builtin_mkdir(char *const *argv)
{
    mode_t mode = builtin_mode(argv[2], 0755);
    bool with_parents = builtin_flag(argv[3]);
    struct stat st;

    if (with_parents)
        make_parents(argv[1]);
    if (mkdir(argv[1], mode) == 0) {
        if (chmod(argv[1], mode) < 0) /* without the umask */
            fail_at_path(errno, argv[1]);
        return;
    }
    int error = errno;
    if (error != EEXIST || !with_parents || stat(argv[1], &st) < 0 || !S_ISDIR(st.st_mode))
        fail_at_path(error, argv[1]);
}

/* --- write, append --- */

typedef struct {
    char *path;      /* of the file to replace, with links resolved */
    char *directory; /* which contains the file */
    char *temporary; /* name until the file is complete; NULL: none */
    int fd;
    bool is_new;
    struct stat before; /* of the old file, if there is one */
} WriteTarget;

static void
split(WriteTarget *target)
{
    const char *slash = strrchr(target->path, '/');

    if (!slash)
        target->directory = strdup(".");
    else
        target->directory =
            strndup(target->path, slash == target->path ? 1 : (size_t)(slash - target->path));
    if (!target->directory)
        fail_at_path(ENOMEM, target->path);
}

/* An atomic write replaces a dangling link itself. */
static void
find_target(WriteTarget *target, const char *path)
{
    char *resolved = realpath(path, NULL);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    if (!*path)
        fail_at_path(ENOENT, path);
    if (!resolved && (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
        fail_at_path(EISDIR, path);
    target->path = resolved ? resolved : strdup(path);
    if (!target->path)
        fail_at_path(ENOMEM, path);
    target->is_new = stat(target->path, &target->before) < 0;
    if (!target->is_new && S_ISDIR(target->before.st_mode))
        fail_at_path(EISDIR, path);
    if (!target->is_new && !S_ISREG(target->before.st_mode))
        fail_at_path(ENXIO, path);
    make_parents(target->path);
    split(target);
}

/* An unused name in the target's directory. */
static char *
invent_name(const WriteTarget *target)
{
    const char *name = strrchr(target->path, '/');
    uint64_t number = 0;
    char *path = NULL;

    name = name ? name + 1 : target->path;
    if (getrandom(&number, sizeof number, 0) != sizeof number ||
        asprintf(&path, "%s/.%.200s.%016llx", target->directory, name, (unsigned long long)number) <
            0)
        fail_at_path(ENOMEM, target->path);
    return path;
}

/* A file that the user may not write must not be replaced either. */
static void
check_writable(const WriteTarget *target)
{
    if (!target->is_new && access(target->path, W_OK) < 0)
        fail_at_path(errno, target->path);
}

static void
open_new(WriteTarget *target)
{
    check_writable(target);
    target->fd = open(target->directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (target->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        target->temporary = invent_name(target);
        target->fd = open(target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    if (target->fd < 0)
        fail_at_path(errno, target->path);
}

static void
open_in_place(WriteTarget *target, int flags)
{
    target->fd =
        open(target->path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags, 0644);
    if (target->fd < 0)
        fail_at_path(errno, target->path);
    check_regular(target->fd, target->path);
    fcntl(target->fd, F_SETFL, flags & O_APPEND);
}

/* Called before any byte is written, so that no other user can read the content. */
static void
set_owner_and_mode(const WriteTarget *target, const char *mode, const char *owner, bool keeps)
{
    uid_t uid = NAMES_KEEP;
    gid_t gid = NAMES_KEEP;
    int r = *owner ? names_parse_owner(owner, &uid, &gid) : 0;

    if (r < 0)
        builtin_fail(-r, WIRE_ABOUT_USER, owner);
    if (keeps && !*owner && !target->is_new && geteuid() == 0) {
        uid = target->before.st_uid;
        gid = target->before.st_gid;
    }
    if ((uid != NAMES_KEEP || gid != (gid_t)NAMES_KEEP) && fchown(target->fd, uid, gid) < 0)
        fail_at_path(errno, target->path);
    if (*mode || keeps) {
        mode_t preset = target->is_new ? 0644 : target->before.st_mode & 07777;

        if (fchmod(target->fd, builtin_mode(mode, preset)) < 0)
            fail_at_path(errno, target->path);
    }
}

_Noreturn static void
give_up(const WriteTarget *target, int error)
{
    if (target->temporary)
        unlink(target->temporary);
    _exit(error);
}

static unsigned long long
copy_input(const WriteTarget *target)
{
    static char buffer[COPY_SIZE];
    unsigned long long written = 0;
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
        if (n < 0 && errno != EINTR)
            give_up(target, errno);
        for (ssize_t done = 0; done < n;) {
            ssize_t m = write(target->fd, buffer + done, (size_t)(n - done));

            if (m < 0 && errno != EINTR)
                give_up(target, errno);
            done += m > 0 ? m : 0;
        }
        written += n > 0 ? (unsigned long long)n : 0;
    }
    return written;
}

/* Gives the unnamed file a name, which rename() needs. */
static void
name_new(WriteTarget *target)
{
    char link[64];

    snprintf(link, sizeof link, "/proc/self/fd/%d", target->fd);
    for (int i = 0; i < TRIES; i++) {
        target->temporary = invent_name(target);
        if (linkat(AT_FDCWD, link, AT_FDCWD, target->temporary, AT_SYMLINK_FOLLOW) == 0)
            return;
        free(target->temporary);
        target->temporary = NULL;
        if (errno != EEXIST)
            break;
    }
    _exit(errno);
}

void
builtin_store(char *const *argv)
{
    bool is_atomic = builtin_flag(argv[5]);
    WriteTarget target = {.fd = -1};

    signal(SIGPIPE, SIG_IGN);
    find_target(&target, argv[1]);
    if (is_atomic)
        open_new(&target);
    else
        open_in_place(&target, O_TRUNC);
    set_owner_and_mode(&target, argv[2], argv[3], is_atomic);
    builtin_ready();

    unsigned long long written = copy_input(&target);
    if (*argv[4] && written != strtoull(argv[4], NULL, 10))
        give_up(&target, EPIPE);
    if (!is_atomic)
        return;
    if (!target.temporary)
        name_new(&target);
    if (rename(target.temporary, target.path) < 0)
        give_up(&target, errno);
}

void
builtin_append(char *const *argv)
{
    WriteTarget target = {.fd = -1};

    find_target(&target, argv[1]);
    open_in_place(&target, O_APPEND);
    if (target.is_new)
        set_owner_and_mode(&target, argv[2], "", /* keeps= */ true);
    builtin_ready();
    copy_input(&target);
}
