/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ownership: gives stored files the owner, group and mode that the configuration needs.
 *
 * All calls use one O_PATH descriptor of the file, so nobody can replace the file between check and
 * change. Such a descriptor does not support chmod() and access lists, but its path in /proc does.
 */
#include "ownership.h"

#include <acl/libacl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "folder.h"
#include "util.h"

typedef struct {
    int fd;
    char proc[32]; /* the path of the descriptor in /proc */
    struct stat st;
} OwnedFile;

static void
target_clear(OwnedFile *target)
{
    if (target->fd >= 0)
        close(target->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OwnedFile, target_clear)

static gboolean
target_examine(OwnedFile *target, const char *path, mode_t type, GError **error)
{
    if (fstat(target->fd, &target->st) < 0)
        return util_set_errno(error, errno, "Cannot open '%s'", path);
    g_snprintf(target->proc, sizeof(target->proc), "/proc/self/fd/%d", target->fd);
    if ((target->st.st_mode & S_IFMT) == type)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "'%s' is not a %s", path,
                type == S_IFDIR ? "folder" : "regular file");
    return FALSE;
}

static gboolean
target_open(OwnedFile *target, const char *path, mode_t type, GError **error)
{
    target->fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (target->fd < 0)
        return util_set_errno(error, errno, "Cannot open '%s'", path);
    return target_examine(target, path, type, error);
}

/* --- access lists --- */

/* FALSE also on a file system without access lists. */
static gboolean
has_acl(const OwnedFile *target)
{
    return acl_extended_file(target->proc) > 0;
}

/* Clears the group's bits as well: they are the mask of the list. */
static gboolean
drop_acl(OwnedFile *target)
{
    acl_t acl = acl_from_mode(target->st.st_mode & 0707);
    gboolean ok = acl && acl_set_file(target->proc, ACL_TYPE_ACCESS, acl) == 0;

    acl_free(acl);
    return ok && (!S_ISDIR(target->st.st_mode) || acl_delete_def_file(target->proc) == 0) &&
           fstat(target->fd, &target->st) == 0;
}

/* --- errors --- */

static char *
name_user(uid_t uid)
{
    struct passwd room, *user = NULL;
    char text[1024];

    getpwuid_r(uid, &room, text, sizeof(text), &user);
    return user ? g_strdup(user->pw_name) : g_strdup_printf("%u", (unsigned)uid);
}

/* A number if the entry of a group with many members does not fit into the buffer. */
static char *
name_group(gid_t gid)
{
    struct group room, *group = NULL;
    char text[4096];

    getgrgid_r(gid, &room, text, sizeof(text), &group);
    return group ? g_strdup(group->gr_name) : g_strdup_printf("%u", (unsigned)gid);
}

/* "user:group", or "user" if the group does not matter. */
static char *
name_owner(uid_t uid, gid_t gid)
{
    g_autofree char *user = name_user(uid), *group = NULL;

    if (gid == OWNERSHIP_ANY_GROUP)
        return g_steal_pointer(&user);
    group = name_group(gid);
    return g_strconcat(user, ":", group, NULL);
}

static gboolean
set_misfit(GError **error, const OwnedFile *target, const char *path, const Ownership *wanted,
           int errnum, const char *command)
{
    g_autofree char *has = name_owner(target->st.st_uid, target->st.st_gid);
    g_autofree char *wants = name_owner(geteuid(), wanted->gid);

    g_set_error(
        error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
        "'%s' belongs to %s and has the mode %04o; the service runs as %s and cannot change "
        "that (%s). Stop the service, then run as root: %s",
        path, has, (unsigned)target->st.st_mode & 07777, wants, g_strerror(errnum), command);
    return FALSE;
}

/* Uses `find`, because `chown -R` crosses file systems. */
static char *
chown_command(const Ownership *wanted)
{
    g_autofree char *owner = name_owner(geteuid(), wanted->gid);
    g_autofree char *folder = g_shell_quote(wanted->folder);

    return g_strdup_printf("find %s -xdev -exec chown -h %s {} +", folder, owner);
}

/* --- files that the service must own --- */

static gboolean
make_ours(OwnedFile *target, const Ownership *wanted)
{
    struct stat *st = &target->st;
    gid_t gid = wanted->gid == st->st_gid ? OWNERSHIP_ANY_GROUP : wanted->gid;
    uid_t uid = geteuid() == st->st_uid ? (uid_t)-1 : geteuid();

    if ((uid != (uid_t)-1 || gid != OWNERSHIP_ANY_GROUP) &&
        fchownat(target->fd, "", uid, gid, AT_EMPTY_PATH) < 0)
        return FALSE;
    if (fstat(target->fd, st) < 0 || (has_acl(target) && !drop_acl(target)))
        return FALSE;
    return (st->st_mode & 07777) == wanted->mode || chmod(target->proc, wanted->mode) == 0;
}

static gboolean
fix_target(OwnedFile *target, const char *path, const Ownership *wanted, GError **error)
{
    g_autofree char *command = NULL;
    int errnum;

    if (make_ours(target, wanted))
        return TRUE;
    errnum = errno;
    command = chown_command(wanted);
    return set_misfit(error, target, path, wanted, errnum, command);
}

gboolean
ownership_set(const char *path, const Ownership *wanted, GError **error)
{
    g_auto(OwnedFile) target = {.fd = -1};

    return target_open(&target, path, wanted->type, error) &&
           fix_target(&target, path, wanted, error);
}

gboolean
ownership_set_folder(const char *path, const Ownership *wanted, GError **error)
{
    g_auto(OwnedFile) target = {.fd = -1};

    target.fd = folder_open(path, wanted->mode, error);
    return target.fd >= 0 && target_examine(&target, path, S_IFDIR, error) &&
           fix_target(&target, path, wanted, error);
}

/* --- files that must be readable --- */

static gboolean
is_readable(const OwnedFile *target, const Ownership *wanted)
{
    int what = S_ISDIR(target->st.st_mode) ? R_OK | X_OK : R_OK;
    mode_t bits = target->st.st_mode;

    if (eaccess(target->proc, what) < 0)
        return FALSE;
    if (wanted->gid == OWNERSHIP_ANY_GROUP)
        return TRUE;
    if (wanted->gid == target->st.st_gid)
        bits >>= 3;
    return (bits & (mode_t)what) == (mode_t)what;
}

/* Removes an access list, since its effect on the group is not evaluated. */
static gboolean
make_readable(OwnedFile *target)
{
    mode_t all = S_ISDIR(target->st.st_mode) ? 0555 : 0444;

    return (!has_acl(target) || drop_acl(target)) &&
           chmod(target->proc, (target->st.st_mode & 07777) | all) == 0;
}

gboolean
ownership_make_readable(const char *path, const Ownership *wanted, GError **error)
{
    g_auto(OwnedFile) target = {.fd = -1};
    g_autofree char *folder = g_shell_quote(wanted->folder), *command = NULL;
    gboolean fits;
    int errnum;

    if (!target_open(&target, path, wanted->type, error))
        return FALSE;
    fits = is_readable(&target, wanted);
    if ((fits && !has_acl(&target)) || make_readable(&target) || fits)
        return TRUE;
    errnum = errno;
    command = g_strdup_printf("chmod -R a+rX %s", folder);
    return set_misfit(error, &target, path, wanted, errnum, command);
}
