/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker: the network of one sandbox: its events and times. */
#include "worker.h"

#include <errno.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

#define EVENTS_MAX 64
#define TRIM_US G_USEC_PER_SEC

/* --- life --- */

Worker *
worker_new(const char *id, int control, int journal, const WorkerWorld *world, TlsTrust *trust)
{
    Worker *worker = g_new0(Worker, 1);
    gint64 now = g_get_monotonic_time();

    worker->id = g_strdup(id);
    worker->control = control;
    worker->world = *world;
    worker->now = now;
    worker->next_port = -1;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->streams = g_hash_table_new(NULL, NULL);
    worker->dead = g_ptr_array_new_with_free_func((GDestroyNotify)stream_free);
    worker->closing = closing_new();
    g_queue_init(&worker->ready);
    worker->rules = net_rules_new();
    worker->secrets = secrets_new();
    worker->trust = trust ? tls_trust_ref(trust) : NULL;
    worker->names = names_new();
    worker->report = report_new(journal);
    report_set_sandbox(worker->report, id, /* owner= */ 0);
    bucket_init(&worker->opens, WORKER_OPENS_PER_S, WORKER_OPENS_BURST, now);
    bucket_init(&worker->lookups, WORKER_LOOKUPS_PER_S, WORKER_LOOKUPS_BURST, now);
    worker_watch(worker, control, WORKER_CONTROL, 0, 0);
    return worker;
}

void
worker_free(Worker *worker)
{
    worker_guest_connect(worker, /* fd= */ -1);
    if (worker->next_port >= 0)
        close(worker->next_port);
    g_ptr_array_unref(worker->dead);
    closing_free(worker->closing);
    g_hash_table_unref(worker->streams);
    net_rules_free(worker->rules);
    secrets_free(worker->secrets);
    authority_unref(worker->authority);
    tls_trust_unref(worker->trust);
    names_free(worker->names);
    report_free(worker->report);
    close(worker->control);
    close(worker->epoll);
    g_free(worker->proxy.host);
    g_free(worker->id);
    g_free(worker);
}

void
worker_fail(Worker *worker, const char *reason)
{
    guint8 packet[sizeof(EgressHead) + 4 + EGRESS_TEXT_MAX];
    EgressHead head;
    WireWriter w;

    egress_head_init(&head, EGRESS_LOST, worker->id, /* serial= */ 0);
    egress_begin(&w, packet, sizeof packet);
    wire_put_string(&w, reason);
    send(worker->control, packet, egress_end(&w, &head), MSG_NOSIGNAL);
    worker->is_over = TRUE;
}

/* --- events --- */

/* Sockets of servers are watched for edges, because nothing is read while the guest gives no
 * credit. */
void
worker_watch(Worker *worker, int fd, WorkerSource source, guint slot, guint32 number)
{
    struct epoll_event event = {
        .events = EPOLLIN,
        .data.u64 = (guint64)source << 56 | (guint64)slot << 48 | number,
    };

    if (source == WORKER_SOCKET)
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    else if (source == WORKER_ATTEMPT)
        event.events = EPOLLOUT | EPOLLET;
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        epoll_ctl(worker->epoll, EPOLL_CTL_MOD, fd, &event);
}

static void
dispatch(Worker *worker, const struct epoll_event *event)
{
    guint slot = (guint)(event->data.u64 >> 48) & 0xff;
    gpointer number = GUINT_TO_POINTER((guint32)event->data.u64);
    Stream *stream = g_hash_table_lookup(worker->streams, number);

    switch ((WorkerSource)(event->data.u64 >> 56)) {
    case WORKER_CONTROL:
        worker_control_receive(worker);
        break;
    case WORKER_PORT:
        if (worker->port && event->events & ~(guint32)EPOLLOUT)
            worker_guest_receive(worker);
        break;
    case WORKER_RESOLVER:
        if (names_fd(worker->names) >= 0)
            names_receive(worker->names, worker->now);
        break;
    case WORKER_SOCKET:
        if (stream)
            stream_take_event(stream, event->events);
        break;
    case WORKER_ATTEMPT:
        if (stream)
            stream_take_attempt(stream, slot);
        break;
    }
}

/* --- times --- */

void
worker_wake_at(Worker *worker, gint64 when)
{
    if (when != 0 && (worker->wake_at == 0 || when < worker->wake_at))
        worker->wake_at = when;
}

/* Idle workers have little memory. */
static void
trim(Worker *worker)
{
    g_autoptr(GList) streams = g_hash_table_get_values(worker->streams);

    worker->trim_at = 0;
    for (GList *l = streams; l; l = l->next)
        if (((const Stream *)l->data)->intercept)
            intercept_trim(((const Stream *)l->data)->intercept);
    if (worker->port)
        guest_port_trim(worker->port);
    malloc_trim(/* pad= */ 0);
}

static void
run_times(Worker *worker)
{
    g_autoptr(GList) streams = g_hash_table_get_values(worker->streams);

    worker->wake_at = 0;
    worker->is_held_up = FALSE;
    for (GList *l = streams; l; l = l->next) {
        Stream *stream = l->data;

        stream_expire(stream);
        if (stream->state == STREAM_OPEN)
            stream_push(stream);
        if (stream->state == STREAM_DEAD)
            continue;
        worker_wake_at(worker, stream->deadline);
        worker_wake_at(worker, stream->dial.next_at);
    }
    worker_guest_check_pause(worker);
    worker_wake_at(worker, worker->pause_end);
    worker_wake_at(worker, names_expire(worker->names, worker->now));
    worker_wake_at(worker, report_expire(worker->report, worker->now));
    if (worker->trim_at != 0 && worker->trim_at <= worker->now)
        trim(worker);
    worker_wake_at(worker, worker->trim_at);
    if (worker->greeting.serial != 0)
        worker_wake_at(worker, worker->greeting_end);
}

/* --- steps --- */

static int
timeout_of(const Worker *worker, int timeout_ms)
{
    gint64 now = g_get_monotonic_time(), ms;

    if (worker->has_more || (worker->wake_at != 0 && worker->wake_at <= now))
        return 0;
    if (worker->wake_at == 0)
        return timeout_ms;
    ms = MIN((worker->wake_at - now + 999) / 1000, G_MAXINT);
    return timeout_ms < 0 ? (int)ms : MIN((int)ms, timeout_ms);
}

void
worker_check_traffic(Worker *worker)
{
    guint64 limit = net_rules_traffic(worker->rules);
    gboolean is_exhausted =
        limit != 0 && worker->traffic.bytes_up + worker->traffic.bytes_down >= limit;
    g_autoptr(GList) streams = NULL;
    EgressHead head;

    if (is_exhausted == worker->is_exhausted)
        return;
    worker->is_exhausted = is_exhausted;
    if (!is_exhausted)
        return;
    streams = g_hash_table_get_values(worker->streams);
    for (GList *l = streams; l; l = l->next)
        if (((const Stream *)l->data)->state != STREAM_LOOKUP)
            stream_end(l->data, REPORT_CLOSE, ECONNRESET, "the traffic is used up");
    egress_head_init(&head, EGRESS_EXHAUSTED, worker->id, /* serial= */ 0);
    worker_control_send(worker, &head, /* payload= */ NULL, 0);
}

gboolean
worker_step(Worker *worker, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(worker->epoll, events, EVENTS_MAX, timeout_of(worker, timeout_ms));

    worker->now = g_get_monotonic_time();
    for (int i = 0; i < count && !worker->is_over; i++)
        dispatch(worker, &events[i]);
    if (worker->wake_at != 0 && worker->wake_at <= worker->now)
        run_times(worker);
    worker_check_traffic(worker);
    worker_control_check_greeting(worker);
    worker_control_check_resolver(worker);
    worker->has_more = !worker->is_over && worker_guest_go_on(worker);
    if (count > 0 && worker->trim_at == 0) {
        worker->trim_at = worker->now + TRIM_US;
        worker_wake_at(worker, worker->trim_at);
    }
    g_ptr_array_set_size(worker->dead, 0);
    return !worker->is_over;
}
