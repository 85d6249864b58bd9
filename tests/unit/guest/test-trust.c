/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-trust: the host sends certificates to agents that know how to add them. */
#include <errno.h>
#include <string.h>

#include "claim.h"
#include "error.h"
#include "scripted-agent.h"

typedef struct {
    gboolean is_done;
    GError *error;
} Answer;

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
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;
    gboolean ok = guest_link_trust_finish(NULL, result, &answer->error);

    g_assert_cmpint(ok, ==, answer->error == NULL);
    answer->is_done = TRUE;
}

static void
test_sent(ScriptedAgent *agent, gconstpointer data)
{
    const char *pem = data;
    Answer answer = {0};
    guint32 number;
    WireReader r;

    agent_greet(agent, WIRE_VERSION);
    guest_link_trust_async(agent->link, pem, on_answer, &answer);
    number = agent_expect(agent, WIRE_TRUST).stream;
    r = agent_fields(agent);
    g_autofree char *sent = wire_get_string(&r, WIRE_CERTIFICATES_MAX);
    g_assert_cmpstr(sent, ==, pem);
    g_assert_cmpint(wire_reader_end(&r), ==, 0);
    g_assert_false(answer.is_done);
    agent_send_empty(agent, number, WIRE_OK);
    agent_wait(&answer.is_done);
    g_assert_no_error(answer.error);
}

static void
test_largest(ScriptedAgent *agent, gconstpointer data)
{
    g_autofree char *pem = g_strnfill(WIRE_CERTIFICATES_MAX, 'x');

    test_sent(agent, pem);
}

static void
expect_error(ScriptedAgent *agent, const char *pem, int code)
{
    Answer answer = {0};

    guest_link_trust_async(agent->link, pem, on_answer, &answer);
    agent_wait(&answer.is_done);
    g_assert_error(answer.error, CLOCHE_ERROR, code);
    g_clear_error(&answer.error);
    agent_expect_nothing(agent);
}

static void
test_too_large(ScriptedAgent *agent, gconstpointer data)
{
    g_autofree char *pem = g_strnfill(WIRE_CERTIFICATES_MAX + 1, 'x');

    agent_greet(agent, WIRE_VERSION);
    expect_error(agent, pem, CLOCHE_ERROR_INVALID_ARGUMENT);
}

static void
test_old_agent(ScriptedAgent *agent, gconstpointer data)
{
    agent_greet(agent, WIRE_VERSION_TRUST - 1);
    expect_error(agent, "pem", CLOCHE_ERROR_UNSUPPORTED);
    expect_error(agent, "", CLOCHE_ERROR_UNSUPPORTED);
}

static void
test_refused(ScriptedAgent *agent, gconstpointer data)
{
    Answer answer = {0};

    agent_greet(agent, WIRE_VERSION);
    guest_link_trust_async(agent->link, "pem", on_answer, &answer);
    agent_send_error(agent, agent_expect(agent, WIRE_TRUST).stream, ENOSPC, WIRE_ABOUT_SYSTEM);
    agent_wait(&answer.is_done);
    g_assert_nonnull(answer.error);
    g_clear_error(&answer.error);
    agent_expect_nothing(agent);
}

#define ADD(name, data, run) g_test_add("/trust/" name, ScriptedAgent, data, set_up, run, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("sent", "-----BEGIN CERTIFICATE-----\n", test_sent);
    ADD("taken-back", "", test_sent);
    ADD("largest", NULL, test_largest);
    ADD("too-large", NULL, test_too_large);
    ADD("old-agent", NULL, test_old_agent);
    ADD("refused", NULL, test_refused);
    return g_test_run();
}
