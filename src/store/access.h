/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * access: gives other users access to files of the service, by access control lists.
 *
 * No file changes its owner, so no privilege is needed: a list gives the user of one machine access
 * to the files that this machine needs.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Permits `uid` to read ("r"), read and write ("rw"), or search ("x") a file or folder that we own.
 * Does nothing for uid 0. */
gboolean access_grant(const char *path, uid_t uid, const char *what, GError **error);
/* Revokes the permission. No error if it was never granted, or the file does not exist. */
gboolean access_revoke(const char *path, uid_t uid, GError **error);
/* Replaces the access list by the mode 0600. */
gboolean access_reset(const char *path, GError **error);
/* Gives us access to the files that other users create in the folder. */
gboolean access_inherit(const char *folder, GError **error);
