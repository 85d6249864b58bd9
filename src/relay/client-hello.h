/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-hello: the name that a TLS client asks for, from the first bytes of its connection.
 *
 * The name decides where a connection may go, so that the reader is stricter than TLS servers are:
 * what two servers could read differently is malformed. Of a connection with an encrypted
 * ClientHello (ECH), the outer name counts, because only that name can be compared.
 */
#pragma once

#include <glib.h>

#define CLIENT_HELLO_MAX (16u * 1024) /* bytes of the message, without the headers of records */
#define CLIENT_HELLO_RECORDS_MAX 16u  /* that the message may be divided into */
#define CLIENT_HELLO_NAME_MAX 253u
/* No more bytes than these need to be kept until there is a result. */
#define CLIENT_HELLO_BYTES_MAX (CLIENT_HELLO_MAX + CLIENT_HELLO_RECORDS_MAX * 5u)

typedef enum {
    CLIENT_HELLO_MORE,      /* more bytes are needed */
    CLIENT_HELLO_NAME,      /* it names a server */
    CLIENT_HELLO_NO_NAME,   /* it is well-formed, and has no name */
    CLIENT_HELLO_NOT_TLS,   /* the bytes are no TLS record with a handshake message */
    CLIENT_HELLO_MALFORMED, /* also: beyond the bounds, two names, an address instead of a name */
} ClientHello;

/* Reads the bytes since the begin of the connection. Only CLIENT_HELLO_NAME sets `ret_name`: lower
 * case, without a trailing dot, labels of [a-z0-9_-]. Bytes that follow the message are not
 * looked at. */
ClientHello client_hello_read(const guint8 *data, gsize size,
                              char ret_name[CLIENT_HELLO_NAME_MAX + 1]);

/* A TLS record that a client shows as "unrecognized name": the answer to a refused ClientHello. */
#define CLIENT_HELLO_ALERT_SIZE 7u
extern const guint8 client_hello_alert[CLIENT_HELLO_ALERT_SIZE];
