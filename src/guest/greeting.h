/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* greeting: the bytes with which a connection begins, in both directions (wire.h). */
#pragma once

#include <gio/gio.h>

#include "wire.h"

/* Makes the preamble, with a new nonce of WIRE_NONCE_SIZE bytes. */
GBytes *greeting_begin(guint8 *ret_nonce);
/* Discards what an earlier connection left, up to and including the nonce. FALSE: the nonce has not
 * arrived yet. */
gboolean greeting_find(const guint8 *nonce, GByteArray *in);
/* Reads a HELLO. FALSE: it is malformed. */
gboolean greeting_read_hello(const WireHeader *header, const guint8 *payload, guint32 *ret_version,
                             char **ret_sandbox_id);
