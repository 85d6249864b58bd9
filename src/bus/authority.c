/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authority: asynchronous queries of polkit.
 *
 * libpolkit is not used: when a query is cancelled, it reports the end of the query before polkit
 * has replied, and only polkit's reply ends the call for the bus.
 */
#include "authority.h"

#include "error.h"
#include "slots.h"
#include "windows.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT ".Authority"
#define POLKIT_ERRORS POLKIT ".Error."
#define POLKIT_ALLOW_PROMPT 1u /* a flag of CheckAuthorization */
#define BUS "org.freedesktop.DBus"

/* The limit max_replies_per_connection of the system bus; all calls that may wait for long. */
#define BUS_REPLIES_MAX 128u
G_STATIC_ASSERT(AUTHORITY_QUERIES_ALL + AUTHORITY_PROMPTS_ALL + AUTHORITY_PROBES +
                    WINDOW_ALL_PINGS <
                BUS_REPLIES_MAX);

struct Authority {
    GDBusConnection *connection;
    guint changed_signal, owner_signal;
    GHashTable *waiting; /* uid → UserQueries; only users that have pending queries */
    Slots *queries;      /* of GTask: without a prompt */
    Slots *prompts;      /* of GTask: with one */
    guint probes;        /* in progress */
    guint64 last_number;
    void (*changed)(gpointer data);
    gpointer changed_data;
};

typedef struct {
    Authority *authority;
    Peer *peer;
    gulong left_handler;
    char *action;
    GVariant *details; /* a{ss} */
    gsize size;
    guint64 number; /* identifies the query if it is cancelled */
    gboolean may_prompt;
    Slots *slots; /* the authority's: where it waits or is in progress */
    gboolean is_repeated;
    GCancellable *lost; /* cancelled when polkit's reply was lost */
    guint overdue_source;
} Query;

typedef struct {
    guint count;
    gsize size;
} UserQueries;

/* --- pending queries per user --- */

static gboolean
begin_waiting(Authority *authority, guint32 uid, gsize size)
{
    UserQueries *waiting = g_hash_table_lookup(authority->waiting, GUINT_TO_POINTER(uid));

    if (!waiting) {
        waiting = g_new0(UserQueries, 1);
        g_hash_table_insert(authority->waiting, GUINT_TO_POINTER(uid), waiting);
    } else if (waiting->count >= AUTHORITY_WAITING_MAX ||
               waiting->size + size > AUTHORITY_WAITING_SIZE) {
        return FALSE;
    }
    waiting->count++;
    waiting->size += size;
    return TRUE;
}

static void
end_waiting(Authority *authority, guint32 uid, gsize size)
{
    UserQueries *waiting = g_hash_table_lookup(authority->waiting, GUINT_TO_POINTER(uid));

    waiting->size -= size;
    if (--waiting->count == 0)
        g_hash_table_remove(authority->waiting, GUINT_TO_POINTER(uid));
}

static void
authority_clear(gpointer data)
{
    Authority *authority = data;

    g_hash_table_unref(authority->waiting);
    slots_unref(authority->queries);
    slots_unref(authority->prompts);
    g_object_unref(authority->connection);
}

static void
query_free(gpointer data)
{
    Query *query = data;

    g_signal_handler_disconnect(query->peer->left, query->left_handler);
    g_clear_object(&query->lost);
    end_waiting(query->authority, query->peer->viewer.uid, query->size);
    g_rc_box_release_full(query->authority, authority_clear);
    peer_unref(query->peer);
    g_variant_unref(query->details);
    g_free(query->action);
    g_free(query);
}

/* --- results --- */

static void
refuse(GTask *task, const char *format, const char *why)
{
    const Query *query = g_task_get_task_data(task);
    g_autofree char *reason = g_strdup_printf(format, why);

    g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
                            "You may not do this (%s): %s", query->action, reason);
    g_object_unref(task);
}

static gboolean
is_of_polkit(const GError *error)
{
    g_autofree char *name = g_dbus_error_get_remote_error(error);

    return name && g_str_has_prefix(name, POLKIT_ERRORS);
}

static void
report_failure(GTask *task, GError *error)
{
    const Query *query = g_task_get_task_data(task);
    gboolean is_refusal = is_of_polkit(error);

    g_dbus_error_strip_remote_error(error);
    if (is_refusal) {
        refuse(task, "polkit could not be asked: %s", error->message);
        return;
    }
    /* There was no reply, so nothing was decided. */
    g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                            "polkit could not be asked about %s: %s; try again later",
                            query->action, error->message);
    g_object_unref(task);
}

static void check(gpointer job);

/* Begins the query when it has one of these slots. Takes the task. */
static void
enter(GTask *task, Slots *slots)
{
    Query *query = g_task_get_task_data(task);

    query->slots = slots;
    if (slots_take(slots, GUINT_TO_POINTER(query->peer->viewer.uid), task))
        check(task);
}

/* If the peer has left, the task fails, whatever is returned here: GTask checks its cancellable. */
static void
decide(GTask *task, GVariant *answer)
{
    const Query *query = g_task_get_task_data(task);
    Authority *authority = query->authority;
    gboolean is_authorized, is_challenge;

    g_variant_get(answer, "((bba{ss}))", &is_authorized, &is_challenge, NULL);
    if (is_authorized) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    } else if (is_challenge && query->may_prompt && query->slots == authority->queries &&
               !g_cancellable_is_cancelled(query->peer->left)) {
        enter(task, authority->prompts);
    } else {
        refuse(task, "polkit's rules do not permit it%s",
               is_challenge ? " without a password, and no user could be asked for one" : "");
    }
}

/* --- asking --- */

static void
on_changed(Authority *authority)
{
    authority->changed(authority->changed_data);
}

/* The bus starts polkit for the second query. */
static gboolean
must_repeat(const Query *query, const GError *error)
{
    return error && !is_of_polkit(error) && !query->is_repeated;
}

typedef struct {
    Authority *authority; /* a reference */
    Slots *slots;         /* the authority's */
    guint32 uid;
} HeldSlot;

static gboolean
on_held_long_enough(gpointer data)
{
    g_autofree HeldSlot *slot = data;

    slots_release(slot->slots, GUINT_TO_POINTER(slot->uid));
    g_rc_box_release_full(slot->authority, authority_clear);
    return G_SOURCE_REMOVE;
}

/* Ends the query of a peer that has left. polkit's reply may be an error about the peer, which says
 * nothing about polkit. */
static void
finish_left(GTask *task)
{
    const Query *query = g_task_get_task_data(task);
    HeldSlot *slot = g_new(HeldSlot, 1);

    *slot = (HeldSlot){g_rc_box_acquire(query->authority), query->slots, query->peer->viewer.uid};
    g_timeout_add(AUTHORITY_LEFT_MS, on_held_long_enough, slot);
    g_task_return_error_if_cancelled(task);
    g_object_unref(task);
}

static void
on_checked(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Query *query = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    g_clear_handle_id(&query->overdue_source, g_source_remove);
    if (g_cancellable_is_cancelled(query->peer->left)) {
        finish_left(task);
        return;
    }
    if (error)
        on_changed(query->authority); /* previous replies may be out of date */
    if (must_repeat(query, error)) {
        query->is_repeated = TRUE;
        check(task);
        return;
    }
    slots_release(query->slots, GUINT_TO_POINTER(query->peer->viewer.uid));
    if (answer)
        decide(task, answer);
    else
        report_failure(task, error);
}

static gboolean
is_prompt(const Query *query)
{
    return query->slots == query->authority->prompts;
}

/* --- lost replies --- */

typedef struct {
    Authority *authority; /* a reference */
    GCancellable *lost;   /* of the query */
} Probe;

/* polkit replies in order, so it has replied to the query, too. */
static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Probe *probe = data;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, /* error= */ NULL);

    probe->authority->probes--;
    if (answer)
        g_cancellable_cancel(probe->lost);
    g_object_unref(probe->lost);
    g_rc_box_release_full(probe->authority, authority_clear);
}

/* Any property of polkit will do. */
static gboolean
on_overdue(gpointer data)
{
    const Query *query = data;
    Authority *authority = query->authority;
    Probe *probe;

    if (authority->probes >= AUTHORITY_PROBES)
        return G_SOURCE_CONTINUE;
    authority->probes++;
    probe = g_new(Probe, 1);
    *probe = (Probe){g_rc_box_acquire(authority), g_object_ref(query->lost)};
    g_dbus_connection_call(authority->connection, POLKIT, POLKIT_PATH,
                           "org.freedesktop.DBus.Properties", "Get",
                           g_variant_new("(ss)", POLKIT_INTERFACE, "BackendVersion"),
                           G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                           /* timeout= */ G_MAXINT, /* cancellable= */ NULL, on_probed, probe);
    return G_SOURCE_CONTINUE;
}

/* A reply to a query with a prompt may come after replies to later calls. */
static void
watch_reply(Query *query)
{
    g_clear_object(&query->lost);
    query->lost = g_cancellable_new();
    if (!is_prompt(query))
        query->overdue_source = g_timeout_add_seconds(AUTHORITY_OVERDUE_S, on_overdue, query);
}

/* Begins a query that has a slot. */
static void
check(gpointer job)
{
    GTask *task = job;
    Query *query = g_task_get_task_data(task);
    g_autofree char *number = NULL;

    watch_reply(query);
    query->number = ++query->authority->last_number;
    number = g_strdup_printf("%" G_GUINT64_FORMAT, query->number);
    g_dbus_connection_call(
        query->authority->connection, POLKIT, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization",
        g_variant_new_parsed("(('system-bus-name', {'name': <%s>}), %s, %@a{ss}, %u, %s)",
                             query->peer->name, query->action, query->details,
                             is_prompt(query) ? POLKIT_ALLOW_PROMPT : 0, number),
        G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE,
        /* timeout= */ G_MAXINT, query->lost, on_checked, task);
}

/* Closes the dialog. polkit then replies to the query. */
static void
cancel(const Query *query)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, query->number);

    g_dbus_connection_call(query->authority->connection, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                           "CancelCheckAuthorization", g_variant_new("(s)", number),
                           /* reply_type= */ NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START,
                           /* timeout= */ -1, /* cancellable= */ NULL, /* callback= */ NULL, NULL);
}

static void
on_left(GCancellable *left, gpointer data)
{
    GTask *task = data;
    const Query *query = g_task_get_task_data(task);

    if (slots_remove(query->slots, GUINT_TO_POINTER(query->peer->viewer.uid), task)) {
        g_task_return_error_if_cancelled(task);
        g_object_unref(task);
    } else if (is_prompt(query)) {
        cancel(query);
    }
}

static GVariant *
make_details(const char *const *details)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
    for (; *details; details += 2)
        g_variant_builder_add(&builder, "{ss}", details[0], details[1]);
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

void
authority_ask_async(Authority *authority, Peer *peer, const char *action,
                    const char *const *details, gboolean may_prompt, gsize size,
                    GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, peer->left, callback, data);
    Query *query;

    if (!begin_waiting(authority, peer->viewer.uid, size)) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                                "too many calls of user %u already wait for polkit; try again "
                                "later. If polkit does not answer, an administrator can restart "
                                "it: systemctl restart polkit",
                                peer->viewer.uid);
        g_object_unref(task);
        return;
    }
    query = g_new0(Query, 1);
    query->authority = g_rc_box_acquire(authority);
    query->peer = peer_ref(peer);
    query->left_handler = g_signal_connect(peer->left, "cancelled", G_CALLBACK(on_left), task);
    query->action = g_strdup(action);
    query->details = make_details(details);
    query->size = size;
    query->may_prompt = may_prompt;
    g_task_set_task_data(task, query, query_free);
    enter(task, authority->queries);
}

gboolean
authority_ask_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- life --- */

static void
on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
          const char *signal, GVariant *parameters, gpointer data)
{
    on_changed(data);
}

Authority *
authority_new(GDBusConnection *connection, void (*changed)(gpointer data), gpointer data)
{
    Authority *authority = g_rc_box_new0(Authority);

    authority->connection = g_object_ref(connection);
    authority->waiting = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    authority->queries = slots_new(AUTHORITY_QUERIES_EACH, AUTHORITY_QUERIES_ALL, check);
    authority->prompts = slots_new(AUTHORITY_PROMPTS_EACH, AUTHORITY_PROMPTS_ALL, check);
    authority->changed = changed;
    authority->changed_data = data;
    authority->changed_signal = g_dbus_connection_signal_subscribe(
        connection, POLKIT, POLKIT_INTERFACE, "Changed", POLKIT_PATH, /* arg0= */ NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_signal, authority, NULL);
    /* A restarted polkit does not report the changes of rules while it was not running. */
    authority->owner_signal = g_dbus_connection_signal_subscribe(
        connection, BUS, BUS, "NameOwnerChanged", "/org/freedesktop/DBus", /* arg0= */ POLKIT,
        G_DBUS_SIGNAL_FLAGS_NONE, on_signal, authority, NULL);
    return authority;
}

void
authority_free(Authority *authority)
{
    if (!authority)
        return;
    g_dbus_connection_signal_unsubscribe(authority->connection, authority->changed_signal);
    g_dbus_connection_signal_unsubscribe(authority->connection, authority->owner_signal);
    g_rc_box_release_full(authority, authority_clear); /* pending queries may hold references */
}
