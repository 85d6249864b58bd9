/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output: the output of a process, kept up to a bound and counted beyond it. */
#pragma once

#include "budget.h"

/* Bytes that are kept of each of standard output and error; the rest is only counted. */
#define GUEST_OUTPUT_MAX (4u * 1024 * 1024)
/* Bytes that are kept whatever the budget has. */
#define GUEST_OUTPUT_FREE (64u * 1024)

typedef struct {
    GByteArray *bytes;
    guint64 size;   /* of everything that was written */
    Budget *budget; /* NULL: only GUEST_OUTPUT_MAX bounds it */
    gsize taken;    /* of the budget */
} GuestOutput;

void guest_output_init(GuestOutput *output);
/* Before anything is added. What the budget has no room for is only counted. */
void guest_output_set_budget(GuestOutput *output, Budget *budget);
void guest_output_clear(GuestOutput *output);
void guest_output_add(GuestOutput *output, const guint8 *bytes, gsize size);
