/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* budget: bytes that may be held for somebody, counted. */
#include "budget.h"

struct Budget {
    gsize used, max;
    Budget *whole; /* NULL: it is not a part */
};

Budget *
budget_new(gsize max, Budget *whole)
{
    Budget *budget = g_rc_box_new0(Budget);

    budget->max = max;
    budget->whole = whole ? budget_ref(whole) : NULL;
    return budget;
}

Budget *
budget_ref(Budget *budget)
{
    return g_rc_box_acquire(budget);
}

static void
budget_clear(gpointer data)
{
    Budget *budget = data;

    g_assert(budget->used == 0);
    budget_unref(budget->whole);
}

void
budget_unref(Budget *budget)
{
    if (budget)
        g_rc_box_release_full(budget, budget_clear);
}

gboolean
budget_has_room(const Budget *budget, gsize bytes)
{
    for (; budget; budget = budget->whole)
        if (budget->used > budget->max || bytes > budget->max - budget->used)
            return FALSE;
    return TRUE;
}

gboolean
budget_take(Budget *budget, gsize bytes)
{
    if (!budget_has_room(budget, bytes))
        return FALSE;
    budget_take_anyway(budget, bytes);
    return TRUE;
}

void
budget_take_anyway(Budget *budget, gsize bytes)
{
    for (; budget; budget = budget->whole)
        budget->used += bytes;
}

void
budget_give_back(Budget *budget, gsize bytes)
{
    if (!budget)
        return;
    g_assert(budget->used >= bytes);
    budget->used -= bytes;
    budget_give_back(budget->whole, bytes);
}

gsize
budget_used(const Budget *budget)
{
    return budget->used;
}
