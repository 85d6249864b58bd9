/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * access: who else gets at files of ours.
 *
 * By access control lists, so that nothing changes its owner and no privilege is needed: what is
 * ours stays ours, and one machine's user is let in where it must be.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Lets `uid` read ("r"), read and write ("rw"), or search ("x") a file or folder of ours. Nothing
 * is done for uid 0. */
gboolean access_grant(const char *path, uid_t uid, const char *what, GError **error);
/* Takes that back; fine when it was never granted, or the file is gone. */
gboolean access_revoke(const char *path, uid_t uid, GError **error);
/* Nobody but its owner and its group any more. */
gboolean access_reset(const char *path, GError **error);
/* What others make in the folder is ours, too. */
gboolean access_inherit(const char *folder, GError **error);
