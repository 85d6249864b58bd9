/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slots: a number of jobs may be in progress, and further jobs wait. */
#include "slots.h"

typedef struct {
    gpointer key;
    guint taken;
    GQueue waiting;   /* jobs */
    gboolean is_next; /* it is in Slots.next */
} Party;

struct Slots {
    guint each_max, all_max;
    void (*begin)(gpointer job);
    GHashTable *parties; /* key → Party: those that have jobs */
    guint taken;
    GQueue next; /* of Party, in turn: each has a job that waits and a free slot of its own */
};

static Party *
find_party(Slots *slots, gpointer key)
{
    Party *party = g_hash_table_lookup(slots->parties, key);

    if (!party) {
        party = g_new0(Party, 1);
        party->key = key;
        g_queue_init(&party->waiting);
        g_hash_table_insert(slots->parties, key, party);
    }
    return party;
}

/* Adds the party to Slots.next, where it keeps its place, or removes it. Frees a party without
 * jobs. */
static void
update(Slots *slots, Party *party)
{
    gboolean is_next = party->waiting.length > 0 && party->taken < slots->each_max;

    if (is_next && !party->is_next)
        g_queue_push_tail(&slots->next, party);
    else if (!is_next && party->is_next)
        g_queue_remove(&slots->next, party);
    party->is_next = is_next;
    if (party->waiting.length == 0 && party->taken == 0)
        g_hash_table_remove(slots->parties, party->key);
}

static void
take(Slots *slots, Party *party)
{
    party->taken++;
    slots->taken++;
}

static void
serve(Slots *slots)
{
    while (slots->taken < slots->all_max && slots->next.length > 0) {
        Party *party = g_queue_pop_head(&slots->next);
        gpointer job = g_queue_pop_head(&party->waiting);

        party->is_next = FALSE;
        take(slots, party);
        update(slots, party);
        slots->begin(job);
    }
}

gboolean
slots_take(Slots *slots, gpointer key, gpointer job)
{
    Party *party = find_party(slots, key);

    if (slots->taken < slots->all_max && party->taken < slots->each_max) {
        take(slots, party);
        return TRUE;
    }
    g_queue_push_tail(&party->waiting, job);
    update(slots, party);
    return FALSE;
}

gboolean
slots_remove(Slots *slots, gpointer key, gpointer job)
{
    Party *party = find_party(slots, key);
    gboolean is_waiting = g_queue_remove(&party->waiting, job);

    update(slots, party);
    return is_waiting;
}

void
slots_release(Slots *slots, gpointer key)
{
    Party *party = find_party(slots, key);

    party->taken--;
    slots->taken--;
    update(slots, party);
    serve(slots);
}

/* --- life --- */

Slots *
slots_new(guint each_max, guint all_max, void (*begin)(gpointer job))
{
    Slots *slots = g_rc_box_new0(Slots);

    slots->each_max = each_max;
    slots->all_max = all_max;
    slots->begin = begin;
    slots->parties = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_queue_init(&slots->next);
    return slots;
}

Slots *
slots_ref(Slots *slots)
{
    return g_rc_box_acquire(slots);
}

static void
slots_clear(gpointer data)
{
    Slots *slots = data;

    g_hash_table_unref(slots->parties);
}

void
slots_unref(Slots *slots)
{
    if (slots)
        g_rc_box_release_full(slots, slots_clear);
}
