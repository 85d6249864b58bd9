/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * budget: bytes that may be held for somebody, counted.
 *
 * A budget may be a part of another one, which then has to have room, too. Only the main loop's
 * thread uses it.
 */
#pragma once

#include <glib.h>

typedef struct Budget Budget;

/* `whole`: the budget that it is a part of, or NULL. */
Budget *budget_new(gsize max, Budget *whole);
Budget *budget_ref(Budget *budget);
/* NULL is fine. */
void budget_unref(Budget *budget);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Budget, budget_unref)

/* A budget of NULL always has room. */
gboolean budget_has_room(const Budget *budget, gsize bytes);
/* FALSE: there is no room, and nothing was taken. */
gboolean budget_take(Budget *budget, gsize bytes);
/* Takes them even if there is no room. */
void budget_take_anyway(Budget *budget, gsize bytes);
void budget_give_back(Budget *budget, gsize bytes);
gsize budget_used(const Budget *budget);
