/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-dns: queries and answers of DNS as bytes. Pure: no I/O, no allocation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

#define DNS_HEADER_SIZE 12u
#define DNS_QUESTION_MAX 259u /* a name of 255 bytes, type and class */
#define DNS_ANSWER_MAX (DNS_HEADER_SIZE + DNS_QUESTION_MAX + 28u + 11u)

typedef enum {
    DNS_NO_ERROR = 0,
    DNS_FORMAT_ERROR = 1,
    DNS_SERVER_FAILURE = 2, /* a program may try again */
    DNS_NO_SUCH_NAME = 3,
    DNS_NOT_IMPLEMENTED = 4,
} DnsStatus;

enum {
    DNS_TYPE_A = 1,
    DNS_TYPE_AAAA = 28,
};

typedef struct {
    uint16_t id;
    uint8_t flags; /* the first byte of the flags */
    uint16_t type;
    bool has_edns;
    bool is_hostname;                   /* the name consists of letters, digits, '-' and '_' */
    char name[NET_NAME_MAX + 1];        /* lower case, without a dot at the end; "": the root */
    size_t question_size;               /* 0 if the question was not understood */
    uint8_t question[DNS_QUESTION_MAX]; /* as it was sent */
} DnsQuery;

/*
 * Reads a query. *ret_status is DNS_NO_ERROR, or the error with which it must be answered.
 * -EBADMSG: it must not be answered, because it is no query.
 */
int dns_read(const uint8_t *packet, size_t size, DnsQuery *ret, DnsStatus *ret_status);

/*
 * Writes the answer to `out`, which has room for DNS_ANSWER_MAX bytes, and returns its size. With
 * an `address` of 4 or 16 bytes it contains one record of the query's type.
 */
size_t dns_write(uint8_t *out, const DnsQuery *query, DnsStatus status, const void *address,
                 size_t address_size);
