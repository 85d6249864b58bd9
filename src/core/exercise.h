/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exercise: what is done with a machine before it counts as warm.
 *
 * A restored machine has none of its pages in memory, and under emulation none of its code is
 * translated, so whatever runs first takes many times as long. Therefore the operations that a user
 * will request first run before the claim, several rounds of each, and leave no trace: a claim, a
 * program, and code in each interpreter.
 */
#pragma once

#include "context.h"
#include "template.h"

/* `contexts`: of Context, whose runners run. */
void exercise_async(GuestLink *link, const Template *template, GPtrArray *contexts, guint rounds,
                    GAsyncReadyCallback callback, gpointer data);
gboolean exercise_finish(GAsyncResult *result, GError **error);
