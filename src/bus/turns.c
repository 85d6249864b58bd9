/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* turns: calls that have arrived and are not begun, served in turn between users. */
#include "turns.h"

typedef struct {
    guint calls, numbers, fds;
    gsize size;
} WaitingCalls;

typedef struct {
    guint32 uid;
    gboolean had_turn; /* a call was begun since the last turn */
    GQueue lines;      /* of PeerLine: connections whose calls wait */
    WaitingCalls waiting;
} TurnsUser;

typedef struct {
    Peer *peer;
    GQueue calls; /* of TurnsCall; without an object, only the number is kept */
} PeerLine;

struct Turns {
    TurnsEvents events;
    gpointer data;
    GHashTable *users; /* uid → TurnsUser: whose calls wait, or who had this turn */
    GHashTable *lines; /* Peer → PeerLine */
    guint source;      /* of the next turn; 0: nothing can be begun */
    gint64 last_turn_us;
};

/* --- calls that wait --- */

static void
uncount(TurnsUser *user, const TurnsCall *call)
{
    if (call->object) {
        user->waiting.calls--;
        user->waiting.size -= call->size;
        user->waiting.fds -= call->fds;
    } else {
        user->waiting.numbers--;
    }
}

static void
drop_call(TurnsUser *user, TurnsCall *call)
{
    uncount(user, call);
    g_clear_object(&call->object);
    g_free(call);
}

static void
drop_line(Turns *turns, TurnsUser *user, PeerLine *line)
{
    TurnsCall *call;

    while ((call = g_queue_pop_head(&line->calls)))
        drop_call(user, call);
    g_queue_remove(&user->lines, line);
    g_hash_table_remove(turns->lines, line->peer);
    peer_unref(line->peer);
    g_free(line);
}

static TurnsUser *
user_of(Turns *turns, guint32 uid)
{
    TurnsUser *user = g_hash_table_lookup(turns->users, GUINT_TO_POINTER(uid));

    if (!user) {
        user = g_new0(TurnsUser, 1);
        user->uid = uid;
        g_queue_init(&user->lines);
        g_hash_table_insert(turns->users, GUINT_TO_POINTER(uid), user);
    }
    return user;
}

static PeerLine *
line_of(Turns *turns, TurnsUser *user, Peer *peer)
{
    PeerLine *line = g_hash_table_lookup(turns->lines, peer);

    if (!line) {
        line = g_new0(PeerLine, 1);
        line->peer = peer_ref(peer);
        g_queue_init(&line->calls);
        g_hash_table_insert(turns->lines, peer, line);
        g_queue_push_tail(&user->lines, line);
    }
    return line;
}

/* --- turns --- */

/* Begins the next call of the connection. */
static void
begin_next(Turns *turns, TurnsUser *user, PeerLine *line)
{
    g_autofree TurnsCall *call = g_queue_pop_head(&line->calls);
    g_autoptr(Peer) peer = peer_ref(line->peer);

    uncount(user, call);
    if (line->calls.length == 0)
        drop_line(turns, user, line);
    if (call->object)
        turns->events.begin(peer, call->object, turns->data);
    else
        turns->events.refuse(peer, call->serial, turns->data);
}

/* Begins one call of the user; FALSE: there is none that may be begun. */
static gboolean
serve(Turns *turns, TurnsUser *user)
{
    guint lines = user->lines.length;

    for (guint i = 0; i < lines; i++) {
        PeerLine *line = g_queue_pop_head(&user->lines);

        g_queue_push_tail(&user->lines, line);
        if (g_cancellable_is_cancelled(line->peer->left)) {
            drop_line(turns, user, line);
        } else if (turns->events.may_begin(line->peer, turns->data)) {
            begin_next(turns, user, line);
            return TRUE;
        }
    }
    return FALSE;
}

/* Begins one call of each user; FALSE: there is none that may be begun. */
static gboolean
take_turn(Turns *turns)
{
    g_autoptr(GList) uids = g_hash_table_get_keys(turns->users);
    gboolean has_begun = FALSE;

    turns->last_turn_us = g_get_monotonic_time();
    for (GList *l = uids; l; l = l->next) {
        TurnsUser *user = g_hash_table_lookup(turns->users, l->data);

        user->had_turn = serve(turns, user);
        has_begun = has_begun || user->had_turn;
        if (!user->had_turn && user->lines.length == 0)
            g_hash_table_remove(turns->users, l->data);
    }
    return has_begun;
}

static gboolean
on_turn(gpointer data)
{
    Turns *turns = data;

    if (take_turn(turns))
        return G_SOURCE_CONTINUE;
    turns->source = 0;
    return G_SOURCE_REMOVE;
}

/* All calls that have arrived are parked first: that of another user may be behind thousands of
 * calls of one user. */
static void
schedule(Turns *turns)
{
    if (turns->source != 0)
        return;
    turns->last_turn_us = g_get_monotonic_time();
    turns->source = g_idle_add_full(G_PRIORITY_DEFAULT + 1, on_turn, turns, NULL);
}

/* An endless flood of arrivals does not postpone the turns for ever. */
static void
take_overdue_turn(Turns *turns)
{
    if (turns->source != 0 && g_get_monotonic_time() - turns->last_turn_us > TURNS_OVERDUE_US)
        take_turn(turns);
}

void
turns_resume(Turns *turns)
{
    if (g_hash_table_size(turns->users) > 0)
        schedule(turns);
}

/* --- arrival --- */

static gboolean
has_room(const TurnsUser *user, const TurnsCall *call)
{
    return user->waiting.calls < TURNS_CALLS_MAX &&
           user->waiting.size + call->size <= TURNS_SIZE_MAX &&
           user->waiting.fds + call->fds <= TURNS_FDS_MAX;
}

static void
park(Turns *turns, TurnsUser *user, Peer *peer, const TurnsCall *given)
{
    TurnsCall call = *given;

    if (!has_room(user, &call)) {
        g_clear_object(&call.object);
        if (!call.is_answered || user->waiting.numbers >= TURNS_NUMBERS_MAX)
            return;
    }
    if (call.object) {
        user->waiting.calls++;
        user->waiting.size += call.size;
        user->waiting.fds += call.fds;
    } else {
        user->waiting.numbers++;
    }
    g_queue_push_tail(&line_of(turns, user, peer)->calls, g_memdup2(&call, sizeof call));
}

gboolean
turns_add(Turns *turns, Peer *peer, const TurnsCall *call)
{
    TurnsUser *user;

    take_overdue_turn(turns); /* may free the user */
    user = user_of(turns, peer->viewer.uid);
    schedule(turns);
    if (!user->had_turn && user->lines.length == 0 && turns->events.may_begin(peer, turns->data)) {
        user->had_turn = TRUE;
        return TRUE;
    }
    park(turns, user, peer, call);
    return FALSE;
}

/* --- life --- */

Turns *
turns_new(const TurnsEvents *events, gpointer data)
{
    Turns *turns = g_new0(Turns, 1);

    turns->events = *events;
    turns->data = data;
    turns->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    turns->lines = g_hash_table_new(NULL, NULL);
    return turns;
}

void
turns_free(Turns *turns)
{
    g_autoptr(GList) lines = g_hash_table_get_values(turns->lines);

    g_clear_handle_id(&turns->source, g_source_remove);
    for (GList *l = lines; l; l = l->next) {
        PeerLine *line = l->data;

        for (GList *call = line->calls.head; call; call = call->next)
            turns->events.refuse(line->peer, ((TurnsCall *)call->data)->serial, turns->data);
        drop_line(turns, user_of(turns, line->peer->viewer.uid), line);
    }
    g_hash_table_unref(turns->lines);
    g_hash_table_unref(turns->users);
    g_free(turns);
}
