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

/* Returns what polkit has to permit for this call on the object at `path`. */
GuardQuestion guard_ask(const Call *call, const char *path, GVariant *parameters);
/* The answer was yes: records what of it holds for later calls, and for this one. */
void guard_remember(Call *call);
/* Whether the question is about what the caller has or makes, so that a refusal may be reported. */
gboolean guard_is_about_own(const GuardQuestion *question);
/* Returns the id of the sandbox to which the object at `path` belongs as a new string, and the
 * number of its process (0: it is a sandbox's). NULL: it is not an object of a sandbox. */
char *guard_object_id(const char *path, guint32 *ret_process);
