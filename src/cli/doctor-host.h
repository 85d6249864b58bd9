/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor-host: facts of this host, read from files.
 *
 * All paths are looked up below a root, so that tests can give a made-up host. Reads are bounded,
 * never wait, and change nothing.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "doctor-report.h"

typedef struct {
    const char *root;  /* "" for the host itself */
    gboolean of_user;  /* the service is cloched --user */
    gboolean is_root;  /* we are root, who may read everything */
    const char *state; /* the service's folders; paths below the root, like all others */
    const char *ram;
} Host;

/* A path of the host, below the root. */
char *host_path(const Host *host, const char *path);

gboolean host_has(const Host *host, const char *path);

/* Whether PID 1 is systemd. */
gboolean host_has_systemd(const Host *host);

/* Whether cloched.service is installed, started or not. */
gboolean host_has_unit(const Host *host);

/* Whether a file is in one of the folders (each ends with a slash; NULL at the end). */
gboolean host_has_in(const Host *host, const char *const *folders, const char *name);

/*
 * A text file, at most `max` bytes of it; *ret_is_cut (may be NULL) tells that there is more. It
 * ends at the first zero byte. NULL, with errno: it cannot be read, or is no regular file.
 */
char *host_read(const Host *host, const char *path, gsize max, gboolean *ret_is_cut);

/* The first line of a short file, without spaces around it; NULL as above. */
char *host_word(const Host *host, const char *path);

/* Adds that a file could not be read, because of errno. */
void host_report_unreadable(const Host *host, Report *report, const char *name, const char *path);

typedef struct {
    char *name;
    gid_t gid;
    char **members;
} HostGroup;

void host_group_clear(HostGroup *group);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HostGroup, host_group_clear)

/*
 * Groups and users of /etc/group and /etc/passwd: those of system services are there, because they
 * are needed before any other source of users. FALSE, with errno: ENOENT when there is none.
 */
gboolean host_find_group(const Host *host, const char *name, HostGroup *ret_group);
/* The name of a group; its number when it has none. */
char *host_group_name(const Host *host, gid_t gid);
gboolean host_find_user(const Host *host, const char *name, uid_t *ret_uid, gid_t *ret_gid);
/* The name of a user; its number when it has none. */
char *host_user_name(const Host *host, uid_t uid);
