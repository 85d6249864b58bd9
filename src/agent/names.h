/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * names: of users and groups, for the agent's own tasks, in a child.
 *
 * Both files are read once: a listing asks for the same few numbers again and again.
 */
#pragma once

#include <sys/types.h>

#define NAMES_KEEP ((uid_t) - 1) /* leaves an owner as it is, as chown() has it */

/* "" when it has no name. */
const char *names_user(uid_t uid);
const char *names_group(gid_t gid);

/* Reads "user", "user:group" or ":group", each a name or a number. 0, -EINVAL, or -ENOENT when
 * there is no such user or group. */
int names_parse_owner(const char *text, uid_t *ret_uid, gid_t *ret_gid);
