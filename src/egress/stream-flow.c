/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream-flow: bytes between the guest and a server. */
#include <errno.h>
#include <sys/socket.h>

#include "stream.h"

/* --- limits --- */

/* How many bytes the traffic of the policy still allows. */
static gsize
clamp_to_traffic(const Worker *worker, gsize wanted)
{
    guint64 limit = net_rules_traffic(worker->rules);
    guint64 used = worker->traffic.bytes_up + worker->traffic.bytes_down;

    if (limit == 0)
        return wanted;
    return used >= limit ? 0 : (gsize)MIN((guint64)wanted, limit - used);
}

static void
break_off(Stream *stream, int error)
{
    stream_end(stream, REPORT_CLOSE, error, g_strerror(error));
}

gsize
stream_may_pump(Stream *stream, gsize wanted)
{
    Worker *worker = stream->worker;
    gsize clamped = clamp_to_traffic(worker, wanted);
    gsize allowed = bucket_allows(&worker->down, clamped, worker->now);

    if (clamped > 0 && allowed == 0) {
        worker->is_held_down = TRUE;
        worker_wake_at(worker, bucket_next(&worker->down));
    }
    return allowed;
}

gsize
stream_may_push(Stream *stream, gsize wanted)
{
    Worker *worker = stream->worker;
    gsize clamped = clamp_to_traffic(worker, wanted);
    gsize allowed = bucket_allows(&worker->up, clamped, worker->now);

    if (clamped > 0 && allowed == 0) {
        worker->is_held_up = TRUE;
        worker_wake_at(worker, bucket_next(&worker->up));
    }
    return allowed;
}

/* --- to the guest --- */

void
stream_make_ready(Stream *stream)
{
    if (stream->is_ready || stream->credit == 0 || stream->server_ended)
        return;
    if (stream->intercept ? bytes_size(intercept_guest_out(stream->intercept)) == 0
                          : stream->state != STREAM_OPEN || !stream->readable)
        return;
    stream->is_ready = TRUE;
    g_queue_push_tail_link(&stream->worker->ready, &stream->ready_link);
}

static void
take_server_eof(Stream *stream)
{
    stream->readable = FALSE;
    stream->server_ended = TRUE;
    if (!stream->is_lingering)
        guest_port_put_empty(stream->worker->port, stream->number, NET_EOF);
    stream_check_end(stream);
}

void
stream_account_down(Stream *stream, gsize size)
{
    Worker *worker = stream->worker;

    stream->credit -= (guint32)size;
    stream->active = worker->now;
    stream->bytes_down += size;
    worker->traffic.bytes_down += size;
    bucket_spend(&worker->down, size);
}

gboolean
stream_pump(Stream *stream)
{
    Worker *worker = stream->worker;
    gsize allowed;
    gssize size;

    if (stream->intercept)
        return stream_inspect_pump(stream);
    if (!stream->readable || stream->server_ended || stream->credit == 0)
        return FALSE;
    allowed = stream_may_pump(stream, MIN(stream->credit, NET_PAYLOAD_MAX));
    if (allowed == 0)
        return worker->is_held_down;
    size = recv(stream->fd, guest_port_reserve(worker->port, allowed), allowed, MSG_DONTWAIT);
    if (size > 0) {
        guest_port_commit(worker->port, stream->number, (gsize)size);
        stream_account_down(stream, (gsize)size);
        return stream->credit > 0;
    }
    if (size == 0)
        take_server_eof(stream);
    else if (errno == EAGAIN || errno == EINTR)
        stream->readable = errno == EINTR;
    else
        break_off(stream, errno);
    return FALSE;
}

/* --- to the server --- */

void
stream_account_up(Stream *stream, gsize size)
{
    Worker *worker = stream->worker;

    stream->owed += (guint32)size;
    stream->active = worker->now;
    stream->bytes_up += size;
    worker->traffic.bytes_up += size;
    bucket_spend(&worker->up, size);
    if (stream->owed < NET_WINDOW / 4 || stream->is_lingering)
        return;
    guest_port_put_number(worker->port, stream->number, NET_CREDIT, stream->owed);
    stream->window += stream->owed;
    stream->owed = 0;
}

/* Returns how many bytes the server has taken. */
static gsize
send_up(Stream *stream, const guint8 *bytes, gsize size)
{
    gsize allowed;
    gssize sent;

    if (stream->state != STREAM_OPEN || !stream->writable)
        return 0;
    allowed = stream_may_push(stream, size);
    if (allowed == 0)
        return 0;
    sent = send(stream->fd, bytes, allowed, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        stream->writable = FALSE;
    else if (sent < 0 && errno != EINTR)
        break_off(stream, errno);
    if (sent <= 0)
        return 0;
    stream_account_up(stream, (gsize)sent);
    return (gsize)sent;
}

/* Passes the guest's EOF on after its last byte. */
static void
check_shut(Stream *stream)
{
    if (stream->state != STREAM_OPEN || !stream->guest_ended || stream->is_shut ||
        bytes_size(&stream->up) > 0)
        return;
    shutdown(stream->fd, SHUT_WR);
    stream->is_shut = TRUE;
    stream_check_end(stream);
}

void
stream_push(Stream *stream)
{
    gsize sent = 1;

    if (stream->intercept) {
        stream_inspect(stream);
        return;
    }
    while (bytes_size(&stream->up) > 0 && sent > 0) {
        sent = send_up(stream, bytes_peek(&stream->up), bytes_size(&stream->up));
        if (stream->state == STREAM_DEAD)
            return;
        bytes_consume(&stream->up, sent);
    }
    bytes_trim(&stream->up);
    stream_count(stream);
    check_shut(stream);
}

void
stream_push_bytes(Stream *stream, const guint8 *bytes, gsize size)
{
    gboolean is_direct = bytes_size(&stream->up) == 0 && !stream->intercept;
    gsize sent = is_direct ? send_up(stream, bytes, size) : 0;

    if (stream->state == STREAM_DEAD || sent == size)
        return;
    bytes_put(&stream->up, bytes + sent, size - sent);
    stream_count(stream);
    if (stream->intercept)
        stream_inspect(stream);
}

/* --- events --- */

void
stream_take_event(Stream *stream, guint32 events)
{
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        stream->writable = TRUE;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
        stream->readable = TRUE;
    if (stream->state == STREAM_PROXY && stream->readable)
        stream_read_proxy(stream);
    if (stream->state != STREAM_OPEN)
        return;
    stream_push(stream);
    if (stream->state == STREAM_OPEN)
        stream_make_ready(stream);
}
