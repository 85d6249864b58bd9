/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream: the guest's frames. */
#include "stream.h"

#include <errno.h>
#include <string.h>

/* --- life --- */

static Stream *
new_stream(Worker *worker, guint32 number, const char *host, guint16 port)
{
    Stream *stream = g_new0(Stream, 1);

    stream->worker = worker;
    stream->number = number;
    stream->host = g_strdup(host);
    stream->port = port;
    stream->fd = -1;
    stream->ready_link.data = stream;
    stream->credit = stream->window = NET_WINDOW;
    stream->began = stream->active = worker->now;
    bytes_init(&stream->up, NET_WINDOW);
    dial_init(&stream->dial);
    g_hash_table_insert(worker->streams, GUINT_TO_POINTER(number), stream);
    worker->alive++;
    return stream;
}

/* --- lookups --- */

static void
answer_lookup(Stream *stream, int status)
{
    guest_port_put_number(stream->worker->port, stream->number, NET_FOUND, (guint32)status);
    stream_end(stream, REPORT_CLOSE, /* error= */ 0, /* reason= */ NULL);
}

static void
refuse_lookup(Stream *stream, const char *reason)
{
    const ReportEvent event = {.kind = REPORT_REFUSED, .host = stream->host, .reason = reason};

    stream->worker->traffic.refused++;
    report_event(stream->worker->report, &event, stream->worker->now);
    answer_lookup(stream, EACCES);
}

static void
on_looked_up(const NamesAnswer *answer, gpointer data)
{
    answer_lookup(data, -answer->status);
}

void
stream_lookup(Worker *worker, guint32 number, const char *host)
{
    Stream *stream = new_stream(worker, number, host, /* port= */ 0);
    NetVerdict verdict;

    stream->state = STREAM_LOOKUP;
    stream->name = net_name_canonical(host);
    worker->traffic.lookups++;
    if (!bucket_take(&worker->lookups, worker->now)) {
        answer_lookup(stream, EAGAIN);
        return;
    }
    if (!stream->name) {
        answer_lookup(stream, ENOENT);
        return;
    }
    verdict = net_rules_judge_lookup(worker->rules, stream->name);
    if (worker->is_exhausted)
        refuse_lookup(stream, "the traffic is used up");
    else if (!verdict.is_allowed)
        refuse_lookup(stream, verdict.rule);
    else if (worker->proxy.host)
        answer_lookup(stream, 0);
    else
        names_ask(worker->names, stream->name, worker->now, on_looked_up, stream);
}

/* --- opening --- */

/* FALSE: the stream was refused. */
static gboolean
is_within_limits(Stream *stream)
{
    Worker *worker = stream->worker;
    guint64 limit = net_rules_connections(worker->rules);

    if (limit == 0)
        limit = NET_CONNECTIONS_MAX;
    if (worker->is_exhausted)
        stream_end(stream, REPORT_REFUSED, EACCES, "the traffic is used up");
    else if (worker->traffic.open > limit)
        stream_end(stream, REPORT_REFUSED, EMFILE, "too many connections at once");
    else if (!bucket_take(&worker->opens, worker->now))
        stream_end(stream, REPORT_REFUSED, EAGAIN, "too many new connections in a second");
    else
        return TRUE;
    return FALSE;
}

/* FALSE: the stream was refused. */
static gboolean
take_target(Stream *stream)
{
    stream->has_address = net_address_parse(stream->host, &stream->address);
    if (stream->has_address)
        return TRUE;
    stream->name = net_name_canonical(stream->host);
    if (!stream->name)
        stream_end(stream, REPORT_REFUSED, EACCES, "it is not the name of a host");
    return stream->name != NULL;
}

void
stream_open(Worker *worker, guint32 number, const NetRequest *request)
{
    Stream *stream = new_stream(worker, number, request->host, request->port);
    NetVerdict verdict;

    stream->state = STREAM_GREETING;
    worker->traffic.open++;
    if (!is_within_limits(stream) || !take_target(stream))
        return;
    verdict = stream_judge(stream);
    if (!verdict.is_allowed) {
        stream_end(stream, REPORT_REFUSED, EACCES, verdict.rule);
        return;
    }
    stream->protocol = verdict.protocol;
    stream->is_listed = verdict.is_listed;
    stream->rule = g_strdup(verdict.rule);
    stream_set_deadline(stream, worker->now + STREAM_GREETING_US);
    if (verdict.protocol == NET_TCP)
        stream_seek(stream);
    else if (verdict.protocol != NET_TLS && !stream_inspect_begin(stream))
        stream_end(stream, REPORT_REFUSED, EACCES, "its requests cannot be inspected");
}

static gboolean
needs_secrets(const Stream *stream)
{
    g_autoptr(GPtrArray) secrets =
        stream->protocol == NET_INSPECT
            ? secrets_find(stream->worker->secrets, stream->name, stream->port)
            : NULL;

    return stream->has_secrets || secrets != NULL;
}

/* The secrets of an inspected connection are those of its begin. */
void
stream_judge_again(Stream *stream)
{
    NetVerdict verdict;

    if (stream->state == STREAM_LOOKUP || stream->state == STREAM_DEAD ||
        stream->state == STREAM_ENDING)
        return;
    verdict = stream_judge(stream);
    if (!verdict.is_allowed)
        stream_end(stream, REPORT_REFUSED, EACCES, verdict.rule);
    else if (verdict.protocol != stream->protocol || needs_secrets(stream) ||
             !stream_greeting_fits(stream, &verdict))
        stream_end(stream, REPORT_REFUSED, EACCES, "the rules demand another treatment now");
    else
        stream->is_listed = verdict.is_listed;
}

/* --- further frames --- */

const char *
stream_take_data(Stream *stream, const guint8 *bytes, gsize size)
{
    if (stream->state == STREAM_LOOKUP)
        return "the guest has sent bytes on a lookup";
    if (stream->is_lingering)
        return NULL;
    if (size == 0 || stream->guest_ended)
        return "the guest has sent an empty DATA, or one after EOF";
    if (size > stream->window)
        return "the guest has sent more than its window";
    stream->window -= (guint32)size;
    stream->active = stream->worker->now;
    if (stream->state == STREAM_ENDING)
        return NULL;
    stream_push_bytes(stream, bytes, size);
    if (stream->state == STREAM_GREETING)
        stream_read_greeting(stream);
    return NULL;
}

const char *
stream_take_eof(Stream *stream)
{
    if (stream->state == STREAM_LOOKUP)
        return "the guest has ended a lookup";
    if (stream->is_lingering)
        return NULL;
    if (stream->guest_ended)
        return "the guest has sent EOF twice";
    stream->guest_ended = TRUE;
    if (stream->state == STREAM_GREETING)
        stream_read_greeting(stream);
    if (stream->state == STREAM_OPEN || stream->intercept)
        stream_push(stream);
    stream_check_end(stream);
    return NULL;
}

const char *
stream_take_credit(Stream *stream, guint32 bytes)
{
    if (stream->state == STREAM_LOOKUP)
        return "the guest has given credit for a lookup";
    if (bytes == 0 || bytes > NET_WINDOW - stream->credit)
        return "the guest has given credit for bytes that it has not got";
    stream->credit += bytes;
    stream->active = stream->worker->now;
    stream_make_ready(stream);
    return NULL;
}

void
stream_take_reset(Stream *stream)
{
    if (!stream->is_lingering)
        stream_end(stream, REPORT_CLOSE, /* error= */ 0, "reset by the guest");
}

/* --- time --- */

void
stream_expire(Stream *stream)
{
    gint64 idle_at = stream->active + STREAM_IDLE_US;

    if (stream->state == STREAM_CONNECTING && stream->dial.next_at != 0 &&
        stream->dial.next_at <= stream->worker->now)
        stream_dial(stream);
    if (stream->deadline == 0 || stream->deadline > stream->worker->now)
        return;
    if (stream->is_lingering)
        stream_end(stream, REPORT_CLOSE, 0, "the server did not take the last bytes");
    else if (stream->state == STREAM_ENDING)
        stream_end(stream, REPORT_REFUSED, ECONNRESET, NULL);
    else if (stream->state == STREAM_GREETING)
        stream_end(stream, REPORT_REFUSED, EACCES, "the guest did not send what the rules demand");
    else if (stream->state != STREAM_OPEN)
        stream_fail_upstream(stream, REPORT_FAILED, ETIMEDOUT, "the server did not answer in time");
    else if (stream->is_hurried)
        stream_end(stream, REPORT_CLOSE, ETIMEDOUT, "a greeting or a request took too long");
    else if (idle_at <= stream->worker->now)
        stream_end(stream, REPORT_CLOSE, ETIMEDOUT, "idle for too long");
    else
        stream_set_deadline(stream, idle_at);
}
