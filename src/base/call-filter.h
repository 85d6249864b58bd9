/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call-filter: rules of a filter of system calls, by the calls' names.
 *
 * Functions return 0 or -errno. Calls that the architecture lacks are skipped; a name that
 * libseccomp does not know is -EINVAL.
 */
#pragma once

#include <glib.h>
#include <seccomp.h>

/* Allows a call if its arguments meet all `count` conditions; 0: always. */
int call_filter_allow(scmp_filter_ctx filter, const char *name, guint count,
                      const struct scmp_arg_cmp *conditions);

/* Allows all calls of `n_groups` texts, each of which has names separated by one space. */
int call_filter_allow_groups(scmp_filter_ctx filter, const char *const *groups, gsize n_groups);
