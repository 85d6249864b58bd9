/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream-connect: from the name of a server to a connection. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "stream.h"

#define PROXY_HEAD_MAX 8192u

/* --- judgement --- */

/* If the routes cannot be read, the address could be one of this host. Without a route, connect()
 * would fail, too. Returns 0, or -errno: there is no route. */
static int
judge_address(const Stream *stream, const NetAddress *address, NetVerdict *ret)
{
    Worker *worker = stream->worker;
    NetReach reach = NET_PUBLIC;
    int r = 0;

    /* Through a proxy, the routes of this host do not count. */
    if (!worker->proxy.host)
        r = worker->world.reach(address, worker->now, &reach, worker->world.data);
    if (r < 0)
        reach = r == -ENETUNREACH || r == -EHOSTUNREACH ? NET_PUBLIC : NET_NEVER;
    *ret = net_rules_judge_address(worker->rules, stream->name, address, stream->port, reach);
    return reach == NET_NEVER ? 0 : r;
}

NetVerdict
stream_judge(const Stream *stream)
{
    NetVerdict verdict, of_address;

    if (stream->name) {
        verdict = net_rules_judge_name(stream->worker->rules, stream->name, stream->port);
        if (!verdict.is_allowed || !stream->has_address)
            return verdict;
    }
    judge_address(stream, &stream->address, &of_address);
    return stream->name && of_address.is_allowed ? verdict : of_address;
}

/* --- the connection --- */

static void
note_refusal(Stream *stream, const NetAddress *address, const char *rule)
{
    char text[NET_ADDRESS_TEXT_MAX];

    g_free(stream->refusal);
    net_address_write(address, text);
    stream->refusal = g_strdup_printf("%s: %s", text, rule);
}

static guint
choose_buffer(const Worker *worker)
{
    if (worker->traffic.open <= WORKER_LARGE_MAX)
        return 0;
    return worker->traffic.open <= WORKER_MEDIUM_MAX ? WORKER_MEDIUM_BUFFER : WORKER_SMALL_BUFFER;
}

/* The last step before a connection: the address that is judged is the one that is connected to. */
static int
connect_checked(const NetAddress *address, gpointer data)
{
    Stream *stream = data;
    const Worker *worker = stream->worker;
    guint buffer = choose_buffer(worker);
    NetVerdict verdict;
    int r;

    if (worker->proxy.host)
        return worker->world.connect(address, worker->proxy.port, buffer, worker->world.data);
    r = judge_address(stream, address, &verdict);
    if (r < 0)
        return r;
    if (verdict.is_allowed)
        return worker->world.connect(address, stream->port, buffer, worker->world.data);
    note_refusal(stream, address, verdict.rule);
    return -EACCES;
}

void
stream_fail_upstream(Stream *stream, ReportKind kind, int error, const char *reason)
{
    if (!stream->intercept) {
        stream_end(stream, kind, error, reason);
        return;
    }
    if (kind == REPORT_FAILED)
        stream->worker->traffic.failed++;
    stream_inspect_fail(stream, reason);
    stream_inspect(stream);
}

static void
give_up(Stream *stream)
{
    int error = -stream->dial.error;

    if (error == EACCES && stream->refusal)
        stream_fail_upstream(stream, REPORT_REFUSED, EACCES, stream->refusal);
    else
        stream_fail_upstream(stream, REPORT_FAILED, error, g_strerror(error));
}

void
stream_dial(Stream *stream)
{
    Worker *worker = stream->worker;
    int before[DIAL_ATTEMPTS_MAX];

    for (guint i = 0; i < DIAL_ATTEMPTS_MAX; i++)
        before[i] = stream->dial.attempts[i].fd;
    if (dial_go_on(&stream->dial, worker->now, connect_checked, stream) == DIAL_FAILED) {
        give_up(stream);
        return;
    }
    for (guint i = 0; i < DIAL_ATTEMPTS_MAX; i++)
        if (stream->dial.attempts[i].fd >= 0 && before[i] < 0)
            worker_watch(worker, stream->dial.attempts[i].fd, WORKER_ATTEMPT, i, stream->number);
    worker_wake_at(worker, stream->dial.next_at);
}

static void
begin(Stream *stream)
{
    Worker *worker = stream->worker;
    ReportEvent event = {.kind = REPORT_OPEN};
    char address[NET_ADDRESS_TEXT_MAX];

    stream->state = STREAM_OPEN;
    stream->was_open = TRUE;
    worker->traffic.connections++;
    stream_describe(stream, &event, address);
    report_event(worker->report, &event, worker->now);
    stream_set_deadline(stream, worker->now + STREAM_IDLE_US);
    stream_push(stream);
    stream_make_ready(stream);
}

/* --- a proxy --- */

static void
ask_proxy(Stream *stream)
{
    gboolean is_v6 = !stream->name && !net_address_is_v4(&stream->address);
    char address[NET_ADDRESS_TEXT_MAX] = "";
    g_autofree char *host = NULL, *head = NULL;

    if (!stream->name)
        net_address_write(&stream->address, address);
    host = g_strdup_printf("%s%s%s:%u", is_v6 ? "[" : "", stream->name ? stream->name : address,
                           is_v6 ? "]" : "", (guint)stream->port);
    head = g_strdup_printf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host);
    stream->state = STREAM_PROXY;
    stream->proxy_head = g_string_new(NULL);
    /* The buffer of a new socket has room for it. */
    if (send(stream->fd, head, strlen(head), MSG_DONTWAIT | MSG_NOSIGNAL) != (gssize)strlen(head))
        stream_fail_upstream(stream, REPORT_FAILED, ECONNREFUSED,
                             "the proxy has closed the connection");
}

static gboolean
grants(const GString *head)
{
    return head->len >= strlen("HTTP/1.1 200") && memcmp(head->str, "HTTP/1.", 7) == 0 &&
           memcmp(head->str + 8, " 200", 4) == 0 && strchr(" \r", head->str[12]);
}

/* Adds what has arrived of the head to it. FALSE: nothing has, or the proxy has ended. */
static gboolean
receive_head(Stream *stream, gboolean *ret_is_complete)
{
    char bytes[1024];
    gssize size = recv(stream->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
    gsize before = stream->proxy_head->len, taken;
    const char *end;

    if (size == 0)
        errno = ECONNRESET;
    if (size <= 0)
        return FALSE;
    g_string_append_len(stream->proxy_head, bytes, size);
    end = g_strstr_len(stream->proxy_head->str, (gssize)stream->proxy_head->len, "\r\n\r\n");
    taken = end ? (gsize)(end + 4 - stream->proxy_head->str) - before : (gsize)size;
    *ret_is_complete = end != NULL;
    return recv(stream->fd, bytes, taken, MSG_DONTWAIT) == (gssize)taken;
}

/* Reads exactly the head of the answer: what follows is the server's. */
void
stream_read_proxy(Stream *stream)
{
    gboolean is_complete = FALSE;

    while (!is_complete && stream->proxy_head->len < PROXY_HEAD_MAX)
        if (!receive_head(stream, &is_complete)) {
            stream->readable = FALSE;
            if (errno == EAGAIN || errno == EINTR)
                return;
            break;
        }
    if (!is_complete || !grants(stream->proxy_head)) {
        stream_fail_upstream(stream, REPORT_FAILED, ECONNREFUSED,
                             "the proxy has refused the connection");
        return;
    }
    stream->readable = TRUE;
    begin(stream);
}

/* --- from a name to addresses --- */

/* The rules may have changed since the attempt began. FALSE: they refuse the address. */
static gboolean
take_address(Stream *stream, const NetAddress *address)
{
    NetVerdict verdict;

    if (stream->worker->proxy.host)
        return TRUE;
    stream->address = *address;
    stream->has_address = TRUE;
    verdict = stream_judge(stream);
    if (verdict.is_allowed)
        return TRUE;
    note_refusal(stream, address, verdict.rule);
    stream_fail_upstream(stream, REPORT_REFUSED, EACCES, stream->refusal);
    return FALSE;
}

void
stream_take_attempt(Stream *stream, guint attempt)
{
    NetAddress address;
    int fd;

    if (stream->state != STREAM_CONNECTING)
        return;
    fd = dial_take(&stream->dial, attempt, &address);
    if (fd == -EINPROGRESS)
        return;
    if (fd < 0) {
        stream_dial(stream);
        return;
    }
    stream->fd = fd;
    if (!take_address(stream, &address))
        return;
    stream->writable = TRUE;
    worker_watch(stream->worker, fd, WORKER_SOCKET, 0, stream->number);
    if (stream->worker->proxy.host && stream->protocol != NET_HTTP) {
        ask_proxy(stream);
        return;
    }
    begin(stream);
}

static void
connect_to(Stream *stream, const NetAddress *addresses, guint count)
{
    stream->state = STREAM_CONNECTING;
    stream_set_deadline(stream, stream->worker->now + STREAM_CONNECT_US);
    dial_set(&stream->dial, addresses, count);
    stream_dial(stream);
}

static void
on_resolved(const NamesAnswer *answer, gpointer data)
{
    Stream *stream = data;

    if (answer->status == 0)
        connect_to(stream, answer->addresses, answer->count);
    else if (answer->status == -ENOENT)
        stream_fail_upstream(stream, REPORT_FAILED, EHOSTUNREACH, "the name has no address");
    else
        stream_fail_upstream(stream, REPORT_FAILED, EAGAIN, "the name could not be resolved");
}

void
stream_seek(Stream *stream)
{
    Worker *worker = stream->worker;
    const char *name = worker->proxy.host ? worker->proxy.host : stream->name;
    NetAddress address = stream->address;

    stream->state = STREAM_RESOLVING;
    stream_set_deadline(stream, worker->now + 2 * STREAM_CONNECT_US);
    if (!name || net_address_parse(name, &address))
        connect_to(stream, &address, 1);
    else
        names_ask(worker->names, name, worker->now, on_resolved, stream);
}
