/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dns-packet: queries of DNS, and what is in answers, for tests. */
#pragma once

#include <glib.h>

#define DNS_PACKET_MAX 1500u

typedef struct {
    guint8 bytes[DNS_PACKET_MAX];
    gsize size;
} DnsPacket;

/* A query with recursion desired for `name`, whose labels are separated by dots. */
void dns_packet_query(DnsPacket *packet, guint16 id, const char *name, guint16 type);
void dns_packet_append(DnsPacket *packet, const void *bytes, gsize size);

/* The error code of an answer. */
guint dns_packet_status(const DnsPacket *answer);
/* Asserts that the answer has the question of the query, and consists of whole records. Returns the
 * first record's data and sets its size; NULL: there is no record. */
const guint8 *dns_packet_record(const DnsPacket *answer, const DnsPacket *query, gsize *ret_size);
