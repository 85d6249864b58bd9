/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate-header: the layout is that of the D-Bus Specification, "Message Format". */
#include "gate-header.h"

#include <string.h>

#include "error.h"
#include "message.h"

#define FLAGS_AT 2u
#define TYPE_AT 1u
#define BODY_AT 4u
#define SERIAL_AT 8u
#define FIELDS_AT 12u

typedef struct {
    const guint8 *bytes;
    gsize size, at;
    gboolean is_big_endian;
} Reader;

static guint32
number_at(const guint8 *bytes, gsize at, gboolean is_big_endian)
{
    guint32 number;

    memcpy(&number, bytes + at, sizeof(number));
    return is_big_endian ? GUINT32_FROM_BE(number) : GUINT32_FROM_LE(number);
}

static gboolean
is_big_endian(const guint8 *bytes)
{
    return bytes[0] == 'B';
}

gboolean
gate_header_size(const guint8 *bytes, GateSize *ret)
{
    guint64 fields, body;

    if (bytes[0] != 'l' && bytes[0] != 'B')
        return FALSE;
    fields = number_at(bytes, FIELDS_AT, is_big_endian(bytes));
    body = number_at(bytes, BODY_AT, is_big_endian(bytes));
    ret->header = GATE_HEADER_FIXED + (fields + 7) / 8 * 8;
    ret->all = ret->header + body;
    return TRUE;
}

/* --- the fields of a header: an array of a code and a variant --- */

static gboolean
align(Reader *reader, gsize boundary)
{
    reader->at = (reader->at + boundary - 1) / boundary * boundary;
    return reader->at < reader->size;
}

static gboolean
take(Reader *reader, gsize size, const guint8 **ret)
{
    if (reader->at > reader->size || size > reader->size - reader->at)
        return FALSE;
    *ret = reader->bytes + reader->at;
    reader->at += size;
    return TRUE;
}

static gboolean
take_text(Reader *reader, gsize length, const char **ret)
{
    const guint8 *text, *end;

    if (!take(reader, length, &text) || !take(reader, 1, &end) || *end != '\0')
        return FALSE;
    *ret = (const char *)text;
    return TRUE;
}

/* Takes a value of a type that the Specification has for fields; `ret` is set for texts. */
static gboolean
take_value(Reader *reader, char type, const char **ret)
{
    const guint8 *length;

    switch (type) {
    case 'g':
        return take(reader, 1, &length) && take_text(reader, *length, ret);
    case 'u':
        return align(reader, 4) && take(reader, 4, &length);
    case 's':
    case 'o':
        return align(reader, 4) && take(reader, 4, &length) &&
               take_text(reader, number_at(length, 0, reader->is_big_endian), ret);
    default:
        return FALSE;
    }
}

static gboolean
take_field(Reader *reader, guint8 *ret_code, const char **ret)
{
    const guint8 *code, *length;
    const char *type;

    if (!align(reader, 8) || !take(reader, 1, &code) || !take(reader, 1, &length) || *length != 1 ||
        !take_text(reader, 1, &type))
        return FALSE;
    *ret_code = *code;
    return take_value(reader, *type, ret);
}

GDBusMessage *
gate_header_refuse(const guint8 *bytes, gsize size, guint most)
{
    const guint8 flags = bytes[FLAGS_AT];
    Reader reader = {bytes, size, GATE_HEADER_FIXED, is_big_endian(bytes)};
    const char *texts[G_DBUS_MESSAGE_HEADER_FIELD_SENDER + 1] = {NULL}, *text = NULL;
    MessageAddress address = {.serial = number_at(bytes, SERIAL_AT, reader.is_big_endian)};
    g_autoptr(GError) error = NULL;
    guint8 code;

    for (; take_field(&reader, &code, &text); text = NULL)
        if (code < G_N_ELEMENTS(texts))
            texts[code] = text;
    address.to = texts[G_DBUS_MESSAGE_HEADER_FIELD_SENDER];
    text = texts[G_DBUS_MESSAGE_HEADER_FIELD_MEMBER];
    if (bytes[TYPE_AT] != G_DBUS_MESSAGE_TYPE_METHOD_CALL || !address.to || !text ||
        (flags & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) || !g_dbus_is_unique_name(address.to) ||
        !g_dbus_is_member_name(text) || address.serial == 0)
        return NULL;
    error =
        g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "the arguments of %s are too large: a message may have %u bytes", text, most);
    return message_error(&address, error);
}
