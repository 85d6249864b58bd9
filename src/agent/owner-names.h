/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * owner-names: converts between names and ids of users and groups, for the agent's own tasks.
 *
 * A task runs in a child. It reads both files once, because a list of files repeats the same few
 * ids.
 */
#pragma once

#include <sys/types.h>

#define NAMES_KEEP ((uid_t) - 1) /* do not change the owner, as in chown() */

/* The name, or "" if there is none. */
const char *names_user(uid_t uid);
const char *names_group(gid_t gid);

/* Parses "user", "user:group" or ":group", each a name or a number. 0, -EINVAL, or -ENOENT if there
 * is no such user or group. */
int names_parse_owner(const char *text, uid_t *ret_uid, gid_t *ret_gid);
