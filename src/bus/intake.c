/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* intake: refuses messages before the main loop sees them, and counts what GDBus answers itself. */
#include "intake.h"

#include <malloc.h>

#include "error.h"
#include "guard.h"
#include "message.h"

/* A refused message of this weight has grown the heap: glibc gives it back only when asked. */
#define TRIM_WEIGHT (4u * 1024 * 1024)

/* The two threads share the table and its entries. */
struct Intake {
    GDBusConnection *connection;
    Peers *peers;
    Windows *windows;
    GMutex mutex;
    GHashTable *answered; /* name → Answered */
    guint filter;
    gboolean is_scheduled, is_freed;
    void (*written)(gpointer data);
    gpointer data;
};

typedef struct {
    char *name;
    gsize uncounted; /* bytes */
    gboolean is_closed;
} Answered;

static void
answered_free(gpointer data)
{
    g_free(((Answered *)data)->name);
    g_free(data);
}

static void
intake_clear(gpointer data)
{
    Intake *intake = data;

    g_hash_table_unref(intake->answered);
    windows_unref(intake->windows);
    g_mutex_clear(&intake->mutex);
}

static void
intake_unref(gpointer intake)
{
    g_atomic_rc_box_release_full(intake, intake_clear);
}

/* --- messages that arrive --- */

/* Why the message is refused; NULL: it is not. */
static char *
find_excess(GDBusMessage *message)
{
    const char *interface = g_dbus_message_get_interface(message);
    const char *method = g_dbus_message_get_member(message);
    gsize most = guard_weight_max(interface, method);
    GVariant *body = g_dbus_message_get_body(message);
    guint fds = message_count_fds(message), fds_max = guard_fds_max(interface, method);

    if (body && message_weight(body, most) > most)
        return g_strdup_printf("the arguments of %s are too large: together with %u for each "
                               "value, they may have %" G_GSIZE_FORMAT " bytes",
                               method, MESSAGE_VALUE_WEIGHT, most);
    if (fds > fds_max)
        return g_strdup_printf("%s takes %u descriptors, not %u", method, fds_max, fds);
    return NULL;
}

static void
refuse(Intake *intake, GDBusMessage *message, const char *why)
{
    const MessageAddress address = message_address(g_dbus_message_get_sender(message), message);
    g_autoptr(GError) error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, why);
    g_autoptr(GDBusMessage) answer = NULL;

    if (!address.is_expected)
        return;
    answer = message_error(&address, error);
    g_dbus_connection_send_message(intake->connection, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                   /* out_serial= */ NULL, /* error= */ NULL);
}

/* Takes the message. Returns it, or NULL when it was refused. */
static GDBusMessage *
take_in(Intake *intake, GDBusMessage *message)
{
    g_autofree char *why = NULL;
    GVariant *body = g_dbus_message_get_body(message);
    gboolean is_huge;

    message_take_fds(message);
    if (g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
        return message;
    why = find_excess(message);
    if (!why)
        return message;
    refuse(intake, message, why);
    is_huge = body && message_weight(body, TRIM_WEIGHT) > TRIM_WEIGHT;
    g_object_unref(message);
    if (is_huge)
        malloc_trim(0);
    return NULL;
}

/* --- answers of GDBus --- */

typedef struct {
    Intake *intake; /* a reference */
    char *name;
} Counting;

static void
on_peer(Peer *peer, gpointer data)
{
    g_autofree Counting *counting = data;
    Intake *intake = counting->intake;
    Answered *answered;
    gsize bytes = 0;

    g_mutex_lock(&intake->mutex);
    answered = g_hash_table_lookup(intake->answered, counting->name);
    if (answered)
        bytes = answered->uncounted;
    if (answered && peer && !intake->is_freed) {
        answered->uncounted = 0;
        windows_count(intake->windows, peer, bytes);
        answered->is_closed = !windows_is_open(intake->windows, peer);
    }
    if (answered && !answered->is_closed)
        g_hash_table_remove(intake->answered, counting->name);
    g_mutex_unlock(&intake->mutex);
    intake_unref(intake);
    g_free(counting->name);
}

/* Runs in the main loop. */
static gboolean
on_uncounted(gpointer data)
{
    Intake *intake = data;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name;

    if (intake->is_freed)
        return G_SOURCE_REMOVE;
    g_mutex_lock(&intake->mutex);
    intake->is_scheduled = FALSE;
    g_hash_table_iter_init(&iter, intake->answered);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, g_strdup(name));
    g_mutex_unlock(&intake->mutex);
    for (guint i = 0; i < names->len; i++) {
        Counting *counting = g_new(Counting, 1);

        *counting = (Counting){g_atomic_rc_box_acquire(intake), names->pdata[i]};
        peers_find(intake->peers, counting->name, on_peer, counting);
    }
    return G_SOURCE_REMOVE;
}

/* With the mutex. */
static void
schedule(Intake *intake)
{
    if (!intake->is_scheduled)
        g_idle_add_full(G_PRIORITY_DEFAULT, on_uncounted, g_atomic_rc_box_acquire(intake),
                        intake_unref);
    intake->is_scheduled = TRUE;
}

void
intake_resume(Intake *intake)
{
    g_mutex_lock(&intake->mutex);
    if (g_hash_table_size(intake->answered) > 0)
        schedule(intake);
    g_mutex_unlock(&intake->mutex);
}

static gboolean
admit(Intake *intake, GDBusMessage *message)
{
    const char *name = g_dbus_message_get_destination(message);
    gsize size = message_size(message);
    Answered *answered;
    gboolean is_admitted;

    g_mutex_lock(&intake->mutex);
    answered = g_hash_table_lookup(intake->answered, name);
    if (!answered) {
        answered = g_new0(Answered, 1);
        answered->name = g_strdup(name);
        g_hash_table_insert(intake->answered, answered->name, answered);
    }
    is_admitted = !answered->is_closed && answered->uncounted + size <= INTAKE_UNCOUNTED_MAX;
    if (is_admitted)
        answered->uncounted += size;
    schedule(intake);
    g_mutex_unlock(&intake->mutex);
    return is_admitted;
}

/* Runs in the main loop. */
static gboolean
on_written(gpointer data)
{
    Intake *intake = data;

    if (!intake->is_freed)
        intake->written(intake->data);
    return G_SOURCE_REMOVE;
}

/* Takes the message. Returns it, or NULL when it is not sent. */
static GDBusMessage *
let_out(Intake *intake, GDBusMessage *message)
{
    GDBusMessageType type = g_dbus_message_get_message_type(message);

    if (windows_has_counted(message)) {
        if (windows_note_written(intake->windows))
            g_idle_add_full(G_PRIORITY_DEFAULT, on_written, g_atomic_rc_box_acquire(intake),
                            intake_unref);
        return message;
    }
    if ((type != G_DBUS_MESSAGE_TYPE_METHOD_RETURN && type != G_DBUS_MESSAGE_TYPE_ERROR) ||
        admit(intake, message))
        return message;
    g_object_unref(message);
    return NULL;
}

/* --- life --- */

static GDBusMessage *
on_message(GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer data)
{
    return is_incoming ? take_in(data, message) : let_out(data, message);
}

Intake *
intake_new(GDBusConnection *connection, Peers *peers, Windows *windows,
           void (*written)(gpointer data), gpointer data)
{
    Intake *intake = g_atomic_rc_box_new0(Intake);

    intake->connection = connection;
    intake->peers = peers;
    intake->windows = windows_ref(windows);
    intake->written = written;
    intake->data = data;
    g_mutex_init(&intake->mutex);
    intake->answered = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, answered_free);
    intake->filter = g_dbus_connection_add_filter(connection, on_message,
                                                  g_atomic_rc_box_acquire(intake), intake_unref);
    return intake;
}

void
intake_free(Intake *intake)
{
    if (!intake)
        return;
    g_dbus_connection_remove_filter(intake->connection, intake->filter);
    intake->is_freed = TRUE;
    intake_unref(intake);
}
