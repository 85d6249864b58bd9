/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fit: makes what is stored fit the configuration.
 *
 * A state directory outlives its configuration: the user that the service runs as, and the group of
 * the machines, may be others than those that made it. Each call looks at one file or folder and
 * changes nothing when that fits. Symbolic links are not followed. Where the service may not change
 * it, the error says whose it is, whose it has to be, and which command, run as root, does that.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define FIT_ANY_GROUP ((gid_t) - 1)

typedef struct {
    mode_t type;        /* S_IFDIR or S_IFREG */
    mode_t mode;        /* not for fit_readable() */
    gid_t gid;          /* of the machines; FIT_ANY_GROUP: as it is */
    const char *folder; /* that the command in an error is about: all that is in it */
} Fit;

/* Each error is CLOCHE_ERROR_NOT_PERMITTED when somebody has to change it first. */

/* Makes it ours, of that group and mode, and nobody else's by an access list. */
gboolean fit_ours(const char *path, const Fit *fit, GError **error);
/* The same for a folder that the configuration names: it is made when it is not there, and its name
 * may be a symbolic link, if the link is root's or ours. */
gboolean fit_place(const char *path, const Fit *fit, GError **error);
/* Lets the machines' group and us read, and search, what may stay somebody else's: by the bits of
 * others, as build-image sets them. */
gboolean fit_readable(const char *path, const Fit *fit, GError **error);
