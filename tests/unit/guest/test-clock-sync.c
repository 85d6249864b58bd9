/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-clock-sync: the host sets the guest's clock when it is needed, and only then. */
#include <errno.h>

#include "scripted-agent.h"

#define LONGER_THAN_LATE_MS 120

static void
set_up(ScriptedAgent *agent, gconstpointer data)
{
    agent_set_up(agent);
}

static void
tear_down(ScriptedAgent *agent, gconstpointer data)
{
    agent_tear_down(agent);
}

/* At most one frame is under way, however often the clock is set. */
static void
test_once(ScriptedAgent *agent, gconstpointer data)
{
    guint64 begin_ns, ns;
    guint32 number;
    WireReader r;

    agent_greet(agent, WIRE_VERSION);
    agent_expect_nothing(agent);
    begin_ns = (guint64)g_get_real_time() * 1000;
    for (guint i = 0; i < 3; i++)
        guest_link_set_clock(agent->link);
    number = agent_expect(agent, WIRE_CLOCK).stream;
    r = agent_fields(agent);
    ns = wire_get_u64(&r);
    g_assert_cmpint(wire_reader_end(&r), ==, 0);
    g_assert_cmpuint(ns, >=, begin_ns);
    g_assert_cmpuint(ns, <=, (guint64)g_get_real_time() * 1000);
    agent_expect_nothing(agent);
    agent_send_empty(agent, number, WIRE_OK);
    agent_expect_nothing(agent); /* the answer came in time */
    guest_link_set_clock(agent->link);
    g_assert_cmpuint(agent_expect(agent, WIRE_CLOCK).stream, >, number);
}

/* A clock that is set before the agent has greeted is set after the greeting. */
static void
test_early(ScriptedAgent *agent, gconstpointer data)
{
    guest_link_set_clock(agent->link);
    agent_greet(agent, WIRE_VERSION);
    agent_expect(agent, WIRE_CLOCK);
    agent_expect_nothing(agent);
}

static void
test_old_agent(ScriptedAgent *agent, gconstpointer data)
{
    guest_link_set_clock(agent->link);
    agent_greet(agent, WIRE_VERSION_CLOCK - 1);
    guest_link_set_clock(agent->link);
    agent_expect_nothing(agent);
}

static void
test_stalled(ScriptedAgent *agent, gconstpointer data)
{
    agent_greet(agent, WIRE_VERSION);
    guest_link_set_stalled(agent->link, TRUE);
    guest_link_set_clock(agent->link);
    agent_expect_nothing(agent);
    guest_link_set_stalled(agent->link, FALSE);
    agent_expect_nothing(agent);
    guest_link_set_clock(agent->link);
    agent_expect(agent, WIRE_CLOCK);
}

static gboolean
on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* A frame whose answer is late is sent again, three times in all. The test must let time pass. */
static void
test_late(ScriptedAgent *agent, gconstpointer data)
{
    agent_greet(agent, WIRE_VERSION);
    guest_link_set_clock(agent->link);
    for (guint i = 0; i < 3; i++) {
        guint32 number = agent_expect(agent, WIRE_CLOCK).stream;
        gboolean is_late = FALSE;

        g_timeout_add(LONGER_THAN_LATE_MS, on_time, &is_late);
        agent_wait(&is_late);
        agent_send_empty(agent, number, WIRE_OK);
    }
    agent_expect_nothing(agent);
}

/* A guest that cannot set its clock keeps it, and the sandbox continues. */
static void
test_refused(ScriptedAgent *agent, gconstpointer data)
{
    agent_greet(agent, WIRE_VERSION);
    guest_link_set_clock(agent->link);
    agent_send_error(agent, agent_expect(agent, WIRE_CLOCK).stream, EINVAL, WIRE_ABOUT_REQUEST);
    agent_expect_nothing(agent);
    guest_link_set_clock(agent->link);
    agent_expect(agent, WIRE_CLOCK);
}

static void
test_malformed(ScriptedAgent *agent, gconstpointer type)
{
    guint8 frame[64];
    WireWriter w;
    guint32 number;

    agent_greet(agent, WIRE_VERSION);
    guest_link_set_clock(agent->link);
    number = agent_expect(agent, WIRE_CLOCK).stream;
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, 1);
    agent_send(agent, &w, number, GPOINTER_TO_UINT(type), WIRE_STDIN);
    agent_wait(&agent->is_lost);
    g_assert_cmpint(agent->loss, ==, GUEST_BROKE_PROTOCOL);
    guest_link_set_clock(agent->link); /* does nothing any more */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, data)                                                                            \
    g_test_add("/clock-sync/" #name "/" #data, ScriptedAgent, GUINT_TO_POINTER(data), set_up,      \
               test_##name, tear_down)
    ADD(once, 0);
    ADD(early, 0);
    ADD(old_agent, 0);
    ADD(stalled, 0);
    ADD(late, 0);
    ADD(refused, 0);
    ADD(malformed, WIRE_OK);
    ADD(malformed, WIRE_ERROR);
    ADD(malformed, WIRE_STARTED);
    return g_test_run();
}
