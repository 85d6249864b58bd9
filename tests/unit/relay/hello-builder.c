/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hello-builder: numbers in network order, around what the test gives. */
#include "hello-builder.h"

#include <string.h>

static void
add_number(GByteArray *array, gsize number, guint bytes)
{
    while (bytes-- > 0) {
        guint8 byte = (guint8)(number >> 8 * bytes);
        g_byte_array_append(array, &byte, 1);
    }
}

void
hello_add_extension(GByteArray *extensions, guint type, gconstpointer data, gsize size)
{
    add_number(extensions, type, 2);
    add_number(extensions, size, 2);
    g_byte_array_append(extensions, data, (guint)size);
}

void
hello_add_name(GByteArray *extensions, const char *name)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    gsize size = strlen(name);

    add_number(data, size + 3, 2);
    add_number(data, 0, 1);
    add_number(data, size, 2);
    g_byte_array_append(data, (const guint8 *)name, (guint)size);
    hello_add_extension(extensions, 0, data->data, data->len);
}

GByteArray *
hello_message(GByteArray *extensions)
{
    static const guint8 random[32] = {1, 2, 3}, rest[] = {0, 0, 2, 0x13, 0x01, 1, 0};
    GByteArray *message = g_byte_array_new();
    gsize size = 2 + sizeof random + sizeof rest + (extensions ? 2 + extensions->len : 0);

    add_number(message, 1, 1);
    add_number(message, size, 3);
    add_number(message, 0x0303, 2);
    g_byte_array_append(message, random, sizeof random);
    g_byte_array_append(message, rest, sizeof rest);
    if (extensions) {
        add_number(message, extensions->len, 2);
        g_byte_array_append(message, extensions->data, extensions->len);
    }
    return message;
}

GByteArray *
hello_records(const GByteArray *message, gsize record_size)
{
    GByteArray *records = g_byte_array_new();

    for (gsize at = 0; at < message->len; at += record_size) {
        gsize size = MIN(record_size, message->len - at);
        add_number(records, 22, 1);
        add_number(records, 0x0301, 2);
        add_number(records, size, 2);
        g_byte_array_append(records, message->data + at, (guint)size);
    }
    return records;
}

GByteArray *
hello_for(const char *name)
{
    g_autoptr(GByteArray) extensions = g_byte_array_new();

    hello_add_name(extensions, name);
    g_autoptr(GByteArray) message = hello_message(extensions);
    return hello_records(message, 16384);
}
