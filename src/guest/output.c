/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output: the output of a process, kept up to a bound and counted beyond it. */
#include "output.h"

void
guest_output_init(GuestOutput *output)
{
    *output = (GuestOutput){.bytes = g_byte_array_new()};
}

void
guest_output_set_budget(GuestOutput *output, Budget *budget)
{
    output->budget = budget ? budget_ref(budget) : NULL;
}

void
guest_output_clear(GuestOutput *output)
{
    budget_give_back(output->budget, output->taken);
    output->taken = 0;
    g_clear_pointer(&output->budget, budget_unref);
    g_clear_pointer(&output->bytes, g_byte_array_unref);
}

/* Twice what is kept, because the array grows by doubling. */
static gboolean
take_room(GuestOutput *output, gsize length)
{
    gsize needed = length > GUEST_OUTPUT_FREE ? 2 * (length - GUEST_OUTPUT_FREE) : 0;

    if (needed <= output->taken)
        return TRUE;
    if (!budget_take(output->budget, needed - output->taken))
        return FALSE;
    output->taken = needed;
    return TRUE;
}

void
guest_output_add(GuestOutput *output, const guint8 *bytes, gsize size)
{
    gboolean is_cut = output->size > output->bytes->len;
    gsize kept = is_cut ? 0 : MIN(size, GUEST_OUTPUT_MAX - output->bytes->len);

    output->size += size;
    if (kept > 0 && take_room(output, output->bytes->len + kept))
        g_byte_array_append(output->bytes, bytes, (guint)kept);
}
