/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * http-relay: one exchange after the other.
 *
 * A step does one thing if the queues permit it, and returns whether it did. A turn is steps until
 * there is none. Nothing is taken from a queue before there is room for what becomes of it.
 */
#include "http-relay.h"

#include <string.h>

#include "http-body.h"
#include "http-write.h"
#include "secret-search.h"

#define INTERIM_MAX 64u /* responses with 1xx to one request */

struct HttpRelay {
    HttpRelayOptions options;
    HttpRelayQueues queues;
    SecretSearch *search;
    HttpRelayState state;
    const char *failure, *server_failure;
    gboolean is_broken;
    guint64 n_requests; /* that were written for the server */

    /* of the head that is awaited from each side */
    HttpScan request_scan, response_scan;

    /* of the exchange */
    HttpFacts facts;
    char *method, *path; /* NULL: no request is open */
    HttpBodyReader request_body, response_body;
    gboolean response_has_begun; /* the final one */
    gboolean close;              /* after this exchange */
    gboolean upgrade_requested;
    guint n_interim;
};

HttpRelay *
http_relay_new(const HttpRelayOptions *options, HttpRelayQueues queues)
{
    HttpRelay *relay = g_new0(HttpRelay, 1);

    relay->options = *options;
    relay->options.host = g_strdup(options->host);
    if (options->filter)
        http_filter_ref(options->filter);
    if (options->secrets)
        g_ptr_array_ref(options->secrets);
    relay->queues = queues;
    relay->search = secret_search_new(options->secrets);
    return relay;
}

/* --- facts and ends --- */

static void
open_request(HttpRelay *relay, const HttpHead *head)
{
    relay->facts = (HttpFacts){0};
    relay->method = g_strndup(head->method.data ? head->method.data : "", head->method.size);
    relay->path = g_strndup(head->path.data ? head->path.data : "",
                            MIN(head->path.size, HTTP_PATH_LOGGED_MAX));
}

static void
report_request(HttpRelay *relay)
{
    if (!relay->method)
        return;
    relay->facts.method = relay->method;
    relay->facts.path = relay->path;
    relay->facts.failure = relay->failure;
    if (relay->options.on_request)
        relay->options.on_request(&relay->facts, relay->options.data);
    g_clear_pointer(&relay->method, g_free);
    g_clear_pointer(&relay->path, g_free);
}

/* What has not been sent to the server is not sent any more. */
static void
end(HttpRelay *relay, const char *failure)
{
    relay->failure = failure;
    relay->state = HTTP_RELAY_ENDED;
    report_request(relay);
    bytes_clear(relay->queues.server_out);
    relay->queues.server_out->ended = TRUE;
    relay->queues.client_out->ended = !relay->is_broken;
}

static void
end_broken(HttpRelay *relay, const char *failure)
{
    relay->is_broken = TRUE;
    end(relay, failure);
}

/* Ends with a response of the relay's own, for which there is room. */
static void
refuse(HttpRelay *relay, guint status, const char *reason)
{
    gboolean is_head = relay->method && strcmp(relay->method, "HEAD") == 0;

    http_refusal_write(status, reason, !is_head, relay->queues.client_out);
    relay->facts.status = status;
    end(relay, reason);
}

/* An exchange cannot be completed. */
static void
abort_exchange(HttpRelay *relay, guint status, const char *reason)
{
    if (relay->response_has_begun || bytes_room(relay->queues.client_out) < HTTP_REFUSAL_OUT_MAX)
        end_broken(relay, reason);
    else
        refuse(relay, status, reason);
}

void
http_relay_free(HttpRelay *relay)
{
    if (!relay)
        return;
    if (relay->method) {
        relay->failure = "the connection was reset";
        report_request(relay);
    }
    secret_search_free(relay->search);
    http_filter_unref(relay->options.filter);
    g_clear_pointer(&relay->options.secrets, g_ptr_array_unref);
    g_free((char *)relay->options.host);
    g_free(relay);
}

/* --- the head of a request --- */

static void
begin_exchange(HttpRelay *relay, const HttpHead *head)
{
    relay->n_requests++;
    relay->state = HTTP_RELAY_EXCHANGE;
    relay->response_scan = relay->request_scan = (HttpScan){0};
    relay->response_has_begun = FALSE;
    relay->n_interim = 0;
    relay->close = head->close;
    relay->upgrade_requested = head->websocket && relay->options.allow_upgrade;
    http_body_begin(&relay->request_body, head->body, head->length);
    http_body_begin(&relay->response_body, HTTP_BODY_LENGTH, 0);
}

/* Returns the reason why the request is not sent, and the status. */
static const char *
send_request(HttpRelay *relay, gsize head_size, guint *ret_status)
{
    const guint8 *data = bytes_peek(relay->queues.client_in);
    HttpHead head;

    *ret_status = 400;
    const char *refusal = http_request_parse(data, head_size, &head);
    open_request(relay, &head);
    if (refusal)
        return refusal;
    *ret_status = 403;
    refusal = http_request_check(&head, &relay->options);
    if (refusal)
        return refusal;
    if (bytes_at_end(relay->queues.server_in)) {
        *ret_status = 502;
        return relay->server_failure ? relay->server_failure : "the server closed the connection";
    }
    refusal = http_request_write(&head, &relay->options, relay->queues.server_out,
                                 &relay->facts.has_secret);
    if (!refusal)
        begin_exchange(relay, &head);
    return refusal;
}

/* The server may not send anything before it has a request: it would become the response to the
 * next one. */
static gboolean
watch_idle_server(HttpRelay *relay)
{
    Bytes *in = relay->queues.server_in;

    if (bytes_size(in) > 0)
        end(relay, "the server sent bytes without a request");
    else if (in->ended && relay->n_requests > 0)
        end(relay, NULL);
    return relay->state == HTTP_RELAY_ENDED;
}

static gboolean
take_request(HttpRelay *relay)
{
    Bytes *in = relay->queues.client_in;
    gsize head_size;
    guint status = 400;

    if (bytes_at_end(in)) {
        end(relay, NULL);
        return TRUE;
    }
    if (bytes_room(relay->queues.server_out) < HTTP_REQUEST_OUT_MAX ||
        bytes_room(relay->queues.client_out) < HTTP_REFUSAL_OUT_MAX)
        return FALSE;
    const char *refusal =
        http_head_scan(&relay->request_scan, bytes_peek(in), bytes_size(in), &head_size);
    if (!refusal && head_size == 0) {
        if (in->ended)
            end_broken(relay, "the client closed the connection within a head");
        return in->ended;
    }
    if (refusal)
        open_request(relay, &(HttpHead){0});
    else
        refusal = send_request(relay, head_size, &status);
    if (refusal)
        refuse(relay, status, refusal);
    else
        bytes_consume(in, head_size);
    return TRUE;
}

/* --- the body of a request --- */

static void
send_content(HttpRelay *relay, gsize size)
{
    Bytes *in = relay->queues.client_in, *out = relay->queues.server_out;
    gboolean is_chunked = relay->request_body.kind == HTTP_BODY_CHUNKED;

    if (is_chunked)
        http_chunk_begin(out, size);
    bytes_put(out, bytes_peek(in), size);
    if (is_chunked)
        http_chunk_end(out);
    http_body_consume(&relay->request_body, in, size);
    relay->facts.bytes_up += size;
}

static gboolean
move_request_body(HttpRelay *relay)
{
    HttpBodyReader *body = &relay->request_body;
    Bytes *out = relay->queues.server_out;
    const gsize overhead = HTTP_CHUNK_OVERHEAD + HTTP_LAST_CHUNK_SIZE;
    const char *refusal;

    if (body->is_complete || bytes_room(out) <= overhead)
        return FALSE;
    gsize size = http_body_next(body, relay->queues.client_in, &refusal);
    if (refusal) {
        abort_exchange(relay, 400, refusal);
        return TRUE;
    }
    if (size > 0)
        send_content(relay, MIN(size, bytes_room(out) - overhead));
    else if (body->is_complete)
        http_chunk_last(out);
    return size > 0 || body->is_complete;
}

/* --- the head of a response --- */

static void
take_interim(HttpRelay *relay, const HttpHead *head)
{
    gboolean is_upgrade = head->status == 101;

    if (is_upgrade && !(head->websocket && relay->upgrade_requested)) {
        abort_exchange(relay, 502, "the server switched protocols without a request");
        return;
    }
    if (++relay->n_interim > INTERIM_MAX) {
        abort_exchange(relay, 502, "the server sent too many interim responses");
        return;
    }
    http_response_write(head, FALSE, relay->queues.client_out);
    if (!is_upgrade)
        return;
    relay->facts.status = head->status;
    relay->state = HTTP_RELAY_TUNNEL;
    secret_search_begin(relay->search);
}

static void
take_final(HttpRelay *relay, const HttpHead *head)
{
    /* The client may send the rest of its body or not: what comes next is not known. */
    if (!relay->request_body.is_complete || head->close)
        relay->close = TRUE;
    http_response_write(head, relay->close, relay->queues.client_out);
    relay->response_has_begun = TRUE;
    relay->facts.status = head->status;
    relay->facts.unsearched = head->is_encoded && relay->options.secrets != NULL;
    http_body_begin(&relay->response_body, head->body, head->length);
    secret_search_begin(relay->search);
}

/* Of `head_size` bytes, which stay in the queue. */
static void
read_response(HttpRelay *relay, gsize head_size)
{
    const guint8 *data = bytes_peek(relay->queues.server_in);
    HttpText method = {relay->method, strlen(relay->method)};
    HttpHead head;

    const char *refusal = http_response_parse(data, head_size, method, &head);
    if (!refusal && secret_search_text(relay->search, data, head_size))
        refusal = "the response contains a secret";
    if (refusal)
        abort_exchange(relay, 502, refusal);
    else if (head.status < 200)
        take_interim(relay, &head);
    else
        take_final(relay, &head);
}

/* Clients repeat a request on a connection that was idle and closed by the server just now. */
static void
lose_response(HttpRelay *relay)
{
    const char *reason = relay->server_failure
                             ? relay->server_failure
                             : "the server closed the connection without a response";

    if (relay->n_requests > 1 && relay->n_interim == 0 && bytes_size(relay->queues.server_in) == 0)
        end(relay, reason);
    else
        abort_exchange(relay, 502, reason);
}

static gboolean
take_response(HttpRelay *relay)
{
    Bytes *in = relay->queues.server_in;
    gsize head_size;

    if (relay->response_has_begun || bytes_room(relay->queues.client_out) < HTTP_RESPONSE_OUT_MAX)
        return FALSE;
    const char *refusal =
        http_head_scan(&relay->response_scan, bytes_peek(in), bytes_size(in), &head_size);
    if (refusal) {
        abort_exchange(relay, 502, refusal);
        return TRUE;
    }
    if (head_size == 0) {
        if (in->ended)
            lose_response(relay);
        return in->ended;
    }
    read_response(relay, head_size);
    bytes_consume(in, head_size);
    relay->response_scan = (HttpScan){0};
    return TRUE;
}

/* --- the body of a response --- */

static void
pass_part(HttpRelay *relay, const SecretSearchPart *part, const guint8 *block, gboolean is_chunked)
{
    Bytes *out = relay->queues.client_out;
    gsize size = part->held_size + part->block_size;

    if (size == 0)
        return;
    if (is_chunked)
        http_chunk_begin(out, size);
    bytes_put(out, part->held, part->held_size);
    bytes_put(out, block, part->block_size);
    if (is_chunked)
        http_chunk_end(out);
    relay->facts.bytes_down += size;
}

static void
complete_response(HttpRelay *relay)
{
    gboolean is_chunked = relay->response_body.kind == HTTP_BODY_CHUNKED;
    SecretSearchPart part;

    secret_search_end(relay->search, &part);
    pass_part(relay, &part, NULL, is_chunked);
    if (is_chunked)
        http_chunk_last(relay->queues.client_out);
}

/* FALSE: the content contains a secret, and the relay has ended. */
static gboolean
receive_content(HttpRelay *relay, gsize size)
{
    const guint8 *block = bytes_peek(relay->queues.server_in);
    SecretSearchPart part;

    if (!secret_search_block(relay->search, block, size, &part)) {
        end_broken(relay, "the response contains a secret");
        return FALSE;
    }
    pass_part(relay, &part, block, relay->response_body.kind == HTTP_BODY_CHUNKED);
    return TRUE;
}

/* How much content can be received now. What is held back may follow it. */
static gsize
room_for_content(const HttpRelay *relay)
{
    gsize overhead = HTTP_CHUNK_OVERHEAD + HTTP_LAST_CHUNK_SIZE + secret_search_held(relay->search);
    gsize room = bytes_room(relay->queues.client_out);

    return room > overhead ? room - overhead : 0;
}

static gboolean
move_response_body(HttpRelay *relay)
{
    HttpBodyReader *body = &relay->response_body;
    Bytes *in = relay->queues.server_in;
    gsize room = room_for_content(relay);
    const char *refusal;

    if (!relay->response_has_begun || body->is_complete || room == 0)
        return FALSE;
    gsize size = MIN(http_body_next(body, in, &refusal), room);
    /* A body that lasts until the connection closes is complete only if it closed properly. */
    if (!refusal && body->kind == HTTP_BODY_UNTIL_CLOSE && body->is_complete)
        refusal = relay->server_failure;
    if (refusal) {
        end_broken(relay, relay->server_failure ? relay->server_failure : refusal);
        return TRUE;
    }
    if (size > 0) {
        if (!receive_content(relay, size))
            return TRUE;
        http_body_consume(body, in, size);
    }
    if (body->is_complete)
        complete_response(relay);
    return size > 0 || body->is_complete;
}

/* --- steps --- */

static gboolean
finish_exchange(HttpRelay *relay)
{
    if (!relay->response_has_begun || !relay->response_body.is_complete)
        return FALSE;
    if (relay->close) {
        end(relay, NULL);
    } else {
        report_request(relay);
        relay->state = HTTP_RELAY_HEAD;
    }
    return TRUE;
}

static gboolean
step_exchange(HttpRelay *relay)
{
    if (move_request_body(relay))
        return TRUE;
    return take_response(relay) || move_response_body(relay) || finish_exchange(relay);
}

static gboolean
tunnel_up(HttpRelay *relay)
{
    Bytes *in = relay->queues.client_in, *out = relay->queues.server_out;
    gsize size = bytes_move(in, out, G_MAXSIZE);

    relay->facts.bytes_up += size;
    if (!bytes_at_end(in) || out->ended)
        return size > 0;
    out->ended = TRUE;
    return TRUE;
}

static gboolean
tunnel_down(HttpRelay *relay)
{
    Bytes *in = relay->queues.server_in;
    gsize room = room_for_content(relay), size = MIN(bytes_size(in), room);

    if (bytes_at_end(in) && room > 0) {
        relay->response_body.kind = HTTP_BODY_UNTIL_CLOSE;
        complete_response(relay);
        relay->is_broken = relay->server_failure != NULL;
        end(relay, relay->server_failure);
        return TRUE;
    }
    if (size == 0)
        return FALSE;
    if (receive_content(relay, size))
        bytes_consume(in, size);
    return TRUE;
}

static gboolean
discard(Bytes *queue)
{
    gsize size = bytes_size(queue);

    bytes_consume(queue, size);
    return size > 0;
}

static gboolean
step(HttpRelay *relay)
{
    gboolean moved;

    switch (relay->state) {
    case HTTP_RELAY_HEAD:
        return watch_idle_server(relay) || take_request(relay);
    case HTTP_RELAY_EXCHANGE:
        return step_exchange(relay);
    case HTTP_RELAY_TUNNEL:
        moved = tunnel_up(relay);
        return tunnel_down(relay) || moved;
    default:
        moved = discard(relay->queues.client_in);
        return discard(relay->queues.server_in) || moved;
    }
}

gboolean
http_relay_turn(HttpRelay *relay)
{
    gboolean moved = FALSE;

    while (step(relay))
        moved = TRUE;
    return moved;
}

/* --- what it is at --- */

HttpRelayState
http_relay_state(const HttpRelay *relay)
{
    return relay->state;
}

gboolean
http_relay_is_idle(const HttpRelay *relay)
{
    return relay->state == HTTP_RELAY_HEAD && relay->n_requests > 0 &&
           bytes_size(relay->queues.client_in) == 0;
}

gboolean
http_relay_wants_server(const HttpRelay *relay)
{
    return relay->n_requests > 0;
}

void
http_relay_server_failed(HttpRelay *relay, const char *reason)
{
    if (!relay->server_failure)
        relay->server_failure = reason;
    relay->queues.server_in->ended = TRUE;
}

const char *
http_relay_failure(const HttpRelay *relay)
{
    return relay->failure;
}

gboolean
http_relay_is_broken(const HttpRelay *relay)
{
    return relay->is_broken;
}
