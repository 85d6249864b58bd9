/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-large-frames: only some runners of a sandbox may have a large frame under way. */
#include "large-frames.h"

#include <string.h>

#include "interpreter.h"
#include "scripted-agent.h"

#define LARGE (LARGE_FRAME_MIN + 1)
#define COUNT (LARGE_FRAMES_MAX + 2)

/* --- the bound --- */

static LargeFrame *last_permitted;

static void
on_permitted(gpointer owner)
{
    last_permitted = owner;
}

static void
test_bound(void)
{
    LargeFrame all[COUNT];
    LargeFrames frames;

    large_frames_init(&frames);
    for (guint i = 0; i < COUNT; i++) {
        large_frame_init(&all[i], on_permitted, &all[i]);
        g_assert_true(large_frame_grow(&frames, &all[i], LARGE_FRAME_MIN));
        g_assert_cmpint(large_frame_grow(&frames, &all[i], LARGE), ==, i < LARGE_FRAMES_MAX);
    }
    g_assert_true(large_frame_grow(&frames, &all[0], LARGE));
    g_assert_null(last_permitted);
    large_frame_end(&frames, &all[COUNT - 2]); /* one that waited */
    g_assert_null(last_permitted);
    g_assert_true(large_frame_grow(&frames, &all[0], 0)); /* it is complete */
    g_assert_true(last_permitted == &all[COUNT - 1]);
    g_assert_false(large_frame_grow(&frames, &all[0], LARGE));
    large_frame_end(&frames, &all[1]);
    g_assert_true(last_permitted == &all[0]);
    large_frame_end(&frames, &all[0]);
    large_frame_end(&frames, &all[COUNT - 1]);
    g_assert_cmpuint(frames.permitted, ==, 0);
    g_assert_cmpuint(frames.waiting.length, ==, 0);
}

/* --- runners --- */

static void
on_open(GObject *source, GAsyncResult *result, gpointer data)
{
    g_assert_true(guest_interpreter_open_finish(NULL, result, NULL));
}

static void
expect_credit(ScriptedAgent *agent, guint32 stream)
{
    g_assert_cmpuint(agent_expect(agent, WIRE_CREDIT).stream, ==, stream);
}

/* Brings a runner's frame, which is much larger, to the size that needs no permission. */
static void
begin_frame(ScriptedAgent *agent, guint32 stream)
{
    static guint8 part[WIRE_DATA_MAX];
    static const guint8 header[12] = {0, 0, 16, 0, 1, 0, 0, 0, RUNNER_RESULT};

    for (gsize sent = 0; sent < LARGE_FRAME_MIN; sent += WIRE_DATA_MAX) {
        memset(part, 0, sizeof(part));
        if (sent == 0)
            memcpy(part, header, sizeof(header));
        agent_send_data(agent, stream, WIRE_CONTROL, part, sizeof(part));
        expect_credit(agent, stream);
    }
    agent_send_data(agent, stream, WIRE_CONTROL, "more", 4);
}

static void
test_runners(void)
{
    const GuestRunner runner = {.tag = "tag", .program = "python"};
    GuestInterpreter *all[LARGE_FRAMES_MAX + 1];
    guint32 streams[G_N_ELEMENTS(all)];
    ScriptedAgent agent = {0};

    agent_set_up(&agent);
    agent_greet(&agent, WIRE_VERSION);
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        all[i] = guest_interpreter_new(agent.link, &runner);
        guest_interpreter_open_async(all[i], on_open, NULL);
        streams[i] = agent_expect(&agent, WIRE_ATTACH).stream;
        agent_send_started(&agent, streams[i]);
        begin_frame(&agent, streams[i]);
        if (i < LARGE_FRAMES_MAX)
            expect_credit(&agent, streams[i]);
    }
    agent_expect_nothing(&agent); /* when this has its answer, the host has read the bytes before */
    agent_expect_nothing(&agent);
    agent_send_exited(&agent, streams[0], WIRE_EXIT_STATUS, 0);
    expect_credit(&agent, streams[LARGE_FRAMES_MAX]);
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        guest_interpreter_free(all[i]);
    agent_tear_down(&agent);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/large-frames/bound", test_bound);
    g_test_add_func("/large-frames/runners", test_runners);
    return g_test_run();
}
