/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream-inspect: connections whose requests are read, between the guest, intercept.h and the
 * server. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

/* --- the begin --- */

static void
on_request(const HttpFacts *facts, gpointer data)
{
    Stream *stream = data;
    ReportEvent event = {.kind = REPORT_REQUEST};
    char address[NET_ADDRESS_TEXT_MAX];

    stream->worker->traffic.requests++;
    stream_describe(stream, &event, address);
    event.method = facts->method;
    event.path = facts->path;
    event.status = facts->status;
    event.bytes_up = facts->bytes_up;
    event.bytes_down = facts->bytes_down;
    event.reason = facts->failure;
    report_event(stream->worker->report, &event, stream->worker->now);
}

gboolean
stream_inspect_begin(Stream *stream)
{
    Worker *worker = stream->worker;
    gboolean tls = stream->protocol == NET_INSPECT;
    g_autoptr(GPtrArray) secrets =
        tls && stream->name ? secrets_find(worker->secrets, stream->name, stream->port) : NULL;
    char address[NET_ADDRESS_TEXT_MAX] = "";
    InterceptOptions options = {.authority = worker->authority, .trust = worker->trust};

    if (tls && (!stream->name || !worker->authority || !worker->trust ||
                !authority_permits(worker->authority, stream->name)))
        return FALSE;
    if (!stream->name)
        net_address_write(&stream->address, address);
    options.relay = (HttpRelayOptions){
        .host = stream->name ? stream->name : address,
        .port = stream->port,
        .tls = tls,
        .allow_upgrade = TRUE,
        .via_proxy = worker->proxy.host && !tls,
        .secrets = secrets,
        .on_request = on_request,
        .data = stream,
    };
    stream->intercept = intercept_new(&options);
    stream->has_secrets = secrets != NULL;
    return TRUE;
}

/* --- memory --- */

void
stream_count(Stream *stream)
{
    Worker *worker = stream->worker;
    gsize up = bytes_size(&stream->up), down = 0;

    if (stream->intercept) {
        up += bytes_size(intercept_guest_in(stream->intercept)) +
              bytes_size(intercept_upstream_out(stream->intercept));
        down = bytes_size(intercept_guest_out(stream->intercept)) +
               bytes_size(intercept_upstream_in(stream->intercept));
    }
    worker->waiting += up - stream->counted_up;
    worker->held += down - stream->counted_down;
    stream->counted_up = up;
    stream->counted_down = down;
}

/* --- the guest's side --- */

static void
feed(Stream *stream)
{
    Bytes *in = intercept_guest_in(stream->intercept);
    gsize wanted = MIN(bytes_size(&stream->up), bytes_room(in));
    gsize allowed = wanted > 0 ? stream_may_push(stream, wanted) : 0;

    if (allowed > 0) {
        bytes_move(&stream->up, in, allowed);
        bytes_trim(&stream->up);
        stream_account_up(stream, allowed);
    }
    if (stream->guest_ended && bytes_size(&stream->up) == 0)
        in->ended = TRUE;
}

gboolean
stream_inspect_pump(Stream *stream)
{
    Worker *worker = stream->worker;
    Bytes *out = intercept_guest_out(stream->intercept);
    gsize wanted = MIN(MIN(bytes_size(out), stream->credit), NET_PAYLOAD_MAX);
    gsize allowed = wanted > 0 ? stream_may_pump(stream, wanted) : 0;

    if (allowed == 0)
        return worker->is_held_down;
    guest_port_put_data(worker->port, stream->number, bytes_peek(out), allowed);
    bytes_consume(out, allowed);
    stream_account_down(stream, allowed);
    stream_inspect(stream); /* a queue has room now */
    return stream->state != STREAM_DEAD;
}

/* --- the server's side --- */

static void
close_server(Stream *stream)
{
    names_forget(stream->worker->names, stream);
    dial_clear(&stream->dial);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    stream->readable = stream->writable = FALSE;
    if (stream->state != STREAM_GREETING)
        stream->state = STREAM_OPEN;
}

void
stream_inspect_fail(Stream *stream, const char *reason)
{
    close_server(stream);
    intercept_upstream_failed(stream->intercept, reason);
}

/* A connection that has some bytes leaves room to others. */
static gboolean
may_receive(const Stream *stream)
{
    return stream->worker->held < WORKER_HELD_MAX || stream->counted_down < BUCKET_QUANTUM;
}

static gboolean
can_receive(const Stream *stream)
{
    const Bytes *in = intercept_upstream_in(stream->intercept);

    return stream->fd >= 0 && stream->state == STREAM_OPEN && stream->readable && !in->ended &&
           bytes_room(in) > 0 && may_receive(stream);
}

static void
receive(Stream *stream)
{
    Bytes *in = intercept_upstream_in(stream->intercept);
    gsize room = bytes_room(in);
    gssize size;

    if (!can_receive(stream))
        return;
    size = recv(stream->fd, bytes_reserve(in, room), room, MSG_DONTWAIT);
    if (size > 0)
        bytes_commit(in, (gsize)size);
    else if (size == 0)
        in->ended = TRUE;
    else if (errno == EAGAIN || errno == EINTR)
        stream->readable = errno == EINTR;
    else
        stream_inspect_fail(stream, g_strerror(errno));
}

static gboolean
transmit(Stream *stream)
{
    Bytes *out = intercept_upstream_out(stream->intercept);
    gssize size;

    if (stream->fd < 0 || stream->state != STREAM_OPEN || !stream->writable)
        return FALSE;
    if (bytes_at_end(out) && !stream->is_shut) {
        shutdown(stream->fd, SHUT_WR);
        stream->is_shut = TRUE;
    }
    if (bytes_size(out) == 0)
        return FALSE;
    size = send(stream->fd, bytes_peek(out), bytes_size(out), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        stream->writable = errno == EINTR;
        return FALSE;
    }
    if (size < 0)
        stream_inspect_fail(stream, g_strerror(errno));
    else
        bytes_consume(out, (gsize)size);
    return TRUE;
}

/* --- turns --- */

static void
set_time_limit(Stream *stream, InterceptState state)
{
    gboolean hurries = state == INTERCEPT_GREETING ||
                       (state == INTERCEPT_HEAD && (!intercept_is_idle(stream->intercept) ||
                                                    stream->state == STREAM_GREETING));

    if (stream->state != STREAM_OPEN && stream->state != STREAM_GREETING)
        return;
    if (hurries && !stream->is_hurried)
        stream_set_deadline(stream, stream->worker->now + STREAM_GREETING_US);
    else if (!hurries && stream->is_hurried)
        stream_set_deadline(stream, stream->worker->now + STREAM_IDLE_US);
    stream->is_hurried = hurries;
}

static void
finish(Stream *stream, InterceptState state)
{
    const char *failure = stream->refusal ? stream->refusal : intercept_failure(stream->intercept);
    gboolean was_refused = failure && (stream->refusal || !stream->was_open);

    if (state == INTERCEPT_BROKEN)
        stream_end(stream, REPORT_CLOSE, ECONNRESET, failure);
    else
        stream_end_softly(stream, was_refused ? REPORT_REFUSED : REPORT_CLOSE, failure);
}

/* A turn may have made room. */
static gboolean
can_go_on(const Stream *stream)
{
    return can_receive(stream) ||
           (bytes_size(&stream->up) > 0 && !stream->worker->is_held_up &&
            !stream->worker->is_exhausted && bytes_room(intercept_guest_in(stream->intercept)) > 0);
}

static InterceptState
turn(Stream *stream)
{
    InterceptState state;
    gboolean moved;

    do {
        feed(stream);
        receive(stream);
        state = intercept_turn(stream->intercept);
        moved = transmit(stream);
        stream_count(stream);
    } while (moved || can_go_on(stream));
    return state;
}

void
stream_inspect(Stream *stream)
{
    InterceptState state = turn(stream);
    gboolean has_ended = state == INTERCEPT_ENDED || state == INTERCEPT_BROKEN;

    if (has_ended)
        close_server(stream);
    set_time_limit(stream, state);
    if (has_ended && bytes_size(intercept_guest_out(stream->intercept)) == 0)
        finish(stream, state);
    else if (stream->state == STREAM_GREETING && intercept_wants_upstream(stream->intercept))
        stream_seek(stream);
    if (stream->state != STREAM_DEAD)
        stream_make_ready(stream);
}
