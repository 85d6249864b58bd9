/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * http-write: heads written anew.
 *
 * Only the parsed start line and fields are written: what has a meaning for the connection, the
 * framing or the host comes from here and not from the peer.
 */
#pragma once

#include "bytes.h"
#include "http-head.h"
#include "http-relay.h"

#define HTTP_REQUEST_OUT_MAX (48u * 1024) /* bytes of a head after secrets were put into it */
#define HTTP_RESPONSE_OUT_MAX (HTTP_HEAD_MAX + 512u)
#define HTTP_REFUSAL_OUT_MAX 1024u

/* Whether the request is for this host and permitted; NULL, or the reason of the refusal. */
const char *http_request_check(const HttpHead *head, const HttpRelayOptions *options);

/* Writes the head of a request, with secrets. There must be room for HTTP_REQUEST_OUT_MAX bytes.
 * Refused: nothing was written. */
const char *http_request_write(const HttpHead *head, const HttpRelayOptions *options, Bytes *out,
                               gboolean *ret_has_secret);

/* Writes the head of a response. There must be room for HTTP_RESPONSE_OUT_MAX bytes. `close`: the
 * connection ends after it. */
void http_response_write(const HttpHead *head, gboolean close, Bytes *out);

/* Writes a response of the relay's own: one line of text, which is left out of the response to
 * HEAD. There must be room for HTTP_REFUSAL_OUT_MAX bytes. */
void http_refusal_write(guint status, const char *reason, gboolean with_body, Bytes *out);
