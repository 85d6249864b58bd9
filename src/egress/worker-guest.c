/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-guest: the frames of the guest, and the turns of its streams. */
#include <errno.h>

#include "stream.h"

/* Pieces of at most NET_PAYLOAD_MAX bytes in one step. */
#define PIECES_MAX 16u

/* --- frames --- */

static const char *
begin_stream(Worker *worker, const WireHeader *header, const guint8 *payload)
{
    gboolean is_lookup = header->type == (guint8)NET_LOOKUP;
    NetRequest request;
    int r = is_lookup ? net_lookup_get(payload, header->length, &request)
                      : net_open_get(payload, header->length, &request);

    if (header->stream <= worker->last_number)
        return "the guest has used the number of a stream twice";
    if (r < 0)
        return "the guest has sent a malformed request";
    if (worker->alive >= NET_STREAMS_MAX)
        return "the guest has too many streams";
    worker->last_number = header->stream;
    if (is_lookup)
        stream_lookup(worker, header->stream, request.host);
    else
        stream_open(worker, header->stream, &request);
    return NULL;
}

static const char *
take_credit(Stream *stream, const WireHeader *header, const guint8 *payload)
{
    guint32 bytes;

    if (net_number_get(payload, header->length, &bytes) < 0)
        return "the guest has sent a malformed CREDIT";
    return stream->is_lingering ? NULL : stream_take_credit(stream, bytes);
}

static const char *
take_reset(Stream *stream, const WireHeader *header, const guint8 *payload)
{
    guint32 error;

    if (net_number_get(payload, header->length, &error) < 0)
        return "the guest has sent a malformed RESET";
    stream_take_reset(stream);
    return NULL;
}

/* Frames of a stream that has ended may have crossed its end. */
static const char *
go_on(Worker *worker, const WireHeader *header, const guint8 *payload)
{
    Stream *stream = g_hash_table_lookup(worker->streams, GUINT_TO_POINTER(header->stream));

    if (header->stream > worker->last_number)
        return "the guest has not opened this stream";
    if (!stream)
        return NULL;
    switch ((NetType)header->type) {
    case NET_DATA:
        return stream_take_data(stream, payload, header->length);
    case NET_EOF:
        return header->length > 0 ? "the guest has sent a malformed EOF" : stream_take_eof(stream);
    case NET_CREDIT:
        return take_credit(stream, header, payload);
    default:
        return take_reset(stream, header, payload);
    }
}

static const char *
on_frame(const WireHeader *header, const guint8 *payload, gpointer data)
{
    switch ((NetType)header->type) {
    case NET_LOOKUP:
    case NET_OPEN:
        return begin_stream(data, header, payload);
    case NET_DATA:
    case NET_EOF:
    case NET_CREDIT:
    case NET_RESET:
        return go_on(data, header, payload);
    default:
        return "the guest has sent a frame of an unknown type";
    }
}

/* --- the port --- */

static void
end_streams(Worker *worker, const char *reason)
{
    g_autoptr(GList) streams = g_hash_table_get_values(worker->streams);

    for (GList *l = streams; l; l = l->next)
        stream_end(l->data, REPORT_CLOSE, /* error= */ 0, reason);
}

void
worker_guest_connect(Worker *worker, int fd)
{
    end_streams(worker, "the guest's connection was replaced or has ended");
    g_clear_pointer(&worker->port, guest_port_free);
    worker->last_number = 0;
    worker->port_events = 0;
    if (fd < 0)
        return;
    worker->port = guest_port_new(fd, on_frame, worker);
    worker_watch(worker, fd, WORKER_PORT, 0, 0);
}

void
worker_guest_receive(Worker *worker)
{
    const char *reason = NULL;
    GuestPortInput input = guest_port_receive(worker->port, &reason);

    if (input == GUEST_PORT_BROKEN)
        worker_fail(worker, reason);
    else if (input == GUEST_PORT_ENDED)
        worker_guest_connect(worker, /* fd= */ -1);
}

static gint
compare_waiting(gconstpointer a, gconstpointer b)
{
    const Stream *first = a, *second = b;

    return (first->counted_up < second->counted_up) - (first->counted_up > second->counted_up);
}

void
worker_guest_check_pause(Worker *worker)
{
    g_autoptr(GList) streams = NULL;

    if (worker->pause_end == 0 || worker->pause_end > worker->now)
        return;
    worker->pause_end = 0;
    streams = g_list_sort(g_hash_table_get_values(worker->streams), compare_waiting);
    for (GList *l = streams; l && worker->waiting > WORKER_WAITING_MAX / 2; l = l->next)
        stream_end(l->data, REPORT_CLOSE, ENOBUFS, "too many bytes wait for servers");
}

static void
note_pause(Worker *worker)
{
    if (worker->waiting < WORKER_WAITING_MAX)
        worker->pause_end = 0;
    else if (worker->pause_end == 0)
        worker->pause_end = worker->now + WORKER_PAUSE_US;
    worker_wake_at(worker, worker->pause_end);
}

/* Nothing is read from a guest that does not read, or whose bytes wait for servers. */
static void
watch_port(Worker *worker)
{
    gsize waiting = guest_port_waiting(worker->port);
    guint32 events =
        (waiting > 0 ? EPOLLOUT : 0u) |
        (waiting < GUEST_PORT_QUEUE_MAX && worker->waiting < WORKER_WAITING_MAX ? EPOLLIN : 0u);
    struct epoll_event event = {.events = events, .data.u64 = (guint64)WORKER_PORT << 56};

    note_pause(worker);
    if (events == worker->port_events)
        return;
    epoll_ctl(worker->epoll, EPOLL_CTL_MOD, guest_port_fd(worker->port), &event);
    worker->port_events = events;
}

/* Each stream moves one piece in its turn. */
static void
pump(Worker *worker)
{
    worker->is_held_down = FALSE;
    for (guint i = 0; i < PIECES_MAX && worker->ready.length > 0 && !worker->is_held_down &&
                      guest_port_room(worker->port) > 0;
         i++) {
        Stream *stream = g_queue_pop_head_link(&worker->ready)->data;

        stream->is_ready = FALSE;
        if (stream_pump(stream))
            stream_make_ready(stream);
    }
}

gboolean
worker_guest_go_on(Worker *worker)
{
    if (!worker->port)
        return FALSE;
    pump(worker);
    if (!guest_port_flush(worker->port)) {
        worker_guest_connect(worker, /* fd= */ -1);
        return FALSE;
    }
    watch_port(worker);
    return worker->ready.length > 0 && !worker->is_held_down && guest_port_room(worker->port) > 0;
}
