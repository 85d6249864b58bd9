/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream-end: how streams end, and what is reported of them. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

void
stream_set_deadline(Stream *stream, gint64 when)
{
    stream->deadline = when;
    worker_wake_at(stream->worker, when);
}

void
stream_free(Stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    dial_clear(&stream->dial);
    bytes_clear(&stream->up);
    intercept_free(stream->intercept);
    if (stream->proxy_head)
        g_string_free(stream->proxy_head, TRUE);
    g_free(stream->host);
    g_free(stream->name);
    g_free(stream->rule);
    g_free(stream->refusal);
    g_free(stream->sni);
    g_free(stream);
}

/* The guest may use the number no longer. */
static void
end_for_guest(Stream *stream)
{
    if (!stream->is_lingering)
        stream->worker->alive--;
    stream->is_lingering = TRUE;
}

/* A request that is in progress is reported. */
static void
free_queues(Stream *stream)
{
    g_clear_pointer(&stream->intercept, intercept_free);
    bytes_clear(&stream->up);
    stream_count(stream);
}

static void
close_socket(Stream *stream)
{
    Worker *worker = stream->worker;

    if (stream->fd < 0)
        return;
    epoll_ctl(worker->epoll, EPOLL_CTL_DEL, stream->fd, /* event= */ NULL);
    closing_take(worker->closing, stream->fd, stream->is_shut);
    stream->fd = -1;
}

static void
kill_stream(Stream *stream)
{
    Worker *worker = stream->worker;

    end_for_guest(stream);
    names_forget(worker->names, stream);
    if (stream->is_ready)
        g_queue_unlink(&worker->ready, &stream->ready_link);
    stream->is_ready = FALSE;
    if (stream->state != STREAM_LOOKUP)
        worker->traffic.open--;
    free_queues(stream);
    dial_clear(&stream->dial);
    close_socket(stream);
    stream->state = STREAM_DEAD;
    g_hash_table_remove(worker->streams, GUINT_TO_POINTER(stream->number));
    g_ptr_array_add(worker->dead, stream);
}

/* --- reports --- */

void
stream_describe(const Stream *stream, ReportEvent *event, char address[NET_ADDRESS_TEXT_MAX])
{
    event->host = stream->host;
    event->port = stream->port;
    if (stream->has_address) {
        net_address_write(&stream->address, address);
        event->address = address;
    }
    event->protocol = stream->rule ? net_protocol_name(stream->protocol) : NULL;
    event->rule = stream->rule;
    event->sni = stream->sni;
    event->bytes_up = stream->bytes_up;
    event->bytes_down = stream->bytes_down;
    event->duration_us = (guint64)(stream->worker->now - stream->began);
}

static void
report(Stream *stream, ReportKind kind, const char *reason)
{
    EgressTraffic *traffic = &stream->worker->traffic;
    ReportEvent event = {.kind = kind, .reason = reason};
    char address[NET_ADDRESS_TEXT_MAX];

    if (stream->state == STREAM_LOOKUP || stream->state == STREAM_DEAD)
        return;
    if (kind == REPORT_REFUSED)
        traffic->refused++;
    if (kind == REPORT_FAILED)
        traffic->failed++;
    stream_describe(stream, &event, address);
    report_event(stream->worker->report, &event, stream->worker->now);
}

/* --- ends --- */

void
stream_end(Stream *stream, ReportKind kind, int error, const char *reason)
{
    gboolean has_answer = stream->state == STREAM_ENDING; /* it was reported then */

    if (stream->state == STREAM_DEAD)
        return;
    free_queues(stream);
    if (!has_answer)
        report(stream, kind, reason);
    if (error != 0 && !stream->is_lingering)
        guest_port_put_number(stream->worker->port, stream->number, NET_RESET, (guint32)error);
    kill_stream(stream);
}

void
stream_end_softly(Stream *stream, ReportKind kind, const char *reason)
{
    Worker *worker = stream->worker;

    free_queues(stream);
    report(stream, kind, reason);
    stream->state = STREAM_ENDING;
    guest_port_put_empty(worker->port, stream->number, NET_EOF);
    stream->server_ended = TRUE;
    stream_set_deadline(stream, worker->now + STREAM_ENDING_US);
    stream_check_end(stream);
}

void
stream_refuse(Stream *stream, const guint8 *answer, gsize size, const char *reason)
{
    guest_port_put_data(stream->worker->port, stream->number, answer, size);
    stream_account_down(stream, size);
    stream_end_softly(stream, REPORT_REFUSED, reason);
}

/* The last bytes of the guest may still wait for the server. */
static void
linger(Stream *stream)
{
    Worker *worker = stream->worker;

    if (stream->is_lingering)
        return;
    end_for_guest(stream);
    if (g_hash_table_size(worker->streams) - worker->alive > WORKER_LINGERING_MAX)
        stream_end(stream, REPORT_CLOSE, /* error= */ 0, "too many connections send last bytes");
    else
        stream_set_deadline(stream, worker->now + STREAM_LINGER_US);
}

void
stream_check_end(Stream *stream)
{
    if (stream->state == STREAM_DEAD || !stream->guest_ended || !stream->server_ended)
        return;
    if (stream->state == STREAM_ENDING || stream->is_shut)
        stream_end(stream, REPORT_CLOSE, /* error= */ 0, /* reason= */ NULL);
    else
        linger(stream);
}
