/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dns-packet: as RFC 1035 describes packets, independent of net-dns.c. */
#include "dns-packet.h"

#include <string.h>

void
dns_packet_append(DnsPacket *packet, const void *bytes, gsize size)
{
    g_assert_cmpuint(packet->size + size, <=, sizeof packet->bytes);
    memcpy(packet->bytes + packet->size, bytes, size);
    packet->size += size;
}

static void
append_u16(DnsPacket *packet, guint16 value)
{
    guint16 big = GUINT16_TO_BE(value);
    dns_packet_append(packet, &big, sizeof big);
}

static guint16
u16_at(const DnsPacket *packet, gsize at)
{
    g_assert_cmpuint(at + 2, <=, packet->size);
    return (guint16)(packet->bytes[at] << 8 | packet->bytes[at + 1]);
}

void
dns_packet_query(DnsPacket *packet, guint16 id, const char *name, guint16 type)
{
    g_auto(GStrv) labels = g_strsplit(name, ".", -1);

    packet->size = 0;
    append_u16(packet, id);
    append_u16(packet, 0x0100);
    append_u16(packet, 1);
    for (int i = 0; i < 3; i++)
        append_u16(packet, 0);
    for (char **label = labels; *label && **label; label++) {
        guint8 size = (guint8)strlen(*label);
        dns_packet_append(packet, &size, 1);
        dns_packet_append(packet, *label, size);
    }
    dns_packet_append(packet, "", 1);
    append_u16(packet, type);
    append_u16(packet, 1);
}

guint
dns_packet_status(const DnsPacket *answer)
{
    return u16_at(answer, 2) & 0xf;
}

static gsize
question_size(const DnsPacket *packet)
{
    gsize at = 12;

    while (packet->bytes[at] != 0)
        at += packet->bytes[at] + 1u;
    return at + 5 - 12;
}

const guint8 *
dns_packet_record(const DnsPacket *answer, const DnsPacket *query, gsize *ret_size)
{
    gsize question = question_size(query), at = 12 + question;
    guint answers = u16_at(answer, 6), opts = u16_at(answer, 10);
    const guint8 *data = NULL;

    g_assert_cmpuint(u16_at(answer, 0), ==, u16_at(query, 0));
    g_assert_cmphex(u16_at(answer, 2) & 0xfbf0, ==, 0x8180); /* recursion desired and available */
    g_assert_cmpuint(u16_at(answer, 4), ==, 1);
    g_assert_cmpuint(answers, <=, 1);
    g_assert_cmpuint(u16_at(answer, 8), ==, 0);
    g_assert_cmpmem(answer->bytes + 12, question, query->bytes + 12, question);
    if (answers > 0) {
        g_assert_cmphex(u16_at(answer, at), ==, 0xc00c); /* the name of the question */
        g_assert_cmpuint(u16_at(answer, at + 2), ==, u16_at(query, at - 4));
        g_assert_cmpuint(u16_at(answer, at + 4), ==, 1);
        *ret_size = u16_at(answer, at + 10);
        data = answer->bytes + at + 12;
        at += 12 + *ret_size;
    }
    at += 11 * opts;
    g_assert_cmpuint(at, ==, answer->size);
    return data;
}
