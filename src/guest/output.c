/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output: the output of a process, kept up to a bound and counted beyond it. */
#include "output.h"

void
guest_output_init(GuestOutput *output)
{
    *output = (GuestOutput){.bytes = g_byte_array_new()};
}

void
guest_output_clear(GuestOutput *output)
{
    g_clear_pointer(&output->bytes, g_byte_array_unref);
}

void
guest_output_add(GuestOutput *output, const guint8 *bytes, gsize size)
{
    gsize room = GUEST_OUTPUT_MAX - output->bytes->len;

    output->size += size;
    g_byte_array_append(output->bytes, bytes, (guint)MIN(size, room));
}
