/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frames: numbers are little-endian, and each text follows its length. */
#include "frames.h"

#include <string.h>

void
put_u32(GByteArray *out, guint32 value)
{
    guint32 little = GUINT32_TO_LE(value);

    g_byte_array_append(out, (const guint8 *)&little, sizeof little);
}

void
put_bytes(GByteArray *out, const void *bytes, gsize size)
{
    put_u32(out, (guint32)size);
    g_byte_array_append(out, bytes, (guint)size);
}

void
put_text(GByteArray *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

void
put_frame(GByteArray *out, guint32 execution, guint8 type, GByteArray *payload)
{
    const guint8 rest[4] = {type};

    put_u32(out, payload->len);
    put_u32(out, execution);
    g_byte_array_append(out, rest, sizeof rest);
    g_byte_array_append(out, payload->data, payload->len);
    g_byte_array_unref(payload);
}

void
put_ready(GByteArray *out)
{
    GByteArray *payload = g_byte_array_new();

    put_text(payload, "python");
    put_text(payload, "3.11.2");
    put_frame(out, 0, RUNNER_READY, payload);
}

void
put_result(GByteArray *out, guint32 execution, guint32 is_main, const char *mime, const void *data,
           gsize size)
{
    GByteArray *payload = g_byte_array_new();

    put_u32(payload, is_main);
    put_text(payload, "");
    put_u32(payload, 1);
    put_text(payload, mime);
    put_bytes(payload, data, size);
    put_u32(payload, 0);
    put_frame(out, execution, RUNNER_RESULT, payload);
}

void
put_error(GByteArray *out, guint32 execution, const char *name, const char *value)
{
    GByteArray *payload = g_byte_array_new();

    put_text(payload, name);
    put_text(payload, value);
    put_text(payload, "Traceback\n");
    put_frame(out, execution, RUNNER_ERROR, payload);
}

void
put_clear(GByteArray *out, guint32 execution, guint32 flags)
{
    GByteArray *payload = g_byte_array_new();

    put_u32(payload, flags);
    put_frame(out, execution, RUNNER_CLEAR, payload);
}

void
put_completeness(GByteArray *out, guint32 execution, guint32 status, const char *indent)
{
    GByteArray *payload = g_byte_array_new();

    put_u32(payload, status);
    put_text(payload, indent);
    put_frame(out, execution, RUNNER_COMPLETENESS, payload);
}

void
put_done(GByteArray *out, guint32 execution, guint32 status)
{
    GByteArray *payload = g_byte_array_new();

    put_u32(payload, status);
    put_u32(payload, 7);
    put_frame(out, execution, RUNNER_DONE, payload);
}
