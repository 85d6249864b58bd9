/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * random-agent: an agent that behaves correctly until its machine is claimed, and then sends random
 * frames, also of runners. The number in its name is the seed.
 *
 * Most frames are ones that the protocol allows now, so that the service gets far with them; how
 * seldom others are sent depends on the seed, because the first one ends the sandbox.
 */
#include <glib.h>
#include <string.h>

#include "frames.h"
#include "guest-port.h"
#include "random-payloads.h"

#define SYNC_MARK_SIZE 16u
#define POLL_MS 2
#define ACTIONS_MAX 6

static guint recklessness; /* of 1,000 frames, so many are against the protocol */
static gboolean is_claimed;
static char *id;
static GPtrArray *exchanges; /* of Exchange */
static guint32 last_number;

/* --- exchanges --- */

static void
exchange_free(gpointer data)
{
    Exchange *exchange = data;

    g_byte_array_unref(exchange->requests);
    g_free(exchange->task);
    g_free(exchange);
}

static Exchange *
begin(guint32 number, guint stage)
{
    Exchange *exchange = g_new0(Exchange, 1);

    exchange->number = last_number = number;
    exchange->stage = stage;
    exchange->requests = g_byte_array_new();
    for (guint i = 0; i < _WIRE_CHANNELS; i++)
        exchange->window[i] = WIRE_WINDOW;
    g_ptr_array_add(exchanges, exchange);
    return exchange;
}

static Exchange *
find(guint32 number)
{
    for (guint i = 0; i < exchanges->len; i++)
        if (((Exchange *)exchanges->pdata[i])->number == number)
            return exchanges->pdata[i];
    return NULL;
}

/* Sets which channels a process has. */
static void
set_channels(Exchange *exchange, guint32 flags)
{
    gboolean has_output = (flags & START_DISCARD_OUTPUT) == 0;

    exchange->is_runner = exchange->has[WIRE_CONTROL] = (flags & START_CONTROL) != 0;
    exchange->has[WIRE_STDIN] = (flags & START_NO_STDIN) == 0;
    exchange->has[WIRE_STDOUT] = has_output;
    exchange->has[WIRE_STDERR] = has_output && (flags & (START_TERMINAL | START_MERGE_STDERR)) == 0;
}

static void
end(Exchange *exchange)
{
    g_ptr_array_remove_fast(exchanges, exchange);
}

/* --- frames --- */

static void
send_array(const Exchange *exchange, guint type, guint channel, GByteArray *payload)
{
    port_send_frame(exchange->number, type, channel, payload->data, payload->len);
    g_byte_array_unref(payload);
}

static void
send_error(guint32 number)
{
    GByteArray *payload = g_byte_array_new();

    put_u32(payload, below(130));
    put_u32(payload, below(_WIRE_ABOUT_MAX));
    put_text(payload, random_text());
    put_text(payload, random_text());
    port_send_frame(number, WIRE_ERROR, 0, payload->data, payload->len);
    g_byte_array_unref(payload);
}

static void
send_exit(const Exchange *exchange, guint type)
{
    guint32 numbers[8] = {below(_WIRE_EXIT_MAX), one_in(2) ? 0 : below(256)};

    port_send_numbers(exchange->number, type, 0, numbers, G_N_ELEMENTS(numbers));
}

/* --- frames that the protocol allows --- */

static void
send_data(Exchange *exchange)
{
    guint channel = exchange->is_runner && one_in(2) ? WIRE_CONTROL : WIRE_STDOUT + below(2);
    GByteArray *bytes = channel == WIRE_CONTROL ? runner_bytes(exchange)
                        : exchange->task        ? task_bytes(exchange)
                                                : random_bytes(DATA_MAX);

    if (channel == WIRE_STDERR && exchange->task)
        channel = WIRE_STDOUT;
    if (bytes->len == 0 || bytes->len > exchange->window[channel] || !exchange->has[channel] ||
        exchange->has_ended[channel]) {
        g_byte_array_unref(bytes);
        return;
    }
    exchange->window[channel] -= bytes->len;
    send_array(exchange, WIRE_DATA, channel, bytes);
}

static void
send_eof(Exchange *exchange)
{
    guint channel = below(WIRE_CONTROL);

    if (!exchange->has[channel] || exchange->has_ended[channel])
        return;
    port_send_frame(exchange->number, WIRE_EOF, channel, "", 0);
    exchange->has_ended[channel] = TRUE;
}

static void
send_credit(Exchange *exchange)
{
    guint channel = one_in(2) ? WIRE_STDIN : WIRE_CONTROL;

    if (exchange->owed[channel] == 0)
        return;
    port_send_numbers(exchange->number, WIRE_CREDIT, channel, &exchange->owed[channel], 1);
    exchange->owed[channel] = 0;
}

static void
send_of_running(Exchange *exchange)
{
    switch (below(30)) {
    case 0:
        if (!exchange->is_reaped)
            send_exit(exchange, WIRE_REAPED);
        exchange->is_reaped = TRUE;
        break;
    case 1:
        send_exit(exchange, WIRE_EXITED);
        end(exchange);
        break;
    case 2:
        send_eof(exchange);
        break;
    case 3:
    case 4:
    case 5:
        send_credit(exchange);
        break;
    default:
        send_data(exchange);
    }
}

static void
send_started(Exchange *exchange)
{
    guint32 pid = below(100) + 1;

    port_send_numbers(exchange->number, WIRE_STARTED, 0, &pid, 1);
    exchange->stage = RUNNING;
}

/* The next frame of an exchange; built-in tasks end soon, because the service waits for them. */
static void
go_on(Exchange *exchange)
{
    if (exchange->stage == REQUEST || exchange->stage == PING) {
        if (exchange->stage == REQUEST && one_in(10))
            send_error(exchange->number);
        else
            port_send_frame(exchange->number, exchange->stage == PING ? WIRE_PONG : WIRE_OK, 0, "",
                            0);
        end(exchange);
    } else if (exchange->stage == OPENING && one_in(6)) {
        send_error(exchange->number);
        end(exchange);
    } else if (exchange->stage == OPENING) {
        send_started(exchange);
    } else if (exchange->task && one_in(3)) {
        port_send_numbers(exchange->number, WIRE_EXITED, 0, (const guint32[8]){0}, 8);
        end(exchange);
    } else {
        send_of_running(exchange);
    }
}

/* --- frames that it may not allow --- */

static void
send_wild(void)
{
    static const guint8 types[] = {WIRE_DATA,   WIRE_EOF,     WIRE_CREDIT, WIRE_OK,
                                   WIRE_ERROR,  WIRE_STARTED, WIRE_EXITED, WIRE_PONG,
                                   WIRE_REAPED, WIRE_HELLO,   WIRE_START};
    guint type = types[below(G_N_ELEMENTS(types))];
    guint32 number = type == WIRE_HELLO ? 0 : below(last_number + 2) + 1;
    guint32 numbers[8] = {below(5), below(300)};
    guint count = type == WIRE_EXITED || type == WIRE_REAPED    ? 8
                  : type == WIRE_CREDIT || type == WIRE_STARTED ? 1
                                                                : 0;

    if (type == WIRE_ERROR)
        send_error(number);
    else if (type == WIRE_HELLO)
        port_send_hello(WIRE_VERSION, id);
    else
        port_send_numbers(number, type, below(_WIRE_CHANNELS), numbers, count);
}

static void
act(void)
{
    if (below(1000) < recklessness)
        send_wild();
    else if (exchanges->len > 0)
        go_on(exchanges->pdata[below(exchanges->len)]);
}

/* --- frames of the host --- */

static void
take_claim(const WireHeader *header, const guint8 *payload)
{
    WireReader r;
    char *claimed;

    wire_reader_init(&r, payload, header->length);
    claimed = wire_get_string(&r, 64);
    port_send_frame(header->stream, WIRE_OK, 0, "", 0);
    last_number = header->stream;
    if (claimed && *claimed) {
        is_claimed = TRUE;
        id = claimed;
    }
}

/* Whether the runner's next request is complete; its size. */
static gsize
next_request(const GByteArray *bytes)
{
    guint32 length;

    if (bytes->len < RUNNER_HEADER_SIZE)
        return 0;
    memcpy(&length, bytes->data, sizeof length);
    return bytes->len < RUNNER_HEADER_SIZE + length ? 0 : RUNNER_HEADER_SIZE + length;
}

static void
take_sync(Exchange *runner)
{
    memcpy(runner->sync, runner->requests->data + SYNC_MARK_SIZE, sizeof runner->sync);
    runner->sync[8] = RUNNER_SYNCED;
    runner->must_sync = TRUE;
    runner->request = 0;
    g_byte_array_remove_range(runner->requests, 0, SYNC_MARK_SIZE + sizeof runner->sync);
}

/* Before the claim, each request is done at once. */
static void
take_requests(Exchange *runner)
{
    gsize size;

    if (runner->requests->len >= SYNC_MARK_SIZE + sizeof runner->sync &&
        runner->requests->data[0] == 255)
        take_sync(runner);
    while ((size = next_request(runner->requests)) > 0) {
        memcpy(&runner->request, runner->requests->data + 4, sizeof runner->request);
        g_byte_array_remove_range(runner->requests, 0, (guint)size);
        if (!is_claimed) {
            GByteArray *done = g_byte_array_new();

            put_done(done, runner->request, /* status= */ 0);
            runner->request = 0;
            send_array(runner, WIRE_DATA, WIRE_CONTROL, done);
        }
    }
}

static void
take_data(const WireHeader *header, const guint8 *payload)
{
    Exchange *exchange = find(header->stream);

    if (!exchange)
        return;
    exchange->owed[header->channel] += header->length;
    if (!is_claimed)
        send_credit(exchange);
    if (header->channel != WIRE_CONTROL)
        return;
    g_byte_array_append(exchange->requests, payload, header->length);
    take_requests(exchange);
}

static void
take_start(const WireHeader *header, const guint8 *payload)
{
    Exchange *exchange = begin(header->stream, OPENING);
    WireReader r;
    guint32 flags;

    wire_reader_init(&r, payload, header->length);
    flags = wire_get_u32(&r);
    wire_get_u64(&r);
    for (guint i = 0; i < 3; i++) {
        size_t size;
        wire_get_bytes(&r, &size);
    }
    wire_get_u32(&r);
    wire_get_u32(&r);
    wire_get_u32(&r); /* the number of strings in argv */
    set_channels(exchange, flags);
    if (flags & START_BUILTIN)
        exchange->task = wire_get_string(&r, 64);
    if (is_claimed)
        return;
    send_started(exchange);
    if (!exchange->is_runner) {
        send_exit(exchange, WIRE_EXITED);
        end(exchange);
    }
}

static void
take_attach(const WireHeader *header, const guint8 *payload)
{
    Exchange *exchange = begin(header->stream, OPENING);
    WireReader r;
    g_autofree char *tag = NULL;

    wire_reader_init(&r, payload, header->length);
    tag = wire_get_string(&r, WIRE_PAYLOAD_MAX);
    if (tag && g_str_has_prefix(tag, "runner:"))
        set_channels(exchange, START_CONTROL | START_NO_STDIN);
    else
        set_channels(exchange, tag && strstr(tag, " t ") ? START_TERMINAL : 0);
    exchange->is_ready = TRUE;
    if (!is_claimed)
        send_started(exchange);
}

static void
take_request(const WireHeader *header)
{
    Exchange *exchange = begin(header->stream, header->type == WIRE_PING ? PING : REQUEST);

    if (is_claimed)
        return;
    port_send_frame(header->stream, header->type == WIRE_PING ? WIRE_PONG : WIRE_OK, 0, "", 0);
    end(exchange);
}

static void
take_credit(const WireHeader *header, const guint8 *payload)
{
    Exchange *exchange = find(header->stream);
    WireReader r;

    wire_reader_init(&r, payload, header->length);
    if (exchange)
        exchange->window[header->channel] += wire_get_u32(&r);
}

static void
handle(const WireHeader *header, const guint8 *payload)
{
    Exchange *exchange;

    switch (header->type) {
    case WIRE_CLAIM:
        take_claim(header, payload);
        break;
    case WIRE_START:
        take_start(header, payload);
        break;
    case WIRE_ATTACH:
        take_attach(header, payload);
        break;
    case WIRE_PING:
    case WIRE_QUIESCE:
    case WIRE_CLOCK:
    case WIRE_TRUST:
    case WIRE_FREEZE:
    case WIRE_THAW:
        take_request(header);
        break;
    case WIRE_DATA:
        take_data(header, payload);
        break;
    case WIRE_CREDIT:
        take_credit(header, payload);
        break;
    case WIRE_CLOSE:
        exchange = find(header->stream);
        if (exchange)
            end(exchange);
        break;
    }
}

/* --- life --- */

static void
greet(void)
{
    guint8 greeting[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];

    port_find_preamble(greeting);
    g_ptr_array_set_size(exchanges, 0);
    last_number = 0;
    port_send_bytes(greeting, sizeof greeting);
    port_send_hello(WIRE_VERSION, id);
}

int
main(int argc, char **argv)
{
    const char *seed = strrchr(argv[0], '-');
    WireHeader header;
    const guint8 *payload;

    dice = g_rand_new_with_seed(seed ? (guint32)g_ascii_strtoull(seed + 1, NULL, 10) : 0);
    recklessness = (const guint[]){0, 0, 1, 5, 30}[below(5)];
    exchanges = g_ptr_array_new_with_free_func(exchange_free);
    id = g_strdup("");
    greet();
    for (;;) {
        int r = port_next(is_claimed ? POLL_MS : -1, &header, &payload);

        if (r > 0)
            handle(&header, payload);
        else if (r < 0)
            greet(); /* for the next instance of the service */
        for (guint i = is_claimed ? below(ACTIONS_MAX) : 0; i > 0; i--)
            act();
    }
}
