/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * startup: a template's own code.
 *
 * It is executed once, in the machine that is snapshotted, and what it leaves in the default
 * context of its language is there in each sandbox: imports, data, functions.
 */
#pragma once

#include "context.h"
#include "image.h"

/* `contexts`: of Context, whose runners are there. */
void startup_async(const Image *image, GPtrArray *contexts, GAsyncReadyCallback callback,
                   gpointer data);
/* CLOCHE_ERROR_FAILED: it ended with an error, which is told. */
gboolean startup_finish(GAsyncResult *result, GError **error);
