/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exchanges: what a guest may send, and when. */
#include "exchanges.h"

#define BIT(channel) (1u << (channel))

typedef struct {
    guint32 number;
    ExchangeStage stage;
    guint channels; /* on which the guest may send DATA and EOF */
    guint ended;    /* the channels on which it has sent EOF */
    gboolean is_due, is_closed;
    guint32 last_number; /* that the host had used when it closed the stream */
} Exchange;

/* The stage after a frame; EXCHANGE_OVER ends the exchange. The frames that have no entry break the
 * protocol. */
#define VIOLATION 0u
#define THEN(stage) (1u + (stage))

static const guint8 next_stage[_EXCHANGE_MAX][WIRE_REAPED + 1] = {
    [EXCHANGE_GREETING] = {[WIRE_HELLO] = THEN(EXCHANGE_OVER)},
    [EXCHANGE_REQUEST] = {[WIRE_OK] = THEN(EXCHANGE_OVER), [WIRE_ERROR] = THEN(EXCHANGE_OVER)},
    [EXCHANGE_PING] = {[WIRE_PONG] = THEN(EXCHANGE_OVER)},
    [EXCHANGE_OPENING] =
        {[WIRE_STARTED] = THEN(EXCHANGE_RUNNING), [WIRE_ERROR] = THEN(EXCHANGE_OVER)},
    [EXCHANGE_RUNNING] = {[WIRE_DATA] = THEN(EXCHANGE_RUNNING),
                          [WIRE_EOF] = THEN(EXCHANGE_RUNNING),
                          [WIRE_CREDIT] = THEN(EXCHANGE_RUNNING),
                          [WIRE_REAPED] = THEN(EXCHANGE_REAPED),
                          [WIRE_EXITED] = THEN(EXCHANGE_OVER)},
    [EXCHANGE_REAPED] = {[WIRE_DATA] = THEN(EXCHANGE_REAPED),
                         [WIRE_EOF] = THEN(EXCHANGE_REAPED),
                         [WIRE_CREDIT] = THEN(EXCHANGE_REAPED),
                         [WIRE_EXITED] = THEN(EXCHANGE_OVER)},
};

void
exchanges_init(Exchanges *exchanges)
{
    exchanges->open = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_queue_init(&exchanges->closed);
    exchanges->due = exchanges->last_number = 0;
}

void
exchanges_clear(Exchanges *exchanges)
{
    g_queue_clear(&exchanges->closed);
    g_hash_table_unref(exchanges->open);
}

static Exchange *
find(const Exchanges *exchanges, guint32 number)
{
    return g_hash_table_lookup(exchanges->open, GUINT_TO_POINTER(number));
}

static void
set_due(Exchanges *exchanges, Exchange *exchange, gboolean is_due)
{
    exchanges->due += (guint)is_due - (guint)exchange->is_due;
    exchange->is_due = is_due;
}

static void
end(Exchanges *exchanges, Exchange *exchange)
{
    set_due(exchanges, exchange, FALSE);
    if (exchange->is_closed)
        g_queue_remove(&exchanges->closed, exchange);
    g_hash_table_remove(exchanges->open, GUINT_TO_POINTER(exchange->number));
}

/* --- what the host does --- */

guint32
exchanges_next_number(Exchanges *exchanges)
{
    return ++exchanges->last_number;
}

void
exchanges_begin(Exchanges *exchanges, guint32 number, ExchangeStage stage, guint channels)
{
    Exchange *exchange = g_new0(Exchange, 1);

    exchange->number = number;
    exchange->stage = stage;
    exchange->channels = channels;
    g_hash_table_insert(exchanges->open, GUINT_TO_POINTER(number), exchange);
    set_due(exchanges, exchange, stage == EXCHANGE_REQUEST || stage == EXCHANGE_OPENING);
}

void
exchanges_set_due(Exchanges *exchanges, guint32 number, gboolean is_due)
{
    Exchange *exchange = find(exchanges, number);

    if (exchange && !exchange->is_closed)
        set_due(exchanges, exchange, is_due);
}

void
exchanges_close(Exchanges *exchanges, guint32 number)
{
    Exchange *exchange = find(exchanges, number);

    if (!exchange || exchange->is_closed)
        return;
    set_due(exchanges, exchange, FALSE);
    exchange->is_closed = TRUE;
    exchange->last_number = exchanges->last_number;
    g_queue_push_tail(&exchanges->closed, exchange);
}

/* --- what the guest sends --- */

/* An answer to a frame that was sent after a CLOSE proves that the guest has read the CLOSE: no
 * frame of that stream can follow. */
static void
end_closed(Exchanges *exchanges, guint32 answered)
{
    Exchange *exchange;

    while ((exchange = g_queue_peek_head(&exchanges->closed)) && exchange->last_number < answered)
        end(exchanges, exchange);
}

/* An agent reports the end of a control channel each time that it looks at it. Frames that move no
 * byte would have no bound. */
static gboolean
check_channel(Exchange *exchange, const WireHeader *header)
{
    guint bit = BIT(header->channel);
    gboolean has_ended = (exchange->ended & bit) != 0;

    switch (header->type) {
    case WIRE_DATA:
        return header->length > 0 && header->channel != WIRE_STDIN &&
               (exchange->channels & bit) != 0 && !has_ended;
    case WIRE_EOF:
        exchange->ended |= bit;
        return (exchange->channels & bit) != 0 && (!has_ended || header->channel == WIRE_CONTROL);
    case WIRE_CREDIT:
        return header->channel == WIRE_STDIN || header->channel == WIRE_CONTROL;
    default:
        return header->channel == 0;
    }
}

gboolean
exchanges_receive(Exchanges *exchanges, const WireHeader *header)
{
    Exchange *exchange = find(exchanges, header->stream);
    guint next;

    if (!exchange || header->type > WIRE_REAPED)
        return FALSE;
    if (header->stream != EXCHANGE_GREETING_NUMBER && find(exchanges, EXCHANGE_GREETING_NUMBER))
        return FALSE;
    next = next_stage[exchange->stage][header->type];
    if (next == VIOLATION || !check_channel(exchange, header))
        return FALSE;
    exchange->stage = next - THEN(0);
    if (exchange->stage == EXCHANGE_OVER)
        end(exchanges, exchange);
    end_closed(exchanges, header->stream);
    return TRUE;
}

/* --- what there is --- */

gboolean
exchanges_are_due(const Exchanges *exchanges)
{
    return exchanges->due > 0;
}

guint
exchanges_count(const Exchanges *exchanges)
{
    return g_hash_table_size(exchanges->open);
}

guint
exchanges_count_closed(const Exchanges *exchanges)
{
    return exchanges->closed.length;
}

guint
exchanges_channels(guint32 start_flags)
{
    guint channels = BIT(WIRE_STDIN) | BIT(WIRE_STDOUT) | BIT(WIRE_STDERR);

    if (start_flags & START_NO_STDIN)
        channels &= ~BIT(WIRE_STDIN);
    if (start_flags & (START_MERGE_STDERR | START_TERMINAL))
        channels &= ~BIT(WIRE_STDERR);
    if (start_flags & START_DISCARD_OUTPUT)
        channels &= ~(BIT(WIRE_STDOUT) | BIT(WIRE_STDERR));
    if (start_flags & START_CONTROL)
        channels |= BIT(WIRE_CONTROL);
    return channels;
}
