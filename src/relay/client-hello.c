/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-hello: first the message is collected from its records, then it is read.
 *
 * While records are incomplete, only their headers are looked at, so that a client that sends byte
 * by byte costs little.
 */
#include "client-hello.h"

#include <string.h>

#define RECORD_HEADER 5u
#define RECORD_HANDSHAKE 22
#define MESSAGE_HEADER 4u
#define MESSAGE_CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0
#define NAME_TYPE_HOST 0
#define RANDOM_SIZE 32u
#define SESSION_ID_MAX 32u
#define LABEL_MAX 63u

/* A fatal alert, number 112. */
const guint8 client_hello_alert[CLIENT_HELLO_ALERT_SIZE] = {21, 3, 3, 0, 2, 2, 112};

/* --- reading of bytes that may be too few --- */

typedef struct {
    const guint8 *data;
    gsize size;
    gboolean failed;
} Reader;

/* The next `size` bytes, or nothing. */
static Reader
take(Reader *r, gsize size)
{
    Reader part = {r->data, size, FALSE};

    if (r->failed || size > r->size) {
        r->failed = TRUE;
        return (Reader){r->data, 0, TRUE};
    }
    r->data += size;
    r->size -= size;
    return part;
}

static gsize
take_number(Reader *r, gsize bytes)
{
    Reader part = take(r, bytes);
    gsize number = 0;

    for (gsize i = 0; i < part.size; i++)
        number = number << 8 | part.data[i];
    return number;
}

/* A field that begins with its length. */
static Reader
take_field(Reader *r, gsize length_bytes)
{
    return take(r, take_number(r, length_bytes));
}

/* --- the name --- */

static gboolean
is_name_character(guint8 c)
{
    return g_ascii_islower(c) || g_ascii_isdigit(c) || c == '-' || c == '_';
}

/* A last label that begins with a digit makes an address of the name, at least for some. */
static gboolean
copy_name(Reader name, char *ret)
{
    gsize label = 0;
    guint8 first = 0;

    if (name.size == 0 || name.size > CLIENT_HELLO_NAME_MAX)
        return FALSE;
    for (gsize i = 0; i < name.size; i++) {
        guint8 c = (guint8)g_ascii_tolower((char)name.data[i]);
        if (c == '.' ? label == 0 : !is_name_character(c) || label == LABEL_MAX)
            return FALSE;
        if (label == 0)
            first = c;
        label = c == '.' ? 0 : label + 1;
        ret[i] = (char)c;
    }
    ret[name.size] = '\0';
    return label > 0 && !g_ascii_isdigit(first);
}

static ClientHello
read_server_name(Reader extension, char *ret_name)
{
    Reader list = take_field(&extension, 2);
    gsize type = take_number(&list, 1);
    Reader name = take_field(&list, 2);

    if (extension.failed || extension.size > 0 || list.failed || list.size > 0 ||
        type != NAME_TYPE_HOST || !copy_name(name, ret_name))
        return CLIENT_HELLO_MALFORMED;
    return CLIENT_HELLO_NAME;
}

static ClientHello
read_extensions(Reader extensions, char *ret_name)
{
    ClientHello found = CLIENT_HELLO_NO_NAME;

    while (extensions.size > 0) {
        gsize type = take_number(&extensions, 2);
        Reader extension = take_field(&extensions, 2);
        if (extensions.failed)
            return CLIENT_HELLO_MALFORMED;
        if (type != EXTENSION_SERVER_NAME)
            continue;
        if (found != CLIENT_HELLO_NO_NAME)
            return CLIENT_HELLO_MALFORMED;
        found = read_server_name(extension, ret_name);
        if (found == CLIENT_HELLO_MALFORMED)
            return found;
    }
    return found;
}

static ClientHello
read_message(Reader r, char *ret_name)
{
    gsize version = take_number(&r, 2);
    take(&r, RANDOM_SIZE);
    Reader session = take_field(&r, 1), ciphers = take_field(&r, 2),
           compression = take_field(&r, 1);

    if (r.failed || version >> 8 != 3 || session.size > SESSION_ID_MAX || ciphers.size < 2 ||
        ciphers.size % 2 != 0 || compression.size == 0)
        return CLIENT_HELLO_MALFORMED;
    if (r.size == 0)
        return CLIENT_HELLO_NO_NAME;
    Reader extensions = take_field(&r, 2);
    if (r.failed || r.size > 0)
        return CLIENT_HELLO_MALFORMED;
    return read_extensions(extensions, ret_name);
}

/* --- records --- */

/* What the header says, as far as it is there. `collected`: bytes of the message before. */
static ClientHello
check_record(const guint8 *data, gsize size, gsize collected)
{
    ClientHello wrong = collected == 0 ? CLIENT_HELLO_NOT_TLS : CLIENT_HELLO_MALFORMED;

    if ((size > 0 && data[0] != RECORD_HANDSHAKE) || (size > 1 && data[1] != 3))
        return wrong;
    if (size < RECORD_HEADER)
        return CLIENT_HELLO_MORE;
    gsize length = (gsize)data[3] << 8 | data[4];
    if (length == 0 || length > CLIENT_HELLO_MAX - collected)
        return CLIENT_HELLO_MALFORMED;
    return size < RECORD_HEADER + length ? CLIENT_HELLO_MORE : CLIENT_HELLO_NAME;
}

/* The size of the message with its header; 0: not known yet. */
static gsize
message_size(const guint8 *message, gsize size)
{
    Reader r = {message, size, FALSE};

    take_number(&r, 1);
    gsize length = take_number(&r, 3);
    return r.failed ? 0 : MESSAGE_HEADER + length;
}

static ClientHello
read_collected(const guint8 *message, gsize size, char *ret_name)
{
    gsize whole = message_size(message, size);

    if (size > 0 && message[0] != MESSAGE_CLIENT_HELLO)
        return CLIENT_HELLO_MALFORMED;
    /* No message may follow in the same record: the server has to answer this one first. */
    if (whole > CLIENT_HELLO_MAX || (whole > 0 && size > whole))
        return CLIENT_HELLO_MALFORMED;
    if (whole == 0 || size < whole)
        return CLIENT_HELLO_MORE;
    return read_message((Reader){message + MESSAGE_HEADER, size - MESSAGE_HEADER, FALSE}, ret_name);
}

ClientHello
client_hello_read(const guint8 *data, gsize size, char ret_name[CLIENT_HELLO_NAME_MAX + 1])
{
    guint8 message[CLIENT_HELLO_MAX];
    char name[CLIENT_HELLO_NAME_MAX + 1];
    gsize collected = 0;

    for (guint records = 0; records < CLIENT_HELLO_RECORDS_MAX; records++) {
        ClientHello found = check_record(data, size, collected);
        if (found != CLIENT_HELLO_NAME)
            return found;
        gsize length = (gsize)data[3] << 8 | data[4];
        memcpy(message + collected, data + RECORD_HEADER, length);
        collected += length;
        data += RECORD_HEADER + length;
        size -= RECORD_HEADER + length;
        found = read_collected(message, collected, name);
        if (found == CLIENT_HELLO_NAME)
            memcpy(ret_name, name, strlen(name) + 1);
        if (found != CLIENT_HELLO_MORE)
            return found;
    }
    return CLIENT_HELLO_MALFORMED;
}
