/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal-budget: how many lines a user may cause in the journal.
 *
 * journald stops taking lines of a service that writes too many, also those about other users. In
 * each window of time, a user causes a number of lines of each kind. The others are counted, and
 * the count is reported when the window ends.
 */
#pragma once

#include <glib.h>

typedef enum {
    JOURNAL_LIFE,  /* a sandbox begins or ends: each costs a machine */
    JOURNAL_OTHER, /* the user can cause these at any rate */
    _JOURNAL_KIND_MAX,
} JournalKind;

typedef struct {
    guint window_ms;
    guint lines[_JOURNAL_KIND_MAX];
    /* The window has ended, in which so many lines of the user were left out. */
    void (*report)(guint32 owner, guint left_out);
} JournalLimits;

typedef struct JournalBudget JournalBudget;

JournalBudget *journal_budget_new(const JournalLimits *limits);
/* Reports what was left out until now. */
void journal_budget_free(JournalBudget *budget);

/* FALSE: the line is left out, and counted. */
gboolean journal_budget_take(JournalBudget *budget, guint32 owner, JournalKind kind);
