/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-unsent: what a guest does not read is bounded, and charged to the owner of its sandbox. */
#include "unsent.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "large-frames.h"
#include "scripted-agent.h"

#define KIB 1024u
#define MIB (1024u * KIB)
#define SIGNAL_SIZE (WIRE_HEADER_SIZE + 4u + 1u)
/* More than the two sockets hold. */
#define SOCKETS_SIZE MIB

static guint8 zeros[UNSENT_END];

/* --- the bytes --- */

typedef struct {
    int fds[2];
    Budget *budget;
    Unsent unsent;
} Bytes;

/* A socket that takes nothing more. */
static void
set_up_bytes(Bytes *f, gconstpointer max)
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->fds), ==,
                    0);
    while (send(f->fds[0], zeros, KIB, MSG_NOSIGNAL) > 0)
        ;
    f->budget = budget_new(GPOINTER_TO_UINT(max), /* whole= */ NULL);
    unsent_init(&f->unsent);
    unsent_set_budget(&f->unsent, f->budget);
}

static void
tear_down_bytes(Bytes *f, gconstpointer data)
{
    unsent_clear(&f->unsent);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    budget_unref(f->budget);
    close(f->fds[0]);
    close(f->fds[1]);
}

static void
add(Bytes *f, gsize size)
{
    unsent_add(&f->unsent, f->fds[0], zeros, size);
}

/* The other side reads until no more than `left` bytes are unsent. */
static void
read_until(Bytes *f, gsize left)
{
    while (unsent_size(&f->unsent) > left) {
        g_assert_cmpint(recv(f->fds[1], zeros, KIB, MSG_DONTWAIT), >, 0);
        g_assert_cmpint(unsent_send(&f->unsent, f->fds[0]), ==, 0);
    }
}

static void
test_end(Bytes *f, gconstpointer data)
{
    add(f, UNSENT_END);
    g_assert_false(unsent_is_excessive(&f->unsent));
    add(f, 1);
    g_assert_true(unsent_is_excessive(&f->unsent));
}

/* The budget has no room for anything. */
static void
test_unpaid_end(Bytes *f, gconstpointer data)
{
    add(f, UNSENT_FREE + UNSENT_UNPAID_END);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    g_assert_false(unsent_is_excessive(&f->unsent));
    add(f, 1);
    g_assert_true(unsent_is_excessive(&f->unsent));
}

static void
test_charge(Bytes *f, gconstpointer data)
{
    add(f, UNSENT_FREE);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    add(f, MIB);
    g_assert_cmpuint(budget_used(f->budget), ==, 2 * MIB);
    read_until(f, UNSENT_FREE + MIB / 2); /* a socket takes less at once */
    g_assert_cmpuint(unsent_size(&f->unsent), >, UNSENT_FREE);
    g_assert_cmpuint(budget_used(f->budget), ==, 2 * MIB); /* the memory is still there */
    read_until(f, UNSENT_FREE);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    add(f, 2 * MIB);
    unsent_drop(&f->unsent);
    g_assert_cmpuint(unsent_size(&f->unsent), ==, 0);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
}

static void
test_new_budget(Bytes *f, gconstpointer data)
{
    g_autoptr(Budget) other = budget_new(4 * MIB, /* whole= */ NULL);

    add(f, UNSENT_FREE + MIB);
    unsent_set_budget(&f->unsent, other);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    g_assert_cmpuint(budget_used(other), ==, 2 * MIB);
    unsent_set_budget(&f->unsent, f->budget);
    g_assert_cmpuint(budget_used(other), ==, 0);
}

static void
assert_room(Bytes *f, gsize size, int code)
{
    g_autoptr(GError) error = NULL;

    if (code < 0) {
        g_assert_true(unsent_check_room(&f->unsent, size, &error));
        g_assert_no_error(error);
        return;
    }
    g_assert_false(unsent_check_room(&f->unsent, size, &error));
    g_assert_error(error, CLOCHE_ERROR, code);
}

static void
test_room(Bytes *f, gconstpointer data)
{
    add(f, UNSENT_MAX);
    assert_room(f, 1, -1);
    add(f, 1);
    assert_room(f, 1, CLOCHE_ERROR_BUSY);
}

static void
test_room_of_budget(Bytes *f, gconstpointer data)
{
    assert_room(f, UNSENT_FREE + MIB, -1);
    assert_room(f, UNSENT_FREE + MIB + 1, CLOCHE_ERROR_QUOTA_EXCEEDED);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    add(f, UNSENT_FREE);
    assert_room(f, MIB, -1);
    assert_room(f, MIB + 1, CLOCHE_ERROR_QUOTA_EXCEEDED);
}

/* --- links --- */

typedef struct {
    ScriptedAgent agent;
    Budget *budget;
    Slots *slots;
    GuestStream *stream;
    guint32 number;
    guint answers; /* signals that are sent for each frame that arrives */
    gsize sent;    /* bytes of these */
    gboolean gives_credit, is_received, is_started;
} Fixture;

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
    ((Fixture *)data)->is_started = TRUE;
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    Fixture *f = data;

    for (guint i = 0; i < f->answers; i++)
        guest_stream_signal(stream, 1);
    f->sent += f->answers * SIGNAL_SIZE;
    if (f->gives_credit)
        guest_stream_credit(stream, channel, size);
    f->is_received = TRUE;
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    guest_stream_free(stream);
}

static const GuestStreamEvents events = {on_started, on_received, on_ended};

/* `size`: of the arguments. */
static GuestStream *
open_stream(Fixture *f, gsize size, GError **error)
{
    g_autofree char *text = g_strnfill(size, 'a');
    const char *const argv[] = {"true", text, NULL};

    return guest_stream_start(f->agent.link, &(GuestStart){.argv = argv}, &events, f, error);
}

static void
set_up(Fixture *f, gconstpointer max)
{
    agent_set_up(&f->agent);
    agent_greet(&f->agent, WIRE_VERSION);
    f->budget = budget_new(GPOINTER_TO_UINT(max), /* whole= */ NULL);
    f->stream = open_stream(f, 1, /* error= */ NULL);
    f->number = agent_expect(&f->agent, WIRE_START).stream;
    agent_send_started(&f->agent, f->number);
    agent_wait(&f->is_started);
    f->slots = large_frames_new();
    guest_link_set_owner(f->agent.link, f->budget, f->slots);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    agent_tear_down(&f->agent);
    slots_unref(f->slots);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    budget_unref(f->budget);
}

/* Sends a byte, which the host answers. */
static void
provoke(Fixture *f)
{
    f->is_received = FALSE;
    agent_send_data(&f->agent, f->number, WIRE_STDOUT, zeros, 1);
    agent_wait(&f->is_received);
}

/* Lets everything happen that is due. */
static void
run_due(void)
{
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ;
}

/* The guest sends frames that cause answers, and reads none: it is lost when `end` bytes are
 * unsent. */
static void
provoke_until(Fixture *f, gsize end)
{
    f->answers = 64 * KIB / SIGNAL_SIZE;
    while (f->sent + 64 * KIB <= end)
        provoke(f);
    run_due();
    g_assert_false(f->agent.is_lost);
    while (!f->agent.is_lost) {
        provoke(f);
        run_due();
    }
    g_assert_cmpuint(f->sent, <=, end + SOCKETS_SIZE);
    g_assert_cmpint(f->agent.loss, ==, GUEST_BROKE_PROTOCOL);
    g_assert_cmpuint(budget_used(f->budget), ==, 0); /* though the link is not freed yet */
}

static void
test_answers(Fixture *f, gconstpointer data)
{
    provoke_until(f, UNSENT_END);
}

static void
test_unpaid_answers(Fixture *f, gconstpointer data)
{
    provoke_until(f, UNSENT_FREE + UNSENT_UNPAID_END);
}

/* Credit is added up until the guest reads again. */
static void
test_no_credit(Fixture *f, gconstpointer data)
{
    guint opened = 0;
    WireReader r;

    f->gives_credit = TRUE;
    for (; budget_used(f->budget) == 0; opened++)
        g_assert_nonnull(open_stream(f, 200 * KIB, /* error= */ NULL));
    for (guint i = 0; i < 3; i++)
        provoke(f);
    for (; opened > 0; opened--)
        agent_expect(&f->agent, WIRE_START);
    agent_expect(&f->agent, WIRE_CREDIT);
    r = agent_fields(&f->agent);
    g_assert_cmpuint(wire_get_u32(&r), ==, 3);
}

/* The guest reads nothing: the budget bounds what is kept for it, and has it back at the end. */
static void
test_refused(Fixture *f, gconstpointer max)
{
    g_autoptr(GError) error = NULL;
    gsize opened = 0;

    while (open_stream(f, 200 * KIB, &error))
        opened++;
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED);
    g_assert_cmpuint(budget_used(f->budget), <=, GPOINTER_TO_UINT(max));
    g_assert_cmpuint(budget_used(f->budget) + 2 * 201 * KIB, >, GPOINTER_TO_UINT(max));
    run_due();
    g_assert_false(f->agent.is_lost);
    for (; opened > 0; opened--)
        agent_expect(&f->agent, WIRE_START);
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    g_assert_nonnull(open_stream(f, 200 * KIB, /* error= */ NULL));
}

/* Another sandbox of the owner still opens streams. */
static void
test_close(Fixture *f, gconstpointer max)
{
    Fixture other = {0};

    while (open_stream(f, 200 * KIB, /* error= */ NULL))
        ;
    agent_set_up(&other.agent);
    agent_greet(&other.agent, WIRE_VERSION);
    guest_link_set_owner(other.agent.link, f->budget, f->slots);
    g_assert_nonnull(open_stream(&other, 200 * KIB, /* error= */ NULL));
    guest_link_close(f->agent.link, "the test closes it");
    g_assert_cmpuint(budget_used(f->budget), ==, 0);
    agent_tear_down(&other.agent);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define BYTES(name, max, function)                                                                 \
    g_test_add("/unsent/" name, Bytes, GUINT_TO_POINTER(max), set_up_bytes, function,              \
               tear_down_bytes)
    BYTES("end", 64 * MIB, test_end);
    BYTES("unpaid-end", 1, test_unpaid_end);
    BYTES("charge", 64 * MIB, test_charge);
    BYTES("new-budget", 64 * MIB, test_new_budget);
    BYTES("room", 64 * MIB, test_room);
    BYTES("room-of-budget", 2 * MIB, test_room_of_budget);
#define LINK(name, max, function)                                                                  \
    g_test_add("/unsent/" name, Fixture, GUINT_TO_POINTER(max), set_up, function, tear_down)
    LINK("answers", 64 * MIB, test_answers);
    LINK("unpaid-answers", 1, test_unpaid_answers);
    LINK("no-credit", 64 * MIB, test_no_credit);
    LINK("refused", 4 * MIB, test_refused);
    LINK("close", 4 * MIB, test_close);
    return g_test_run();
}
