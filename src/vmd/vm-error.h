/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-error: errors of libvirt, and the one of a service that stops. */
#pragma once

#include <glib.h>

/* Sets `error` to CLOCHE_ERROR_FAILED: the text, a colon, and libvirt's last message of this
 * thread. Returns FALSE. */
gboolean vm_error_set(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A new CLOCHE_ERROR_SERVICE_STOPPING, for what the next instance of the service tries again. */
GError *vm_error_stopping(void);
