/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* egress: the connection to cloche-egress, and its events. */
#include "egress.h"

#include <unistd.h>

#include "closer.h"
#include "egress-private.h"

/* Between attempts to connect. */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000

static void connect_later(Egress *egress);

/* --- events --- */

static gboolean
take_lost(const Egress *egress, const EgressHead *head, const uint8_t *payload)
{
    g_autofree char *reason = egress_read_text(head, payload);

    if (!reason)
        return FALSE;
    egress->events->lost(head->id, reason, egress->events_data);
    return TRUE;
}

static gboolean
take_event(Egress *egress, const EgressHead *head, const uint8_t *payload)
{
    if (head->type == EGRESS_READY && !egress->is_ready) {
        egress->is_ready = TRUE;
        egress->pause_ms = PAUSE_MIN_MS;
        egress->events->connected(egress->events_data);
        egress_calls_flush(egress);
        return TRUE;
    }
    if (head->type == EGRESS_LOST && egress->is_ready)
        return take_lost(egress, head, payload);
    if (head->type != EGRESS_EXHAUSTED || !egress->is_ready)
        return FALSE;
    egress->events->exhausted(head->id, egress->events_data);
    return TRUE;
}

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    Egress *egress = data;
    const uint8_t *payload;
    EgressHead head;

    if (fd >= 0)
        closer_close(fd);
    if (!egress_unpack(packet, size, fd >= 0, /* from_cloched= */ FALSE, &head, &payload)) {
        g_warning("cloche-egress violated the protocol");
        return FALSE;
    }
    return head.serial == 0 ? take_event(egress, &head, payload)
                            : egress->is_ready && egress_calls_answer(egress, &head, payload);
}

/* --- the connection --- */

static void
on_closed(gpointer data)
{
    Egress *egress = data;
    gboolean was_ready = egress->is_ready;

    egress->is_ready = FALSE;
    g_clear_pointer(&egress->socket, packet_socket_free);
    egress_calls_lose(egress);
    if (was_ready) {
        g_warning("The connection to cloche-egress was lost: sandboxes have no network now");
        egress->events->disconnected(egress->events_data);
    }
    connect_later(egress);
}

void
egress_drop(Egress *egress)
{
    if (egress->socket)
        on_closed(egress);
}

static void connect_now(Egress *egress);

static void
on_installed(gpointer data)
{
    Egress *egress = data;

    g_clear_pointer(&egress->wait, path_wait_free);
    connect_now(egress);
}

/* Without a watch, the next request finds what was installed. */
static void
wait_for_installation(Egress *egress)
{
    g_autoptr(GError) error = NULL;

    if (egress->wait)
        return;
    egress->wait = path_wait_new(service_peer_path(egress->peer), on_installed, egress, &error);
    if (!egress->wait)
        g_warning("%s", error->message);
}

static void
connect_now(Egress *egress)
{
    static const PacketSocketEvents events = {on_packet, on_closed};
    g_autoptr(GError) error = NULL;
    gboolean was_missing = egress->is_missing;
    int fd = service_peer_connect(egress->peer, &egress->is_missing, &error);

    if (fd >= 0 || !egress->is_missing)
        g_clear_pointer(&egress->wait, path_wait_free);
    if (fd >= 0) {
        egress->is_missing = FALSE;
        egress->socket = packet_socket_new(fd, EGRESS_PACKET_MAX, &events, egress);
        return;
    }
    if (!egress->is_missing && (was_missing || egress->pause_ms == PAUSE_MIN_MS))
        g_warning("%s", error->message);
    if (!egress->is_missing) {
        connect_later(egress);
        return;
    }
    wait_for_installation(egress);
    egress_calls_fail_waiting(egress);
}

static gboolean
on_pause_over(gpointer data)
{
    Egress *egress = data;

    egress->timer = 0;
    connect_now(egress);
    return G_SOURCE_REMOVE;
}

static void
connect_later(Egress *egress)
{
    egress->timer = g_timeout_add(egress->pause_ms, on_pause_over, egress);
    egress->pause_ms = MIN(egress->pause_ms * 2, PAUSE_MAX_MS);
}

void
egress_try_again(Egress *egress)
{
    if (egress->is_missing && !egress->is_closing)
        connect_now(egress);
}

gboolean
egress_is_missing(Egress *egress)
{
    egress_try_again(egress);
    return egress->is_missing;
}

/* --- life --- */

Egress *
egress_open(const EgressAccess *access)
{
    const ServiceAccess service = {.name = "cloche-egress",
                                   .socket = access->socket,
                                   .argv = access->argv,
                                   .descriptor_option = "--child="};
    Egress *egress = g_new0(Egress, 1);

    egress->peer = service_peer_new(&service);
    egress->pause_ms = PAUSE_MIN_MS;
    egress->sent = g_hash_table_new(NULL, NULL);
    g_queue_init(&egress->waiting);
    return egress;
}

void
egress_start(Egress *egress, const EgressEvents *events, gpointer data)
{
    egress->events = events;
    egress->events_data = data;
    connect_now(egress);
}

void
egress_close(Egress *egress)
{
    if (!egress)
        return;
    egress->is_closing = TRUE;
    egress->is_ready = FALSE;
    g_clear_handle_id(&egress->timer, g_source_remove);
    g_clear_pointer(&egress->wait, path_wait_free);
    g_clear_pointer(&egress->socket, packet_socket_free);
    egress_calls_lose(egress);
    egress_calls_fail_waiting(egress);
    service_peer_free(egress->peer);
    g_hash_table_unref(egress->sent);
    g_free(egress);
}
