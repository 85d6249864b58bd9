/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* journal-budget: how many lines a user may cause in the journal. */
#include "journal-budget.h"

struct JournalBudget {
    JournalLimits limits;
    GHashTable *windows; /* uid → JournalWindow; only users with a line in their window */
};

typedef struct {
    JournalBudget *budget;
    guint32 owner;
    guint lines[_JOURNAL_KIND_MAX];
    guint left_out;
    guint source; /* of its end */
} JournalWindow;

static void
window_free(gpointer data)
{
    JournalWindow *window = data;

    g_source_remove(window->source);
    if (window->left_out > 0)
        window->budget->limits.report(window->owner, window->left_out);
    g_free(window);
}

static gboolean
on_end(gpointer data)
{
    JournalWindow *window = data;

    g_hash_table_remove(window->budget->windows, GUINT_TO_POINTER(window->owner));
    return G_SOURCE_CONTINUE; /* window_free() has removed it */
}

static JournalWindow *
window_of(JournalBudget *budget, guint32 owner)
{
    JournalWindow *window = g_hash_table_lookup(budget->windows, GUINT_TO_POINTER(owner));

    if (!window) {
        window = g_new0(JournalWindow, 1);
        window->budget = budget;
        window->owner = owner;
        window->source = g_timeout_add(budget->limits.window_ms, on_end, window);
        g_hash_table_insert(budget->windows, GUINT_TO_POINTER(owner), window);
    }
    return window;
}

gboolean
journal_budget_take(JournalBudget *budget, guint32 owner, JournalKind kind)
{
    JournalWindow *window = window_of(budget, owner);

    if (window->lines[kind] < budget->limits.lines[kind]) {
        window->lines[kind]++;
        return TRUE;
    }
    window->left_out++;
    return FALSE;
}

JournalBudget *
journal_budget_new(const JournalLimits *limits)
{
    JournalBudget *budget = g_new0(JournalBudget, 1);

    budget->limits = *limits;
    budget->windows = g_hash_table_new_full(NULL, NULL, NULL, window_free);
    return budget;
}

void
journal_budget_free(JournalBudget *budget)
{
    g_hash_table_unref(budget->windows);
    g_free(budget);
}
