/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * startup: a template's own code.
 *
 * It is executed once, in the machine that is snapshotted. Imports, data and functions that it
 * leaves in the default context of its language are therefore in each sandbox.
 */
#pragma once

#include "context.h"
#include "template.h"

/* `contexts`: of Context, whose runners run. */
void startup_async(const Template *template, GPtrArray *contexts, GAsyncReadyCallback callback,
                   gpointer data);
/* CLOCHE_ERROR_FAILED, with the error that the code ended with. */
gboolean startup_finish(GAsyncResult *result, GError **error);
