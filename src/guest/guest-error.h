/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-error: errors that the guest reports, as errors of error.h. */
#pragma once

#include <glib.h>

#include "wire.h"

/* The error for an operation of the guest that failed with `errnum` on the object `name`. */
GError *guest_error(WireObject about, guint32 errnum, const char *name);

/* Reads the payload of an ERROR frame. NULL when it is malformed. */
GError *guest_error_read(const guint8 *payload, gsize size);
/* Whether an error is one of the two with which a link ends its streams and requests. */
gboolean guest_error_is_end_of_link(const GError *error);
