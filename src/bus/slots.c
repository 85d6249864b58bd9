/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slots: jobs of which only some may be in progress, and the others wait. */
#include "slots.h"

typedef struct {
    guint32 uid;
    guint taken;
    GQueue waiting;   /* jobs */
    gboolean is_next; /* it is in Slots.next */
} User;

struct Slots {
    guint user_max, all_max;
    void (*begin)(gpointer job);
    GHashTable *users; /* uid → User: those that have jobs */
    guint taken;
    GQueue next; /* of User: a job waits, and only a slot of all is missing; in turn */
};

static User *
user_of(Slots *slots, guint32 uid)
{
    User *user = g_hash_table_lookup(slots->users, GUINT_TO_POINTER(uid));

    if (!user) {
        user = g_new0(User, 1);
        user->uid = uid;
        g_queue_init(&user->waiting);
        g_hash_table_insert(slots->users, GUINT_TO_POINTER(uid), user);
    }
    return user;
}

/* A user who takes part already keeps the place. Frees a user without jobs. */
static void
update(Slots *slots, User *user)
{
    gboolean is_next = user->waiting.length > 0 && user->taken < slots->user_max;

    if (is_next && !user->is_next)
        g_queue_push_tail(&slots->next, user);
    else if (!is_next && user->is_next)
        g_queue_remove(&slots->next, user);
    user->is_next = is_next;
    if (user->waiting.length == 0 && user->taken == 0)
        g_hash_table_remove(slots->users, GUINT_TO_POINTER(user->uid));
}

static void
serve(Slots *slots)
{
    while (slots->taken < slots->all_max && slots->next.length > 0) {
        User *user = g_queue_pop_head(&slots->next);
        gpointer job = g_queue_pop_head(&user->waiting);

        user->is_next = FALSE;
        user->taken++;
        slots->taken++;
        update(slots, user);
        slots->begin(job);
    }
}

void
slots_add(Slots *slots, guint32 uid, gpointer job)
{
    User *user = user_of(slots, uid);

    g_queue_push_tail(&user->waiting, job);
    update(slots, user);
    serve(slots);
}

gboolean
slots_remove(Slots *slots, guint32 uid, gpointer job)
{
    User *user = user_of(slots, uid);
    gboolean is_waiting = g_queue_remove(&user->waiting, job);

    update(slots, user);
    return is_waiting;
}

void
slots_release(Slots *slots, guint32 uid)
{
    User *user = user_of(slots, uid);

    user->taken--;
    slots->taken--;
    update(slots, user);
    serve(slots);
}

/* --- life --- */

Slots *
slots_new(guint user_max, guint all_max, void (*begin)(gpointer job))
{
    Slots *slots = g_new0(Slots, 1);

    slots->user_max = user_max;
    slots->all_max = all_max;
    slots->begin = begin;
    slots->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_queue_init(&slots->next);
    return slots;
}

void
slots_free(Slots *slots)
{
    g_hash_table_unref(slots->users);
    g_free(slots);
}
