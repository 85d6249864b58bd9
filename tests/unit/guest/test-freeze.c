/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-freeze: the host freezes and thaws the processes of agents that know these requests. */
#include <errno.h>

#include "error.h"
#include "scripted-agent.h"

typedef struct {
    gboolean is_done;
    GError *error;
} Answer;

typedef struct {
    WireType type;
    void (*begin)(GuestLink *link, GAsyncReadyCallback callback, gpointer data);
    gboolean (*finish)(GuestLink *link, GAsyncResult *result, GError **error);
    gboolean has_time;
} Request;

static const Request freeze = {WIRE_FREEZE, guest_link_freeze_async, guest_link_freeze_finish,
                               FALSE};
static const Request thaw = {WIRE_THAW, guest_link_thaw_async, guest_link_thaw_finish, TRUE};

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

static void
take_answer(const Request *request, GAsyncResult *result, Answer *answer)
{
    gboolean ok = request->finish(NULL, result, &answer->error);

    g_assert_cmpint(ok, ==, answer->error == NULL);
    answer->is_done = TRUE;
}

static void
on_frozen(GObject *source, GAsyncResult *result, gpointer data)
{
    take_answer(&freeze, result, data);
}

static void
on_thawed(GObject *source, GAsyncResult *result, gpointer data)
{
    take_answer(&thaw, result, data);
}

static void
begin(ScriptedAgent *agent, const Request *request, Answer *answer)
{
    request->begin(agent->link, request == &freeze ? on_frozen : on_thawed, answer);
}

/* The number of the request, whose fields are right. */
static guint32
expect(ScriptedAgent *agent, const Request *request, gint64 before_us)
{
    guint32 number = agent_expect(agent, request->type).stream;
    WireReader r = agent_fields(agent);

    if (request->has_time) {
        guint64 ns = wire_get_u64(&r);

        g_assert_cmpuint(ns, >=, (guint64)before_us * 1000);
        g_assert_cmpuint(ns, <=, (guint64)g_get_real_time() * 1000);
    }
    g_assert_cmpint(wire_reader_end(&r), ==, 0);
    return number;
}

static void
test_sent(ScriptedAgent *agent, gconstpointer data)
{
    Answer answer = {0};
    gint64 before_us = g_get_real_time();
    guint32 number;

    agent_greet(agent, WIRE_VERSION_FREEZE);
    begin(agent, data, &answer);
    number = expect(agent, data, before_us);
    agent_expect_nothing(agent);
    g_assert_false(answer.is_done);
    agent_send_empty(agent, number, WIRE_OK);
    agent_wait(&answer.is_done);
    g_assert_no_error(answer.error);
}

static void
expect_error(ScriptedAgent *agent, const Request *request, guint32 errnum, WireObject about,
             int code)
{
    Answer answer = {0};

    begin(agent, request, &answer);
    agent_send_error(agent, agent_expect(agent, request->type).stream, errnum, about);
    agent_wait(&answer.is_done);
    g_assert_error(answer.error, CLOCHE_ERROR, code);
    g_clear_error(&answer.error);
}

static void
test_refused(ScriptedAgent *agent, gconstpointer data)
{
    agent_greet(agent, WIRE_VERSION);
    expect_error(agent, data, EBUSY, WIRE_ABOUT_SYSTEM, CLOCHE_ERROR_BUSY);
    expect_error(agent, data, ENOENT, WIRE_ABOUT_SYSTEM, CLOCHE_ERROR_OUT_OF_RESOURCES);
    expect_error(agent, data, EINVAL, WIRE_ABOUT_REQUEST, CLOCHE_ERROR_INVALID_ARGUMENT);
    agent_expect_nothing(agent);
    g_assert_false(agent->is_lost);
}

static void
test_old_agent(ScriptedAgent *agent, gconstpointer data)
{
    Answer answer = {0};

    agent_greet(agent, WIRE_VERSION_FREEZE - 1);
    begin(agent, data, &answer);
    agent_wait(&answer.is_done);
    g_assert_error(answer.error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED);
    g_clear_error(&answer.error);
    agent_expect_nothing(agent);
}

static void
test_lost(ScriptedAgent *agent, gconstpointer data)
{
    Answer answer = {0};

    agent_greet(agent, WIRE_VERSION);
    begin(agent, data, &answer);
    guest_link_close(agent->link, "the machine has ended");
    agent_wait(&answer.is_done);
    g_assert_error(answer.error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_clear_error(&answer.error);
}

/* The agent answers other requests while it waits for the processes. */
static void
test_answers_between(ScriptedAgent *agent, gconstpointer data)
{
    Answer frozen = {0}, thawed = {0};
    guint32 number;

    agent_greet(agent, WIRE_VERSION);
    begin(agent, &freeze, &frozen);
    number = agent_expect(agent, WIRE_FREEZE).stream;
    begin(agent, &thaw, &thawed);
    agent_send_empty(agent, agent_expect(agent, WIRE_THAW).stream, WIRE_OK);
    agent_wait(&thawed.is_done);
    g_assert_no_error(thawed.error);
    g_assert_false(frozen.is_done);
    agent_send_error(agent, number, EBUSY, WIRE_ABOUT_SYSTEM);
    agent_wait(&frozen.is_done);
    g_assert_error(frozen.error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_clear_error(&frozen.error);
}

#define ADD(name, data, run)                                                                       \
    g_test_add("/freeze/" name, ScriptedAgent, data, set_up, run, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("freeze/sent", &freeze, test_sent);
    ADD("freeze/refused", &freeze, test_refused);
    ADD("freeze/old-agent", &freeze, test_old_agent);
    ADD("freeze/lost", &freeze, test_lost);
    ADD("thaw/sent", &thaw, test_sent);
    ADD("thaw/refused", &thaw, test_refused);
    ADD("thaw/old-agent", &thaw, test_old_agent);
    ADD("thaw/lost", &thaw, test_lost);
    ADD("answers-between", NULL, test_answers_between);
    return g_test_run();
}
