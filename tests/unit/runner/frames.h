/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frames: messages of a runner, built as a runner builds them. All functions append to `out`. */
#pragma once

#include "runner.h"

void put_u32(GByteArray *out, guint32 value);
void put_bytes(GByteArray *out, const void *bytes, gsize size);
void put_text(GByteArray *out, const char *text);

/* Frees the payload. */
void put_frame(GByteArray *out, guint32 execution, guint8 type, GByteArray *payload);

/* Complete frames. */
void put_ready(GByteArray *out);
void put_result(GByteArray *out, guint32 execution, guint32 is_main, const char *mime,
                const void *data, gsize size);
void put_error(GByteArray *out, guint32 execution, const char *name, const char *value);
void put_clear(GByteArray *out, guint32 execution, guint32 flags);
void put_completeness(GByteArray *out, guint32 execution, guint32 status, const char *indent);
void put_done(GByteArray *out, guint32 execution, guint32 status);
