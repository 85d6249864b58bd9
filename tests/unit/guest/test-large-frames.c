/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-large-frames: only some runners of a sandbox, and of all sandboxes of a user, may have a
 * large frame under way. */
#include "large-frames.h"

#include <string.h>

#include "interpreter.h"
#include "scripted-agent.h"

#define LARGE (LARGE_FRAME_MIN + 1)
#define COUNT (LARGE_FRAMES_EACH + 2)

/* --- the bound --- */

static LargeFrame *last_permitted;

static void
on_permitted(gpointer owner)
{
    last_permitted = owner;
}

/* Returns whether the frame may grow. */
static gboolean
grow(LargeFrame *frame, Slots *slots, guint sandbox, gsize unfinished)
{
    large_frame_grow(frame, slots, GUINT_TO_POINTER(sandbox), unfinished);
    return !large_frame_waits(frame);
}

static void
init_all(LargeFrame *frames, guint count)
{
    for (guint i = 0; i < count; i++)
        large_frame_init(&frames[i], on_permitted, &frames[i]);
    last_permitted = NULL;
}

/* Ends the frame. Returns the one that goes on instead. */
static LargeFrame *
end(LargeFrame *frame)
{
    last_permitted = NULL;
    large_frame_end(frame);
    return last_permitted;
}

static void
test_sandbox(void)
{
    Slots *slots = large_frames_new();
    LargeFrame all[COUNT];

    init_all(all, COUNT);
    for (guint i = 0; i < COUNT; i++) {
        g_assert_true(grow(&all[i], slots, 1, LARGE_FRAME_MIN));
        g_assert_cmpint(grow(&all[i], slots, 1, LARGE), ==, i < LARGE_FRAMES_EACH);
    }
    g_assert_true(grow(&all[0], slots, 1, LARGE));
    g_assert_null(end(&all[COUNT - 2])); /* one that waited */
    last_permitted = NULL;
    g_assert_true(grow(&all[0], slots, 1, 0)); /* it is complete */
    g_assert_true(last_permitted == &all[COUNT - 1]);
    g_assert_false(grow(&all[0], slots, 1, LARGE));
    g_assert_true(end(&all[1]) == &all[0]);
    g_assert_null(end(&all[0]));
    g_assert_null(end(&all[0]));
    g_assert_null(end(&all[COUNT - 1]));
    slots_unref(slots);
}

/* The guest had credit for the rest of a frame that waits. */
static void
test_complete_while_waiting(void)
{
    Slots *slots = large_frames_new();
    LargeFrame all[LARGE_FRAMES_EACH + 1], *last = &all[LARGE_FRAMES_EACH];

    init_all(all, G_N_ELEMENTS(all));
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        grow(&all[i], slots, 1, LARGE);
    g_assert_true(large_frame_waits(last));
    last_permitted = NULL;
    g_assert_true(grow(last, slots, 1, 0));
    g_assert_true(last_permitted == last);
    g_assert_null(end(&all[0])); /* it waits no more */
    g_assert_null(end(&all[1]));
    slots_unref(slots);
}

/* A sandbox that never finishes its frames keeps its own slots, and delays no other sandbox more
 * than that. */
static void
test_user(void)
{
    Slots *slots = large_frames_new();
    LargeFrame hostile[3], good[3], third;

    init_all(hostile, 3);
    init_all(good, 3);
    init_all(&third, 1);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(grow(&hostile[i], slots, 1, LARGE), ==, i < LARGE_FRAMES_EACH);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(grow(&good[i], slots, 2, LARGE), ==, i < LARGE_FRAMES_EACH);
    g_assert_false(grow(&third, slots, 3, LARGE)); /* the user has no slot */
    g_assert_true(end(&good[0]) == &third);        /* has waited longest for a slot of the user */
    g_assert_true(end(&good[1]) == &good[2]);
    g_assert_null(end(&third));
    g_assert_null(end(&good[2]));
    g_assert_true(end(&hostile[0]) == &hostile[2]);
    g_assert_null(end(&hostile[1]));
    g_assert_null(end(&hostile[2]));
    slots_unref(slots);
}

/* A frame that began before the sandbox had its owner gives back the slot that it took. */
static void
test_new_owner(void)
{
    Slots *before = large_frames_new(), *after = large_frames_new();
    LargeFrame all[LARGE_FRAMES_EACH + 2];

    init_all(all, G_N_ELEMENTS(all));
    g_assert_true(grow(&all[0], before, 1, LARGE));
    slots_unref(before);
    for (guint i = 1; i < G_N_ELEMENTS(all); i++)
        g_assert_cmpint(grow(&all[i], after, 1, LARGE), ==, i <= LARGE_FRAMES_EACH);
    g_assert_true(grow(&all[0], after, 1, 2 * LARGE));
    g_assert_null(end(&all[0]));
    g_assert_true(end(&all[1]) == &all[LARGE_FRAMES_EACH + 1]);
    for (guint i = 2; i < G_N_ELEMENTS(all); i++)
        g_assert_null(end(&all[i]));
    slots_unref(after);
}

/* --- runners --- */

#define SANDBOXES (LARGE_FRAMES_ALL / LARGE_FRAMES_EACH + 1)
#define RUNNERS (LARGE_FRAMES_EACH + 1)

typedef struct {
    ScriptedAgent agent;
    GuestInterpreter *runners[RUNNERS];
    guint32 streams[RUNNERS];
    guint count; /* of runners */
} Sandbox;

typedef struct {
    Slots *slots; /* of the user */
    Sandbox sandboxes[SANDBOXES];
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->slots = large_frames_new();
    for (guint i = 0; i < SANDBOXES; i++) {
        agent_set_up(&f->sandboxes[i].agent);
        agent_greet(&f->sandboxes[i].agent, WIRE_VERSION);
    }
}

static void
free_runners(Sandbox *sandbox)
{
    for (; sandbox->count > 0; sandbox->count--)
        guest_interpreter_free(sandbox->runners[sandbox->count - 1]);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < SANDBOXES; i++)
        free_runners(&f->sandboxes[i]);
    for (guint i = 0; i < SANDBOXES; i++)
        agent_tear_down(&f->sandboxes[i].agent);
    slots_unref(f->slots);
}

static void
own_all(Fixture *f)
{
    for (guint i = 0; i < SANDBOXES; i++)
        guest_link_set_owner(f->sandboxes[i].agent.link, /* buffers= */ NULL, f->slots);
}

static void
on_open(GObject *source, GAsyncResult *result, gpointer data)
{
    g_assert_true(guest_interpreter_open_finish(NULL, result, NULL));
}

static void
expect_credit(Sandbox *sandbox, guint runner)
{
    g_assert_cmpuint(agent_expect(&sandbox->agent, WIRE_CREDIT).stream, ==,
                     sandbox->streams[runner]);
}

/* When the second answer has come, the host has read the bytes before. */
static void
expect_nothing(Sandbox *sandbox)
{
    agent_expect_nothing(&sandbox->agent);
    agent_expect_nothing(&sandbox->agent);
}

/* Starts a runner, and brings a frame of it, which is much larger, beyond the size that needs no
 * slot. */
static void
begin_frame(Sandbox *sandbox)
{
    static const GuestRunner runner = {.tag = "tag", .program = "python"};
    static const guint8 header[12] = {0, 0, 16, 0, 1, 0, 0, 0, RUNNER_RESULT};
    guint8 part[WIRE_DATA_MAX] = {0};
    guint i = sandbox->count++;

    sandbox->runners[i] = guest_interpreter_new(sandbox->agent.link, &runner);
    guest_interpreter_open_async(sandbox->runners[i], on_open, NULL);
    sandbox->streams[i] = agent_expect(&sandbox->agent, WIRE_ATTACH).stream;
    agent_send_started(&sandbox->agent, sandbox->streams[i]);
    memcpy(part, header, sizeof(header));
    for (gsize sent = 0; sent < LARGE_FRAME_MIN; sent += WIRE_DATA_MAX) {
        agent_send_data(&sandbox->agent, sandbox->streams[i], WIRE_CONTROL, part, sizeof(part));
        expect_credit(sandbox, i);
        memset(part, 0, sizeof(part));
    }
    agent_send_data(&sandbox->agent, sandbox->streams[i], WIRE_CONTROL, "more", 4);
}

static void
begin_frames(Sandbox *sandbox, guint count)
{
    for (guint i = 0; i < count; i++) {
        begin_frame(sandbox);
        expect_credit(sandbox, sandbox->count - 1);
    }
}

/* The sandboxes but the last use all slots of the user, and the last waits. */
static Sandbox *
exhaust(Fixture *f)
{
    Sandbox *last = &f->sandboxes[SANDBOXES - 1];

    own_all(f);
    for (guint i = 0; i < SANDBOXES - 1; i++)
        begin_frames(&f->sandboxes[i], LARGE_FRAMES_EACH);
    begin_frame(last);
    expect_nothing(last);
    return last;
}

static void
end_runner(Sandbox *sandbox, guint runner)
{
    agent_send_exited(&sandbox->agent, sandbox->streams[runner], WIRE_EXIT_STATUS, 0);
}

static void
test_runners_of_sandbox(Fixture *f, gconstpointer data)
{
    Sandbox *sandbox = &f->sandboxes[0];

    own_all(f);
    begin_frames(sandbox, LARGE_FRAMES_EACH);
    begin_frame(sandbox);
    expect_nothing(sandbox);
    begin_frames(&f->sandboxes[1], LARGE_FRAMES_EACH); /* another sandbox does not wait */
    end_runner(sandbox, 0);
    expect_credit(sandbox, LARGE_FRAMES_EACH);
}

static void
test_end_of_runner(Fixture *f, gconstpointer data)
{
    Sandbox *last = exhaust(f);

    end_runner(&f->sandboxes[0], 0);
    expect_credit(last, 0);
}

static void
test_end_of_link(Fixture *f, gconstpointer data)
{
    Sandbox *last = exhaust(f);

    guest_link_close(f->sandboxes[0].agent.link, "the test closes it");
    expect_credit(last, 0);
    begin_frames(last, 1);
}

/* The link that is freed takes the frame that waits along. */
static void
test_end_of_waiting(Fixture *f, gconstpointer data)
{
    Sandbox *last = exhaust(f);

    guest_link_close(last->agent.link, "the test closes it");
    end_runner(&f->sandboxes[0], 0);
    begin_frames(&f->sandboxes[0], 1);
}

/* Without an owner, each sandbox has its own slots, and a frame that began then does not count for
 * the owner. */
static void
test_without_owner(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < SANDBOXES; i++)
        begin_frames(&f->sandboxes[i], i == 0 ? LARGE_FRAMES_EACH : 1);
    own_all(f);
    for (guint i = 1; i < SANDBOXES; i++)
        begin_frames(&f->sandboxes[i], LARGE_FRAMES_EACH);
    begin_frame(&f->sandboxes[0]);
    expect_nothing(&f->sandboxes[0]);
    end_runner(&f->sandboxes[0], 0);
    expect_nothing(&f->sandboxes[0]);
    end_runner(&f->sandboxes[1], 1);
    expect_credit(&f->sandboxes[0], LARGE_FRAMES_EACH);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/large-frames/sandbox", test_sandbox);
    g_test_add_func("/large-frames/complete-while-waiting", test_complete_while_waiting);
    g_test_add_func("/large-frames/user", test_user);
    g_test_add_func("/large-frames/new-owner", test_new_owner);
#define ADD(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)
    ADD("/large-frames/runners-of-sandbox", test_runners_of_sandbox);
    ADD("/large-frames/end-of-runner", test_end_of_runner);
    ADD("/large-frames/end-of-link", test_end_of_link);
    ADD("/large-frames/end-of-waiting", test_end_of_waiting);
    ADD("/large-frames/without-owner", test_without_owner);
    return g_test_run();
}
