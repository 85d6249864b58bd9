/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* folder: makes and opens folders in places where other users may have made one first. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

#define LINKS_MAX 40u
#define PARENT_MODE 0755

static gboolean
is_trusted(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

static gboolean deny(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
deny(GError **error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_propagate_error(error,
                      g_error_new_valist(CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED, format, ap));
    va_end(ap);
    return FALSE;
}

/* --- the way to a folder --- */

typedef struct {
    const char *path; /* for errors */
    int at;           /* the folder that was reached */
    int parent;       /* in which it is */
    char *rest;       /* what is left to walk */
    guint links;
    int mode; /* of the last folder if it is made; -1: it must exist */
} Walk;

static int
open_entry(int at, const char *name)
{
    return openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int
open_or_make(const Walk *walk, const char *name)
{
    mode_t mode = *walk->rest == '\0' ? (mode_t)walk->mode : PARENT_MODE;
    int fd = open_entry(walk->at, name);

    if (fd >= 0 || errno != ENOENT || walk->mode < 0)
        return fd;
    if (mkdirat(walk->at, name, mode) < 0 && errno != EEXIST)
        return -1;
    return open_entry(walk->at, name);
}

/* Takes the next name from what is left. */
static char *
next_name(Walk *walk)
{
    char *begin = walk->rest + strspn(walk->rest, "/");
    gsize length = strcspn(begin, "/");
    char *name = g_strndup(begin, length);
    char *rest = g_strdup(begin + length + strspn(begin + length, "/"));

    g_free(walk->rest);
    walk->rest = rest;
    return name;
}

static void
move_to(Walk *walk, int fd)
{
    close(walk->parent);
    walk->parent = walk->at;
    walk->at = fd;
}

static int
open_root(void)
{
    return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Puts the target of a link in front of what is left. Takes `fd`. */
static gboolean
follow(Walk *walk, int fd, const struct stat *st, GError **error)
{
    char target[PATH_MAX];
    gssize length = readlinkat(fd, "", target, sizeof(target) - 1);
    int errnum = length < 0 ? errno : ++walk->links > LINKS_MAX ? ELOOP : 0;
    char *rest;

    close(fd);
    if (!is_trusted(st->st_uid))
        return deny(error, "'%s' has a symbolic link of the user %u, which is not followed",
                    walk->path, (unsigned)st->st_uid);
    if (errnum != 0)
        return util_set_errno(error, errnum, "Cannot open '%s'", walk->path);
    target[length] = '\0';
    rest = *walk->rest ? g_strconcat(target, "/", walk->rest, NULL) : g_strdup(target);
    g_free(walk->rest);
    walk->rest = rest;
    if (*target == '/')
        move_to(walk, open_root());
    return TRUE;
}

static gboolean
step(Walk *walk, GError **error)
{
    g_autofree char *name = next_name(walk);
    struct stat st;
    int fd;

    if (*name == '\0')
        return TRUE;
    fd = open_or_make(walk, name);
    if (fd < 0 || fstat(fd, &st) < 0)
        return util_set_errno(error, errno,
                              walk->mode < 0 ? "Cannot open '%s'" : "Cannot make the folder '%s'",
                              walk->path);
    if (S_ISLNK(st.st_mode))
        return follow(walk, fd, &st, error);
    move_to(walk, fd);
    if (S_ISDIR(st.st_mode))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "'%s' is not a folder", walk->path);
    return FALSE;
}

/* Returns FALSE with both descriptors closed, or TRUE. */
static gboolean
walk_to(Walk *walk, const char *path, int mode, GError **error)
{
    gboolean ok = TRUE;

    g_assert(g_path_is_absolute(path));
    *walk = (Walk){.path = path, .rest = g_strdup(path), .mode = mode};
    walk->at = open_root();
    walk->parent = open_root();
    while (ok && *walk->rest)
        ok = step(walk, error);
    g_clear_pointer(&walk->rest, g_free);
    if (ok)
        return TRUE;
    close(walk->at);
    close(walk->parent);
    return FALSE;
}

/* --- who can replace a folder --- */

/* Whether users other than root and us can exchange an entry of `parent`. In a sticky folder they
 * can exchange their own entries only. */
static gboolean
is_open_to(const struct stat *parent, const struct stat *entry, mode_t writers)
{
    if ((parent->st_mode & writers) == 0)
        return FALSE;
    return !(parent->st_mode & S_ISVTX) || !is_trusted(entry->st_uid);
}

/* Whether the folder `parent` and all above it belong to root or us, and only we can write there.
 * Takes `parent`. */
static gboolean
is_guarded(int parent, struct stat entry)
{
    gboolean ok = TRUE, at_root = FALSE;

    while (ok && !at_root) {
        struct stat st;
        int up;

        ok = fstat(parent, &st) == 0 && is_trusted(st.st_uid) && !is_open_to(&st, &entry, 0022);
        at_root = ok && st.st_ino == entry.st_ino && st.st_dev == entry.st_dev;
        up = ok && !at_root ? openat(parent, "..", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        ok = ok && (at_root || up >= 0);
        close(parent);
        parent = up;
        entry = st;
    }
    return ok;
}

/* Other users can have made the folder only if it is theirs; but anybody can rename a folder away
 * in a folder that is open to all. */
static gboolean
check_place(const Walk *walk, GError **error)
{
    struct stat st, parent;

    if (fstat(walk->at, &st) < 0 || fstat(walk->parent, &parent) < 0)
        return util_set_errno(error, errno, "Cannot examine '%s'", walk->path);
    if (!is_trusted(st.st_uid) && !is_guarded(dup(walk->parent), st))
        return deny(error,
                    "The folder '%s' belongs to the user %u, who may have made it. Remove it, or "
                    "set another one, where only root and this service can make folders, in "
                    "[Folders] of cloched.conf",
                    walk->path, (unsigned)st.st_uid);
    if (is_open_to(&parent, &st, 0002))
        return deny(error,
                    "Any user can replace the folder '%s'. Set another one, where only root and "
                    "this service can make folders, in [Folders] of cloched.conf",
                    walk->path);
    return TRUE;
}

int
folder_open(const char *path, mode_t mode, GError **error)
{
    Walk walk;

    if (!walk_to(&walk, path, (int)mode, error))
        return -1;
    if (!check_place(&walk, error)) {
        close(walk.at);
        walk.at = -1;
    }
    close(walk.parent);
    return walk.at;
}

/* --- folders that must be ours --- */

/* Opens the folder for reading: its mode and entries can be changed by this descriptor. */
static int
open_ours(const char *path, int mode, GError **error)
{
    struct stat st;
    Walk walk;
    int fd = -1;

    if (!walk_to(&walk, path, mode, error))
        return -1;
    if (fstat(walk.at, &st) == 0 && st.st_uid != geteuid()) {
        deny(error, "The folder '%s' belongs to the user %u, and not to this service: remove it",
             path, (unsigned)st.st_uid);
    } else {
        fd = openat(walk.at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            util_set_errno(error, errno, "Cannot open the folder '%s'", path);
    }
    close(walk.at);
    close(walk.parent);
    return fd;
}

gboolean
folder_make(const char *path, mode_t mode, GError **error)
{
    int fd = open_ours(path, (int)mode, error);
    gboolean ok;

    if (fd < 0)
        return FALSE;
    ok = fchmod(fd, mode) == 0 || util_set_errno(error, errno, "Cannot set the mode of '%s'", path);
    close(fd);
    return ok;
}

DIR *
folder_list(const char *path, GError **error)
{
    int fd = open_ours(path, /* mode= */ -1, error);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (fd >= 0 && !dir) {
        util_set_errno(error, errno, "Cannot read the folder '%s'", path);
        close(fd);
    }
    return dir;
}
