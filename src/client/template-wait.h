/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * template-wait: waiting while the service prepares a template.
 *
 * The service reports each change by the signal TemplateChanged, so it is called only after such a
 * signal and not at intervals.
 */
#pragma once

#include "client.h"

/* Called in the main loop while the template is being prepared. fraction: 0 to 1. */
typedef void (*TemplateProgress)(const char *name, const char *step, double fraction,
                                 gpointer data);

/*
 * Waits until the template (NULL: the default) is no longer being prepared. The proxy must receive
 * signals, as that of client_connect() does. progress may be NULL.
 */
void template_wait_async(ClocheManager *manager, const char *name, TemplateProgress progress,
                         gpointer progress_data, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);

/*
 * Returns the template's description: NULL without an error when there is no template of that
 * name, which the service reports to the call that uses it. ret_waited (may be NULL): whether the
 * template was being prepared.
 */
GVariant *template_wait_finish(GAsyncResult *result, gboolean *ret_waited, GError **error);
