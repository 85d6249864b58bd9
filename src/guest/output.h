/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output: the output of a process, kept up to a bound and counted beyond it. */
#pragma once

#include <glib.h>

/* Bytes that are kept of each of standard output and error; the rest is only counted. */
#define GUEST_OUTPUT_MAX (4u * 1024 * 1024)

typedef struct {
    GByteArray *bytes;
    guint64 size; /* of everything that was written */
} GuestOutput;

void guest_output_init(GuestOutput *output);
void guest_output_clear(GuestOutput *output);
void guest_output_add(GuestOutput *output, const guint8 *bytes, gsize size);
