/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ownership: gives stored files the owner, group and mode that the configuration needs.
 *
 * A state directory outlives its configuration: the user of the service, and the group of the
 * machines, may have changed since it was made. Each call checks one file or folder and changes
 * only what does not fit. Symbolic links are not followed. If the service lacks the permission, the
 * error names the present and the required owner, and a command for root.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define OWNERSHIP_ANY_GROUP ((gid_t) - 1)

typedef struct {
    mode_t type;        /* S_IFDIR or S_IFREG */
    mode_t mode;        /* not for ownership_make_readable() */
    gid_t gid;          /* of the machines; OWNERSHIP_ANY_GROUP: keep the present one */
    const char *folder; /* the command in an error changes all of this folder */
} Ownership;

/* Each error is CLOCHE_ERROR_NOT_PERMITTED when an administrator has to act first. */

/* Makes us the owner, sets group and mode, and removes access lists. */
gboolean ownership_set(const char *path, const Ownership *wanted, GError **error);
/* The same for a folder that the configuration names. Creates it if it does not exist. The path may
 * contain symbolic links if root or we own them. A folder that another user can have made is
 * refused (folder.h). */
gboolean ownership_set_folder(const char *path, const Ownership *wanted, GError **error);
/* Makes a file readable, and a folder searchable, for the machines' group and us. The owner does
 * not change: like build-image, it sets the permission bits of others. */
gboolean ownership_make_readable(const char *path, const Ownership *wanted, GError **error);
