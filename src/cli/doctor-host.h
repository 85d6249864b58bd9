/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor-host: facts of this host, read from files.
 *
 * All paths are relative to a root directory, which tests set. Reads are bounded, never wait, and
 * change nothing.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "doctor-report.h"

typedef struct {
    const char *root;  /* "" for the host itself */
    gboolean of_user;  /* the service is cloched --user */
    gboolean is_root;  /* this program runs as root */
    const char *state; /* folders of the service, also relative to the root */
    const char *ram;
} DoctorHost;

/* Returns a path of the host below the root. */
char *host_path(const DoctorHost *host, const char *path);

gboolean host_has(const DoctorHost *host, const char *path);

/* Whether PID 1 is systemd. */
gboolean host_has_systemd(const DoctorHost *host);

/* Whether a unit is installed, started or not; host_has_unit(): cloched.service. */
gboolean host_has_unit(const DoctorHost *host);
gboolean host_has_unit_file(const DoctorHost *host, const char *unit);

/* Whether a file is in one of the folders (each ends with a slash; NULL at the end). */
gboolean host_has_in(const DoctorHost *host, const char *const *folders, const char *name);

/*
 * Reads at most `max` bytes of a text file, up to the first zero byte. *ret_is_cut (may be NULL):
 * whether there are more. Returns NULL with errno if the file cannot be read or is not regular.
 */
char *host_read(const DoctorHost *host, const char *path, gsize max, gboolean *ret_is_cut);

/* Returns the first line of a short file, stripped; NULL as above. */
char *host_word(const DoctorHost *host, const char *path);

/* Reports that a file could not be read, because of errno. */
void host_report_unreadable(const DoctorHost *host, Report *report, const char *name,
                            const char *path);

#define HOST_SOCKETS "/proc/net/unix"

/* Whether a process listens on a socket, by the kernel's list of sockets: 1 or 0; -1 with errno if
 * HOST_SOCKETS cannot be read. */
int host_listens(const DoctorHost *host, const char *path);

typedef struct {
    char *name;
    gid_t gid;
    char **members;
} HostGroup;

void host_group_clear(HostGroup *group);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HostGroup, host_group_clear)

/*
 * Groups and users of /etc/group and /etc/passwd. The groups and users of system services are in
 * these files, because services need them before other sources of users are available. FALSE with
 * errno: ENOENT if there is none.
 */
gboolean host_find_group(const DoctorHost *host, const char *name, HostGroup *ret_group);
/* Returns the name of a group, or its number if it has no name. */
char *host_group_name(const DoctorHost *host, gid_t gid);
gboolean host_find_user(const DoctorHost *host, const char *name, uid_t *ret_uid, gid_t *ret_gid);
/* Returns the name of a user, or its number if it has no name. */
char *host_user_name(const DoctorHost *host, uid_t uid);
