/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* greeting: the bytes with which a connection begins, in both directions. */
#include "greeting.h"

#include <string.h>

#include "util.h"

#define MARK_SIZE (WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE)

static void
put_mark(const guint8 *nonce, guint8 *mark)
{
    memcpy(mark, wire_magic, WIRE_MAGIC_SIZE);
    memcpy(mark + WIRE_MAGIC_SIZE, nonce, WIRE_NONCE_SIZE);
}

GBytes *
greeting_begin(guint8 *ret_nonce)
{
    guint8 *preamble = g_malloc0(WIRE_PREAMBLE_PAD + MARK_SIZE);

    util_random(ret_nonce, WIRE_NONCE_SIZE);
    put_mark(ret_nonce, preamble + WIRE_PREAMBLE_PAD);
    return g_bytes_new_take(preamble, WIRE_PREAMBLE_PAD + MARK_SIZE);
}

gboolean
greeting_find(const guint8 *nonce, GByteArray *in)
{
    guint8 mark[MARK_SIZE];
    gsize keep = 0;
    ptrdiff_t at;

    put_mark(nonce, mark);
    at = wire_find(in->data, in->len, mark, sizeof(mark), &keep);
    g_byte_array_remove_range(in, 0, at >= 0 ? (guint)at + MARK_SIZE : (guint)(in->len - keep));
    return at >= 0;
}

gboolean
greeting_read_hello(const WireHeader *header, const guint8 *payload, guint32 *ret_version,
                    char **ret_sandbox_id)
{
    g_autofree char *id = NULL, *release = NULL;
    WireReader r;
    guint32 version;

    wire_reader_init(&r, payload, header->length);
    version = wire_get_u32(&r);
    id = wire_get_string(&r, 64);
    release = wire_get_string(&r, 256);
    if (wire_reader_end(&r) < 0)
        return FALSE;
    *ret_version = version;
    *ret_sandbox_id = g_steal_pointer(&id);
    return TRUE;
}
