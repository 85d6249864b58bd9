/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-host: bounded reads below a root. */
#include "doctor-host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD_MAX 4096
#define ACCOUNTS_MAX (4 * 1024 * 1024)
#define SOCKETS_MAX (16 * 1024 * 1024) /* some 150,000 sockets */
#define ACCEPTS_CONNECTIONS 0x10000    /* __SO_ACCEPTCON */

char *
host_path(const DoctorHost *host, const char *path)
{
    return g_strconcat(host->root, path, NULL);
}

gboolean
host_has(const DoctorHost *host, const char *path)
{
    g_autofree char *full = host_path(host, path);

    return access(full, F_OK) == 0;
}

gboolean
host_has_systemd(const DoctorHost *host)
{
    return host_has(host, "/run/systemd/system");
}

gboolean
host_has_in(const DoctorHost *host, const char *const *folders, const char *name)
{
    for (const char *const *folder = folders; *folder != NULL; folder++) {
        g_autofree char *path = g_strconcat(*folder, name, NULL);

        if (host_has(host, path))
            return TRUE;
    }
    return FALSE;
}

gboolean
host_has_unit_file(const DoctorHost *host, const char *unit)
{
    static const char *const folders[] = {
        "/etc/systemd/system/",     "/run/systemd/system/", "/usr/local/lib/systemd/system/",
        "/usr/lib/systemd/system/", "/lib/systemd/system/", NULL};

    return host_has_in(host, folders, unit);
}

gboolean
host_has_unit(const DoctorHost *host)
{
    return host_has_unit_file(host, "cloched.service");
}

/* O_NONBLOCK: do not wait if the path is a FIFO or a device. */
static int
open_regular(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

/* Files of /proc and /sys have no size, and a read may return less than was requested. */
static gboolean
read_up_to(int fd, GString *text, gsize max)
{
    char block[16384];

    while (text->len < max) {
        ssize_t n = read(fd, block, MIN(sizeof block, max - text->len));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FALSE;
        if (n == 0)
            break;
        g_string_append_len(text, block, n);
    }
    return TRUE;
}

char *
host_read(const DoctorHost *host, const char *path, gsize max, gboolean *ret_is_cut)
{
    g_autofree char *full = host_path(host, path);
    GString *text = g_string_new(NULL);
    int fd = open_regular(full);
    gboolean ok = fd >= 0 && read_up_to(fd, text, max + 1);
    int error = errno;

    if (fd >= 0)
        close(fd);
    if (!ok) {
        g_string_free(text, /* free_segment= */ TRUE);
        errno = error;
        return NULL;
    }
    if (ret_is_cut != NULL)
        *ret_is_cut = text->len > max;
    if (text->len > max)
        g_string_truncate(text, max);
    return g_string_free(text, /* free_segment= */ FALSE);
}

char *
host_word(const DoctorHost *host, const char *path)
{
    char *text = host_read(host, path, WORD_MAX, /* ret_is_cut= */ NULL);

    if (text == NULL)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return g_strstrip(text);
}

void
host_report_unreadable(const DoctorHost *host, Report *report, const char *name, const char *path)
{
    int error = errno;

    report_add(report, VERDICT_UNKNOWN, name, "%s cannot be read: %s", path, g_strerror(error));
    if ((error == EACCES || error == EPERM) && !host->is_root)
        report_advise(report, "run as root to check");
    else
        report_advise(report, "ls -l %s", path);
}

/* --- users and groups --- */

void
host_group_clear(HostGroup *group)
{
    g_clear_pointer(&group->name, g_free);
    g_clear_pointer(&group->members, g_strfreev);
}

/* A stream that reads the text, which must outlive it. */
static FILE *
open_accounts(const DoctorHost *host, const char *path, char **ret_text)
{
    gboolean is_cut;
    char *text = host_read(host, path, ACCOUNTS_MAX, &is_cut);

    if (text == NULL)
        return NULL;
    if (is_cut || *text == '\0') { /* fmemopen() refuses an empty text */
        g_free(text);
        errno = is_cut ? EFBIG : ENOENT;
        return NULL;
    }
    *ret_text = text;
    return fmemopen(text, strlen(text), "r");
}

/* name NULL: the group with that gid. */
static gboolean
find_group(const DoctorHost *host, const char *name, gid_t gid, HostGroup *ret_group)
{
    g_autofree char *text = NULL;
    FILE *stream = open_accounts(host, "/etc/group", &text);
    const struct group *group;
    gboolean found = FALSE;

    if (stream == NULL)
        return FALSE;
    while (!found && (group = fgetgrent(stream)) != NULL) {
        found = name != NULL ? g_str_equal(group->gr_name, name) : group->gr_gid == gid;
        if (found)
            *ret_group =
                (HostGroup){g_strdup(group->gr_name), group->gr_gid, g_strdupv(group->gr_mem)};
    }
    fclose(stream);
    if (!found)
        errno = ENOENT;
    return found;
}

gboolean
host_find_group(const DoctorHost *host, const char *name, HostGroup *ret_group)
{
    return find_group(host, name, /* gid= */ 0, ret_group);
}

char *
host_group_name(const DoctorHost *host, gid_t gid)
{
    HostGroup group = {0};
    char *name;

    if (!find_group(host, /* name= */ NULL, gid, &group))
        return g_strdup_printf("%u", gid);
    name = g_steal_pointer(&group.name);
    host_group_clear(&group);
    return name;
}

/* name NULL: the user with that uid. */
static gboolean
find_user(const DoctorHost *host, const char *name, uid_t uid, char **ret_name, uid_t *ret_uid,
          gid_t *ret_gid)
{
    g_autofree char *text = NULL;
    FILE *stream = open_accounts(host, "/etc/passwd", &text);
    const struct passwd *user;
    gboolean found = FALSE;

    if (stream == NULL)
        return FALSE;
    while (!found && (user = fgetpwent(stream)) != NULL) {
        found = name != NULL ? g_str_equal(user->pw_name, name) : user->pw_uid == uid;
        if (!found)
            continue;
        *ret_name = g_strdup(user->pw_name);
        *ret_uid = user->pw_uid;
        *ret_gid = user->pw_gid;
    }
    fclose(stream);
    if (!found)
        errno = ENOENT;
    return found;
}

gboolean
host_find_user(const DoctorHost *host, const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
    g_autofree char *found = NULL;

    return find_user(host, name, /* uid= */ 0, &found, ret_uid, ret_gid);
}

char *
host_user_name(const DoctorHost *host, uid_t uid)
{
    char *name;
    gid_t gid;

    if (find_user(host, /* name= */ NULL, uid, &name, &uid, &gid))
        return name;
    return g_strdup_printf("%u", uid);
}

/* --- sockets --- */

/* "NUM: REFCOUNT PROTOCOL FLAGS TYPE STATE INODE PATH" */
static gboolean
line_listens(const char *line, const char *path)
{
    unsigned flags;
    int start = -1;

    if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %n", &flags, &start) != 1 || start < 0)
        return FALSE;
    return (flags & ACCEPTS_CONNECTIONS) != 0 && g_str_equal(line + start, path);
}

static gboolean
somebody_listens(const char *list, const char *path)
{
    g_auto(GStrv) lines = g_strsplit(list, "\n", /* max_tokens= */ -1);
    /* A socket has the name under which it was bound, and /var/run is a link to /run. */
    g_autofree char *old_path = g_strconcat("/var", path, NULL);

    for (char **line = lines; *line != NULL; line++)
        if (line_listens(*line, path) || line_listens(*line, old_path))
            return TRUE;
    return FALSE;
}

int
host_listens(const DoctorHost *host, const char *path)
{
    g_autofree char *list = host_read(host, HOST_SOCKETS, SOCKETS_MAX, /* ret_is_cut= */ NULL);

    if (list == NULL)
        return -1;
    return somebody_listens(list, path) ? 1 : 0;
}
