/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * forge: makes an image's template ready to restore machines from.
 *
 * A template that is in the store already, under the key of all that its state depends on, is
 * verified and used; otherwise the image is booted, its runners are started and exercised, and the
 * machine is snapshotted.
 */
#pragma once

#include "instance.h"

/* Whenever a step begins; `fraction` of the whole, 0 to 1. */
typedef void (*ForgeProgress)(const char *step, double fraction, gpointer data);

/* The key of the template that the image has on a machine with these facts. */
char *forge_key(const Image *image, const VmFacts *facts);

/* Cancelling leaves nothing of an unfinished template. CLOCHE_ERROR_TEMPLATE_DAMAGED when a stored
 * part is not what was stored: nothing is removed then, so that somebody can look at it. */
void forge_prepare_async(Host *host, const Image *image, const TemplateFiles *template,
                         ForgeProgress progress, gpointer progress_data, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
gboolean forge_prepare_finish(GAsyncResult *result, GError **error);
