/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-dns: RFC 1035, as much of it as a server needs that knows only addresses. */
#include "net-dns.h"

#include <errno.h>
#include <string.h>

#define LABEL_MAX 63u
#define NAME_SIZE_MAX 255u /* as bytes of a packet */
#define FLAG_RESPONSE 0x80u
#define FLAG_AUTHORITATIVE 0x04u
#define FLAG_RECURSION_DESIRED 0x01u
#define FLAG_RECURSION_AVAILABLE 0x80u /* in the second byte */
#define OPCODE_MASK 0x78u
#define CLASS_IN 1u
#define CLASS_ANY 255u
#define TYPE_OPT 41u
#define OPT_SIZE 11u /* without options */
#define TTL_S 60u
#define UDP_SIZE 1232u /* of a packet that this server accepts */
#define POINTER_TO_QUESTION (0xC000u | DNS_HEADER_SIZE)

static uint16_t
get_u16(const uint8_t *in)
{
    return (uint16_t)(in[0] << 8 | in[1]);
}

static uint8_t *
put_u16(uint8_t *out, unsigned value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return out + 2;
}

/* --- reading --- */

static bool
is_host_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* A dot in a label would look like two labels, and NUL like the end. Neither is a character of a
 * host name, and a name that is none is never used. */
static void
add_label(DnsQuery *query, size_t *used, const uint8_t *label, size_t size)
{
    if (*used > 0)
        query->name[(*used)++] = '.';
    for (size_t i = 0; i < size; i++) {
        char c = (char)(label[i] >= 'A' && label[i] <= 'Z' ? label[i] - 'A' + 'a' : label[i]);

        query->is_hostname = query->is_hostname && is_host_character(c);
        query->name[(*used)++] = c;
    }
}

/* Returns the size of the name in the packet, or 0. A question contains no pointers, because there
 * is nothing before it to point to. */
static size_t
read_name(const uint8_t *data, size_t size, DnsQuery *query)
{
    size_t at = 0, used = 0;

    query->is_hostname = true;
    while (at < size && at < NAME_SIZE_MAX) {
        size_t label = data[at++];

        if (label == 0) {
            query->name[used] = '\0';
            return at;
        }
        /* Another byte, the end, must follow. */
        if (label > LABEL_MAX || label >= size - at || at + label >= NAME_SIZE_MAX)
            return 0;
        add_label(query, &used, data + at, label);
        at += label;
    }
    return 0;
}

static bool
read_question(const uint8_t *data, size_t size, DnsQuery *query, uint16_t *ret_class)
{
    size_t name = read_name(data, size, query);

    if (name == 0 || size - name < 4)
        return false;
    query->type = get_u16(data + name);
    *ret_class = get_u16(data + name + 2);
    query->question_size = name + 4;
    memcpy(query->question, data, query->question_size);
    return true;
}

/* Only the first additional record is looked at, which is OPT in queries of usual programs. */
static bool
begins_with_opt(const uint8_t *data, size_t size)
{
    return size >= OPT_SIZE && data[0] == 0 && get_u16(data + 1) == TYPE_OPT;
}

int
dns_read(const uint8_t *packet, size_t size, DnsQuery *ret, DnsStatus *ret_status)
{
    uint16_t class = 0;

    if (size < DNS_HEADER_SIZE || packet[2] & FLAG_RESPONSE)
        return -EBADMSG;
    *ret = (DnsQuery){.id = get_u16(packet), .flags = packet[2]};
    *ret_status = DNS_NOT_IMPLEMENTED;
    if (packet[2] & OPCODE_MASK)
        return 0;
    *ret_status = DNS_FORMAT_ERROR;
    /* One question, no answers, no authorities. */
    if (get_u16(packet + 4) != 1 || get_u16(packet + 6) != 0 || get_u16(packet + 8) != 0)
        return 0;
    if (!read_question(packet + DNS_HEADER_SIZE, size - DNS_HEADER_SIZE, ret, &class))
        return 0;

    size_t end = DNS_HEADER_SIZE + ret->question_size;
    ret->has_edns = get_u16(packet + 10) > 0 && begins_with_opt(packet + end, size - end);
    *ret_status = class == CLASS_IN || class == CLASS_ANY ? DNS_NO_ERROR : DNS_NOT_IMPLEMENTED;
    return 0;
}

/* --- writing --- */

static uint8_t *
put_record(uint8_t *out, const DnsQuery *query, const void *address, size_t size)
{
    out = put_u16(out, POINTER_TO_QUESTION);
    out = put_u16(out, query->type);
    out = put_u16(out, CLASS_IN);
    out = put_u16(out, 0);
    out = put_u16(out, TTL_S);
    out = put_u16(out, (unsigned)size);
    memcpy(out, address, size);
    return out + size;
}

static uint8_t *
put_opt(uint8_t *out)
{
    *out++ = 0;
    out = put_u16(out, TYPE_OPT);
    out = put_u16(out, UDP_SIZE);
    memset(out, 0, 6); /* version, flags, and no options */
    return out + 6;
}

size_t
dns_write(uint8_t *out, const DnsQuery *query, DnsStatus status, const void *address,
          size_t address_size)
{
    uint8_t *end = put_u16(out, query->id);

    *end++ = (uint8_t)(FLAG_RESPONSE | (query->flags & (OPCODE_MASK | FLAG_RECURSION_DESIRED)) |
                       FLAG_AUTHORITATIVE);
    *end++ = (uint8_t)(FLAG_RECURSION_AVAILABLE | status);
    end = put_u16(end, query->question_size > 0);
    end = put_u16(end, address_size > 0);
    end = put_u16(end, 0);
    end = put_u16(end, query->has_edns);
    memcpy(end, query->question, query->question_size);
    end += query->question_size;
    if (address_size > 0)
        end = put_record(end, query, address, address_size);
    if (query->has_edns)
        end = put_opt(end);
    return (size_t)(end - out);
}
