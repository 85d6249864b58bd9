/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exercise: what is done with a machine before it counts as warm.
 *
 * A restored machine has none of its pages at hand, and under emulation none of its code
 * translated: whatever comes first takes many times as long. So the things that its user will do
 * first are done before, some rounds of each, and leave no trace: a claim, a program, and code in
 * each interpreter.
 */
#pragma once

#include "context.h"
#include "image.h"

/* `contexts`: of Context, whose runners are there. */
void exercise_async(GuestLink *link, const Image *image, GPtrArray *contexts, guint rounds,
                    GAsyncReadyCallback callback, gpointer data);
gboolean exercise_finish(GAsyncResult *result, GError **error);
