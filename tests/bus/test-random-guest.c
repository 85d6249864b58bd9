/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-random-guest: guests that send random frames in random order harm neither the service nor
 * other sandboxes, also when the service is restarted in between.
 *
 * It takes CLOCHE_RANDOM_SECONDS seconds, or else SECONDS. GLib prints the seed at the beginning;
 * the option --seed repeats it, but not the times at which things happen.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

#define SECONDS 25
#define NEIGHBOUR_S ((guint64)86000) /* its timeout */
#define SANDBOXES 5
#define CALLS_MAX 40      /* under way */
#define CALLS_OF_ROUND 12 /* at most */
#define ROUND_MS 100
#define PROCESSES 5 /* whose numbers are tried */

static Fixture *fixture;
static char *neighbour; /* a sandbox with a real agent */
static GPtrArray *sandboxes, *calls;

static guint
below(guint limit)
{
    return (guint)g_test_rand_int_range(0, (gint32)limit);
}

/* Sets the agents that start from now on; NULL: the real agent. */
static void
set_agent(const char *name)
{
    g_autofree char *path = g_build_filename(fixture->control, name ? name : "agent", NULL);

    unlink(path);
    if (!name)
        return;
    g_assert_cmpint(symlink(g_getenv("RANDOM_AGENT"), path), ==, 0);
    fixture_set_control(fixture, "agent", path);
}

/* A guest may be lost while it is claimed. */
static void
add_sandbox(void)
{
    g_autofree char *name = g_strdup_printf("random-%u", below(G_MAXINT32));
    g_autoptr(Pending) pending = NULL;
    char *sandbox;

    set_agent(name);
    pending = call_start(fixture->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    pending_wait(pending);
    set_agent(NULL);
    if (!pending->answer)
        return;
    g_variant_get(pending->answer, "(o)", &sandbox);
    g_ptr_array_add(sandboxes, sandbox);
}

/* --- calls, whose answers are not looked at --- */

static const struct {
    const char *method, *words;
} methods[] = {
    {"Run", "(['x'], @a{sv} {})"},
    {"Run", "(['x'], {'stdin': <b'input'>})"},
    {"Start", "(['x'], @a{sv} {})"},
    {"Start", "(['x'], {'keep': <true>, 'tag': <'t'>})"},
    {"Start", "(['x'], {'keep': <true>, 'detached': <true>})"},
    {"OpenTerminal", "(@q 80, @q 24, {'keep': <true>})"},
    {"ListProcesses", "()"},
    {"ReadFile", "('/x', @a{sv} {})"},
    {"ListDirectory", "('/x', @a{sv} {})"},
    {"Stat", "('/x', @a{sv} {})"},
    {"ReadLink", "('/x', @a{sv} {})"},
    {"Remove", "('/x', @a{sv} {})"},
    {"Watch", "('/x', @a{sv} {})"},
    {"Download", "('/x', @a{sv} {})"},
    {"OpenPort", "(@q 80, @a{sv} {})"},
    {"ListPorts", "()"},
    {"RunCode", "('x', @a{sv} {})"},
    {"RunCode", "('x', @a{sv} {})"},
    {"RunCode", "('x', {'timeout': <@t 1>})"},
    {"RunCode", "('x', {'context': <'python-1'>})"},
    {"StreamCode", "('x', @a{sv} {})"},
    {"StreamCode", "('x', {'context': <'python-1'>})"},
    {"IsComplete", "('x', @a{sv} {})"},
    {"CreateContext", "(@a{sv} {},)"},
    {"CreateContext", "({'cwd': <'/x'>},)"},
    {"ListContexts", "()"},
    {"RestartContext", "('python',)"},
    {"RestartContext", "('python-1',)"},
    {"InterruptContext", "('python',)"},
    {"RemoveContext", "('python',)"},
    {"RemoveContext", "('python-1',)"},
    {"SetTimeout", "(@t 100,)"},
};

static const struct {
    const char *method, *words;
} process_methods[] = {
    {"Signal", "(2,)"}, {"Kill", "()"}, {"Attach", "()"}, {"Wait", "()"}, {"CloseInput", "()"},
};

static void
begin_call(const char *sandbox)
{
    g_autofree char *process =
        g_strdup_printf(PROCESS_PREFIX "%s_%u", id_of(sandbox), below(PROCESSES) + 1);
    guint i = below(G_N_ELEMENTS(methods) + G_N_ELEMENTS(process_methods));

    if (i < G_N_ELEMENTS(methods))
        g_ptr_array_add(calls,
                        call_start(fixture->bus, sandbox, methods[i].method, methods[i].words));
    else
        g_ptr_array_add(calls, call_start(fixture->bus, process,
                                          process_methods[i - G_N_ELEMENTS(methods)].method,
                                          process_methods[i - G_N_ELEMENTS(methods)].words));
}

static void
drop_answered(void)
{
    for (guint i = calls->len; i > 0; i--)
        if (((Pending *)calls->pdata[i - 1])->done)
            g_ptr_array_remove_index_fast(calls, i - 1);
}

/* --- rounds --- */

static void
kill_one(guint index)
{
    g_autofree char *sandbox = g_ptr_array_steal_index_fast(sandboxes, index);

    g_ptr_array_add(calls, call_start(fixture->bus, sandbox, "Kill", "()"));
}

/* A sandbox whose guest has broken the protocol is gone. */
static void
find_living(void)
{
    g_autoptr(GVariant) answer = call(fixture->bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    g_ptr_array_set_size(sandboxes, 0);
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        const char *sandbox;

        g_variant_get_child(entry, 0, "&o", &sandbox);
        if (!g_str_equal(sandbox, neighbour))
            g_ptr_array_add(sandboxes, g_strdup(sandbox));
    }
}

static void
play_round(void)
{
    drop_answered();
    find_living();
    if (sandboxes->len < SANDBOXES)
        add_sandbox();
    for (guint i = below(CALLS_OF_ROUND); i > 0 && sandboxes->len > 0 && calls->len < CALLS_MAX;
         i--)
        begin_call(sandboxes->pdata[below(sandboxes->len)]);
    run_loop_for(below(ROUND_MS));
    if (sandboxes->len > 0 && (below(8) == 0 || calls->len >= CALLS_MAX))
        kill_one(below(sandboxes->len));
    g_variant_unref(call(fixture->bus, MANAGER, "ListTemplates", "()")); /* it has not crashed */
    if (below(10) == 0)
        fixture_restart(fixture, below(2) == 0 ? SIGTERM : SIGKILL);
}

static void
test_random(void)
{
    const char *text = g_getenv("CLOCHE_RANDOM_SECONDS");
    gint64 seconds = text ? strtoll(text, NULL, 10) : SECONDS;
    gint64 end_us = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    g_autoptr(GVariant) ran = NULL;

    sandboxes = g_ptr_array_new_with_free_func(g_free);
    calls = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);
    while (g_get_monotonic_time() < end_us)
        play_round();
    while (sandboxes->len > 0)
        kill_one(0);
    g_ptr_array_unref(calls); /* waits for all answers */
    g_ptr_array_unref(sandboxes);
    ran = run_shell(fixture->bus, neighbour, "true");
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {
        .target = 0, .has_python = TRUE, .python_runners = "", .default_template = "python"};
    g_autoptr(GVariant) made = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/random-guest/frames", test_random);
    fixture = fixture_new(&options);
    made = call(fixture->bus, MANAGER, "CreateSandbox", "({'timeout': <%t>},)", NEIGHBOUR_S);
    g_variant_get(made, "(o)", &neighbour);
    status = g_test_run();
    g_free(neighbour);
    fixture_free(fixture);
    return status;
}
