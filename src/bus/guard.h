/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guard: the one table of who may call what, and what polkit has to permit. */
#pragma once

#include "call.h"

/* NULL: there is no row. */
const Method *guard_find(const char *interface, const char *method);
/* All rows, for the test that compares them with the interface's XML. */
const Method *guard_methods(gsize *ret_count);
/* The actions that polkit may be asked about, for the test that compares them with its policy. */
const char *const *guard_actions(gsize *ret_count);

/* Returns what the arguments of a method may weigh (message_weight()). Any name may be NULL or
 * unknown; any thread may call it. */
gsize guard_weight_max(const char *interface, const char *method);
/* Returns how many descriptors a caller may pass to a method; the same holds. */
guint guard_fds_max(const char *interface, const char *method);

/* Returns what polkit has to permit for this call, after what it has permitted already. */
GuardQuestion guard_ask(const Call *call);
/* Records that polkit has permitted the call: for the call, and for later ones where this holds. */
void guard_remember(Call *call);
/* Whether the question is about what the caller has or makes, so that a refusal may be reported. */
gboolean guard_is_about_own(const GuardQuestion *question);
/* Returns the id of the sandbox to which the object at `path` belongs as a new string, and the
 * number of its process (0: it is a sandbox's). NULL: it is not an object of a sandbox. */
char *guard_object_id(const char *path, guint32 *ret_process);
