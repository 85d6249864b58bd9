/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-exchanges: in each stage of an exchange, the guest may send only the frames of the protocol.
 */
#include "exchanges.h"

#define NUMBER 5u
#define TYPES 256u
#define ALL_CHANNELS 15u

/* The frames with which an exchange comes to a stage, and those that may follow. */
typedef struct {
    ExchangeStage first;
    guint8 before[3], allowed[6]; /* of WireType; 0 ends each */
} Case;

static const Case cases[] = {
    {EXCHANGE_REQUEST, {0}, {WIRE_OK, WIRE_ERROR}},
    {EXCHANGE_REQUEST, {WIRE_OK}, {0}},
    {EXCHANGE_PING, {0}, {WIRE_PONG}},
    {EXCHANGE_PING, {WIRE_PONG}, {0}},
    {EXCHANGE_OPENING, {0}, {WIRE_STARTED, WIRE_ERROR}},
    {EXCHANGE_OPENING, {WIRE_ERROR}, {0}},
    {EXCHANGE_OPENING,
     {WIRE_STARTED},
     {WIRE_DATA, WIRE_EOF, WIRE_CREDIT, WIRE_REAPED, WIRE_EXITED}},
    {EXCHANGE_OPENING,
     {WIRE_STARTED, WIRE_REAPED},
     {WIRE_DATA, WIRE_EOF, WIRE_CREDIT, WIRE_EXITED}},
    {EXCHANGE_OPENING, {WIRE_STARTED, WIRE_EXITED}, {0}},
};

/* A frame that carries something. CREDIT has the only channel that it may have. */
static WireHeader
frame(guint32 number, guint type)
{
    guint8 channel = type == WIRE_DATA || type == WIRE_EOF ? WIRE_STDOUT : WIRE_STDIN;

    return (WireHeader){.length = 4, .stream = number, .type = (guint8)type, .channel = channel};
}

static gboolean
receive(Exchanges *exchanges, guint32 number, guint type)
{
    WireHeader header = frame(number, type);

    return exchanges_receive(exchanges, &header);
}

static gboolean
receive_on(Exchanges *exchanges, guint type, WireChannel channel)
{
    WireHeader header = frame(NUMBER, type);

    header.channel = (guint8)channel;
    return exchanges_receive(exchanges, &header);
}

static gboolean
is_allowed(const Case *c, guint type)
{
    for (guint i = 0; i < G_N_ELEMENTS(c->allowed) && c->allowed[i] != 0; i++)
        if (c->allowed[i] == type)
            return TRUE;
    return FALSE;
}

static void
begin(Exchanges *exchanges, const Case *c)
{
    exchanges_init(exchanges);
    exchanges_begin(exchanges, NUMBER, c->first, ALL_CHANNELS);
    for (guint i = 0; i < G_N_ELEMENTS(c->before) && c->before[i] != 0; i++)
        g_assert_true(receive(exchanges, NUMBER, c->before[i]));
}

static void
test_table(gconstpointer data)
{
    const Case *c = data;

    for (guint type = 0; type < TYPES; type++) {
        Exchanges exchanges;

        begin(&exchanges, c);
        g_assert_cmpint(receive(&exchanges, NUMBER, type), ==, is_allowed(c, type));
        exchanges_clear(&exchanges);

        begin(&exchanges, c); /* the host closes the stream */
        exchanges_close(&exchanges, NUMBER);
        g_assert_cmpint(receive(&exchanges, NUMBER, type), ==, is_allowed(c, type));
        exchanges_clear(&exchanges);

        begin(&exchanges, c);
        g_assert_false(receive(&exchanges, NUMBER + 1, type));
        exchanges_clear(&exchanges);
    }
}

/* Before the greeting, the guest may send nothing else. */
static void
test_greeting(void)
{
    Exchanges exchanges;

    exchanges_init(&exchanges);
    exchanges_begin(&exchanges, EXCHANGE_GREETING_NUMBER, EXCHANGE_GREETING, 0);
    exchanges_begin(&exchanges, NUMBER, EXCHANGE_REQUEST, 0);
    g_assert_false(receive(&exchanges, NUMBER, WIRE_OK));
    g_assert_true(receive(&exchanges, EXCHANGE_GREETING_NUMBER, WIRE_HELLO));
    g_assert_false(receive(&exchanges, EXCHANGE_GREETING_NUMBER, WIRE_HELLO));
    g_assert_true(receive(&exchanges, NUMBER, WIRE_OK));
    exchanges_clear(&exchanges);
}

/* Which of DATA and EOF a process with these flags may send on each channel. */
static void
test_channels(void)
{
    static const struct {
        guint32 flags;
        guint8 data[_WIRE_CHANNELS], eof[_WIRE_CHANNELS];
    } all[] = {
        {0, {0, 1, 1, 0}, {1, 1, 1, 0}},
        {START_NO_STDIN | START_CONTROL, {0, 1, 1, 1}, {0, 1, 1, 1}},
        {START_MERGE_STDERR, {0, 1, 0, 0}, {1, 1, 0, 0}},
        {START_TERMINAL, {0, 1, 0, 0}, {1, 1, 0, 0}},
        {START_DISCARD_OUTPUT, {0, 0, 0, 0}, {1, 0, 0, 0}},
    };

    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        for (WireChannel channel = 0; channel < _WIRE_CHANNELS; channel++) {
            Exchanges exchanges;

            exchanges_init(&exchanges);
            exchanges_begin(&exchanges, NUMBER, EXCHANGE_RUNNING, exchanges_channels(all[i].flags));
            g_assert_cmpint(receive_on(&exchanges, WIRE_DATA, channel), ==, all[i].data[channel]);
            g_assert_cmpint(receive_on(&exchanges, WIRE_EOF, channel), ==, all[i].eof[channel]);
            g_assert_false(receive_on(&exchanges, WIRE_DATA, channel));
            /* An agent repeats the end of a control channel. */
            g_assert_cmpint(receive_on(&exchanges, WIRE_EOF, channel), ==,
                            channel == WIRE_CONTROL && all[i].eof[channel]);
            exchanges_clear(&exchanges);
        }
}

/* Channels of frames that have none, and DATA that moves nothing. */
static void
test_odd_headers(void)
{
    WireHeader empty = frame(NUMBER, WIRE_DATA);
    Exchanges exchanges;

    empty.length = 0;
    exchanges_init(&exchanges);
    exchanges_begin(&exchanges, NUMBER, EXCHANGE_OPENING, ALL_CHANNELS);
    g_assert_false(receive_on(&exchanges, WIRE_STARTED, WIRE_STDOUT));
    g_assert_true(receive(&exchanges, NUMBER, WIRE_STARTED));
    g_assert_false(exchanges_receive(&exchanges, &empty));
    g_assert_false(receive_on(&exchanges, WIRE_CREDIT, WIRE_STDOUT));
    g_assert_false(receive_on(&exchanges, WIRE_EXITED, WIRE_CONTROL));
    exchanges_clear(&exchanges);
}

/* An answer to a number that was used after the CLOSE ends the exchange, and an earlier one does
 * not. */
static void
test_closed(void)
{
    Exchanges exchanges;
    guint32 early, closed, late;

    exchanges_init(&exchanges);
    early = exchanges_next_number(&exchanges);
    exchanges_begin(&exchanges, early, EXCHANGE_REQUEST, 0);
    closed = exchanges_next_number(&exchanges);
    exchanges_begin(&exchanges, closed, EXCHANGE_RUNNING, ALL_CHANNELS);
    exchanges_close(&exchanges, closed);
    exchanges_close(&exchanges, closed);
    g_assert_cmpuint(exchanges_count_closed(&exchanges), ==, 1);
    late = exchanges_next_number(&exchanges);
    exchanges_begin(&exchanges, late, EXCHANGE_REQUEST, 0);

    g_assert_true(receive(&exchanges, early, WIRE_OK));
    g_assert_true(receive(&exchanges, closed, WIRE_DATA));
    g_assert_true(receive(&exchanges, late, WIRE_OK));
    g_assert_false(receive(&exchanges, closed, WIRE_DATA));
    g_assert_cmpuint(exchanges_count(&exchanges), ==, 0);
    g_assert_cmpuint(exchanges_count_closed(&exchanges), ==, 0);
    exchanges_clear(&exchanges);
}

/* Silence counts while the guest owes an answer, or the end of a process. */
static void
test_due(void)
{
    Exchanges exchanges;

    exchanges_init(&exchanges);
    exchanges_begin(&exchanges, 1, EXCHANGE_PING, 0);
    g_assert_false(exchanges_are_due(&exchanges));
    exchanges_begin(&exchanges, 2, EXCHANGE_REQUEST, 0);
    exchanges_begin(&exchanges, 3, EXCHANGE_OPENING, ALL_CHANNELS);
    g_assert_true(receive(&exchanges, 2, WIRE_OK));
    g_assert_true(exchanges_are_due(&exchanges));
    g_assert_true(receive(&exchanges, 3, WIRE_STARTED));
    g_assert_true(exchanges_are_due(&exchanges));
    exchanges_set_due(&exchanges, 3, FALSE);
    exchanges_set_due(&exchanges, 3, FALSE);
    g_assert_false(exchanges_are_due(&exchanges));
    exchanges_set_due(&exchanges, 3, TRUE);
    g_assert_true(exchanges_are_due(&exchanges));
    exchanges_close(&exchanges, 3);
    exchanges_set_due(&exchanges, 3, TRUE);
    g_assert_false(exchanges_are_due(&exchanges));
    exchanges_clear(&exchanges);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/exchanges/table/%u", i);

        g_test_add_data_func(path, &cases[i], test_table);
    }
    g_test_add_func("/exchanges/greeting", test_greeting);
    g_test_add_func("/exchanges/channels", test_channels);
    g_test_add_func("/exchanges/odd-headers", test_odd_headers);
    g_test_add_func("/exchanges/closed", test_closed);
    g_test_add_func("/exchanges/due", test_due);
    return g_test_run();
}
