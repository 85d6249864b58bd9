/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * http-head: the strict parser of heads of requests and responses.
 *
 * A head that this parser accepts has one meaning for every recipient. It refuses what RFC 9112
 * lets a recipient repair: bare line feeds, folded lines, spaces before a colon, lists of lengths.
 * Pure functions: nothing is allocated, and all texts of a head point into the parsed bytes.
 * Functions that can refuse return NULL, or the reason: a static text for people.
 */
#pragma once

#include "http-filter.h"

#define HTTP_HEAD_MAX (32u * 1024) /* bytes, with the empty line */
#define HTTP_FIELDS_MAX 128u
#define HTTP_LENGTH_DIGITS_MAX 18u /* of Content-Length */

/* Fields that the relay looks at, drops, or writes itself. */
typedef enum {
    HTTP_FIELD_OTHER,
    HTTP_FIELD_HOST,
    HTTP_FIELD_LENGTH,
    HTTP_FIELD_CODING, /* Transfer-Encoding */
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_UPGRADE,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_HOP,      /* others that are only for the next hop */
    HTTP_FIELD_OVERRIDE, /* makes some servers take another method or path */
    HTTP_FIELD_ACCEPT_ENCODING,
    HTTP_FIELD_CONTENT_ENCODING,
} HttpFieldKind;

typedef struct {
    HttpFieldKind kind;
    HttpText name, value; /* the value without spaces at its ends */
} HttpField;

typedef enum {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
    HTTP_BODY_UNTIL_CLOSE, /* of responses only */
} HttpBodyKind;

typedef struct {
    HttpText method, target; /* of a request */
    HttpText path;           /* of a request: the target without its query */
    HttpText host;           /* of a request: the value of Host */
    guint status;            /* of a response */
    HttpText reason;         /* of a response; may be empty */
    HttpField fields[HTTP_FIELDS_MAX];
    guint n_fields;
    HttpBodyKind body;
    gboolean has_length; /* Content-Length is there. Beside a body of another kind, it describes the
                            response to a GET */
    guint64 length;
    gboolean close;        /* the connection ends after this message */
    gboolean websocket;    /* it asks for the upgrade to WebSocket, or grants it */
    gboolean continues;    /* Expect: 100-continue */
    gboolean has_override; /* a field of HTTP_FIELD_OVERRIDE is there */
    gboolean is_encoded;   /* Content-Encoding other than identity */
} HttpHead;

/* How far a head that arrives in pieces was looked at. Begins as zeros. */
typedef struct {
    gsize at;
    gboolean has_text; /* in the current line */
    gboolean has_cr;
} HttpScan;

/* Looks for the end of the head: `data` is all that has arrived of it. `ret_size`: its size, or 0
 * when more is needed. Refuses as soon as a byte is wrong. */
const char *http_head_scan(HttpScan *scan, const guint8 *data, gsize size, gsize *ret_size);

/* Parse a head of exactly `size` bytes. A refused head is partly filled: the method and the path
 * are set as far as they could be read. */
const char *http_request_parse(const guint8 *data, gsize size, HttpHead *ret);
/* `method`: of the request that it answers. */
const char *http_response_parse(const guint8 *data, gsize size, HttpText method, HttpHead *ret);

HttpFieldKind http_field_kind(HttpText name);
/* A field name of RFC 9110, not empty. */
gboolean http_name_is_valid(HttpText name);
/* Case does not matter, and '_' is the same as '-': CGI and its successors make one variable of
 * both. */
gboolean http_names_are_same(HttpText a, HttpText b);
