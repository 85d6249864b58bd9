/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-polkit: what polkit is asked, what its answers mean, and that nobody waits for another's. */
#include "client.h"
#include "fixture.h"

#define CREATE "org.cloche1.create"
#define USE "org.cloche1.use"
#define MANAGE_OTHERS "org.cloche1.manage-others"
#define WAITING_MAX 64u

static Fixture *fixture;
static GDBusConnection *user;

static GVariant *
control(const char *method, GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = g_dbus_connection_call_sync(fixture->bus, "org.freedesktop.PolicyKit1",
                                                   "/org/freedesktop/PolicyKit1/Authority",
                                                   "org.cloche1.Test.Polkit", method, parameters,
                                                   NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

    g_assert_no_error(error);
    return answer;
}

static void
set_answer(const char *action, const char *answer)
{
    g_variant_unref(control("SetAnswer", g_variant_new("(ss)", action, answer)));
}

/* What was asked since the last time. */
static GVariant *
take_questions(void)
{
    g_autoptr(GVariant) all = control("ListQuestions", NULL);

    return g_variant_get_child_value(all, 0);
}

static void
wait_for_count(guint held, guint cancelled)
{
    guint is_held = G_MAXUINT, are_cancelled = G_MAXUINT;

    while (is_held != held || are_cancelled != cancelled) {
        g_autoptr(GVariant) counts = control("Count", NULL);

        g_variant_get(counts, "(uu)", &is_held, &are_cancelled);
        g_main_context_iteration(NULL, FALSE);
    }
}

static void
set_up(void)
{
    set_answer(CREATE, "yes");
    set_answer(USE, "yes");
    set_answer(MANAGE_OTHERS, "challenge");
    g_variant_unref(control("Change", NULL));
    user = fixture_connect(fixture, OTHER_UID);
    g_variant_unref(take_questions());
}

static void
tear_down(void)
{
    fixture_leave(user);
}

static void
assert_question(GVariant *questions, guint which, const char *action, const char *details)
{
    g_autoptr(GVariant) question = g_variant_get_child_value(questions, which);
    g_autoptr(GVariant) expected =
        g_variant_parse(G_VARIANT_TYPE("a{ss}"), details, NULL, NULL, NULL);
    g_autoptr(GVariant) found = g_variant_get_child_value(question, 1);
    GVariantIter iter;
    const char *asked, *key, *value, *given;

    g_variant_get_child(question, 0, "&s", &asked);
    g_assert_cmpstr(asked, ==, action);
    g_assert_cmpint(g_variant_n_children(found), ==, g_variant_n_children(expected));
    g_variant_iter_init(&iter, expected);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        g_assert_true(g_variant_lookup(found, key, "&s", &given));
        g_assert_cmpstr(given, ==, value);
    }
}

/* --- what is asked --- */

static void
test_details(void)
{
    g_autoptr(GVariant) created = NULL, questions = NULL;

    set_up();
    created = call(user, MANAGER, "CreateSandbox", "({'timeout': <%t>},)", (guint64)77);
    call_fails(user, MANAGER, "RunCode", "Unsupported", "", "('python', '1', @a{sv} {})");
    questions = take_questions();
    g_assert_cmpint(g_variant_n_children(questions), ==, 2);
    assert_question(questions, 0, CREATE,
                    "{'template': 'minimal', 'memory': '64', 'vcpus': '1', 'timeout': '77', "
                    "'network': 'none', 'owner': '65534'}");
    assert_question(questions, 1, CREATE,
                    "{'template': 'minimal', 'memory': '64', 'vcpus': '1', 'timeout': '60', "
                    "'network': 'none', 'owner': '65534'}");
    tear_down();
}

static void
test_use_is_asked_once(void)
{
    g_autofree char *sandbox = NULL, *details = NULL;
    g_autoptr(GVariant) questions = NULL, again = NULL;

    set_up();
    sandbox = create(user);
    g_variant_unref(take_questions());
    g_variant_unref(run_shell(user, sandbox, "true"));
    g_variant_unref(run_shell(user, sandbox, "true"));
    questions = take_questions();
    g_assert_cmpint(g_variant_n_children(questions), ==, 1);
    details = g_strdup_printf("{'sandbox': '%s', 'owner': '65534'}", id_of(sandbox));
    assert_question(questions, 0, USE, details);

    set_answer(USE, "no");
    g_variant_unref(run_shell(user, sandbox, "true")); /* it holds until polkit changes */
    g_variant_unref(control("Change", NULL));
    g_variant_unref(get_property(user, MANAGER, "Version")); /* has come behind the change */
    call_fails(user, sandbox, "Kill", "NotPermitted", USE, "()");
    again = take_questions();
    g_assert_cmpint(g_variant_n_children(again), ==, 1);
    tear_down();
}

static void
test_root_is_not_asked(void)
{
    g_autofree char *sandbox = NULL;
    g_autoptr(GVariant) questions = NULL;

    set_up();
    set_answer(CREATE, "no");
    sandbox = create(fixture->bus);
    kill_sandbox(fixture->bus, sandbox);
    questions = take_questions();
    g_assert_cmpint(g_variant_n_children(questions), ==, 0);
    tear_down();
}

/* --- what answers mean --- */

static void
test_refusals(void)
{
    set_up();
    set_answer(CREATE, "no");
    call_fails(user, MANAGER, "CreateSandbox", "NotPermitted", CREATE, NO_OPTIONS);
    call_fails(user, MANAGER, "RunCode", "NotPermitted", CREATE, "('python', '1', @a{sv} {})");
    set_answer(CREATE, "challenge");
    call_fails(user, MANAGER, "CreateSandbox", "NotPermitted", "password", NO_OPTIONS);
    call_fails(user, MANAGER, "ListSandboxes", "NotPermitted", MANAGE_OTHERS,
               "({'all-users': <true>},)");
    tear_down();
}

static void
test_manage_others(void)
{
    g_autofree char *sandbox = NULL;
    g_autoptr(GVariant) listed = NULL, children = NULL;
    g_autoptr(Listener) listener = NULL;

    set_up();
    sandbox = create(fixture->bus);
    call_fails(user, sandbox, "Run", "NoSuchSandbox", "there is no sandbox",
               "(['true'], @a{sv} {})");
    set_answer(MANAGE_OTHERS, "yes");
    g_variant_unref(run_shell(user, sandbox, "true"));
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "there is no sandbox", "('nosuch',)");

    listed = call(user, MANAGER, "ListSandboxes", "({'all-users': <true>},)");
    children = g_variant_get_child_value(listed, 0);
    g_assert_cmpint(g_variant_n_children(children), >=, 1);
    listener = listener_new(user);
    kill_sandbox(user, sandbox);
    g_variant_unref(listener_wait(listener, MANAGER, "SandboxRemoved"));
    tear_down();
}

/* The question does not tell whether there is such a sandbox. */
static void
test_questions_tell_nothing(void)
{
    g_autofree char *sandbox = NULL, *details = NULL;
    g_autoptr(GVariant) questions = NULL;

    set_up();
    sandbox = create(fixture->bus);
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "", "(%s,)", id_of(sandbox));
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "", "('nosuch',)");
    questions = take_questions();
    g_assert_cmpint(g_variant_n_children(questions), ==, 2);
    details = g_strdup_printf("{'sandbox': '%s'}", id_of(sandbox));
    assert_question(questions, 0, MANAGE_OTHERS, details);
    assert_question(questions, 1, MANAGE_OTHERS, "{'sandbox': 'nosuch'}");
    kill_sandbox(fixture->bus, sandbox);
    tear_down();
}

/* --- waiting --- */

static void
test_nobody_waits_for_a_dialog(void)
{
    g_autoptr(Pending) asked = NULL;
    g_autofree char *sandbox = NULL;

    set_up();
    set_answer(CREATE, "hold");
    asked = call_start(user, MANAGER, "CreateSandbox", NO_OPTIONS);
    wait_for_count(1, 0);
    sandbox = create(fixture->bus);
    g_variant_unref(get_property(user, MANAGER, "Version"));
    g_assert_false(asked->done);
    g_variant_unref(control("Release", g_variant_new("(s)", "yes")));
    pending_wait(asked);
    g_assert_no_error(asked->error);
    kill_sandbox(fixture->bus, sandbox);
    tear_down();
}

static void
test_who_leaves_is_forgotten(void)
{
    g_autoptr(Pending) asked = NULL;
    guint before, held;
    g_autoptr(GVariant) counts = NULL;

    set_up();
    counts = control("Count", NULL);
    g_variant_get(counts, "(uu)", &held, &before);
    set_answer(CREATE, "hold");
    asked = call_start(user, MANAGER, "CreateSandbox", NO_OPTIONS);
    wait_for_count(1, before);
    tear_down();
    wait_for_count(0, before + 1);
    pending_wait(asked);
    g_assert_nonnull(asked->error);
}

static void
test_bound(void)
{
    g_autoptr(GPtrArray) waiting = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);

    set_up();
    set_answer(CREATE, "hold");
    for (guint i = 0; i < WAITING_MAX; i++)
        g_ptr_array_add(waiting, call_start(user, MANAGER, "CreateSandbox", NO_OPTIONS));
    call_fails(user, MANAGER, "CreateSandbox", "Busy", "wait for polkit", NO_OPTIONS);
    g_variant_unref(control("Release", g_variant_new("(s)", "no")));
    for (guint i = 0; i < WAITING_MAX; i++) {
        Pending *pending = waiting->pdata[i];

        pending_wait(pending);
        assert_error(pending->error, "NotPermitted", CREATE);
    }
    tear_down();
}

static void
test_without_polkit(void)
{
    g_autofree char *sandbox = NULL, *own = NULL;

    set_up();
    fixture_stop_polkit(fixture);
    call_fails(user, MANAGER, "CreateSandbox", "NotPermitted", "polkit could not be asked",
               NO_OPTIONS);
    sandbox = create(fixture->bus);
    kill_sandbox(fixture->bus, sandbox);
    fixture_start_polkit(fixture);
    own = create(user);
    kill_sandbox(user, own);
    tear_down();
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/polkit/details", test_details);
    g_test_add_func("/polkit/use-is-asked-once", test_use_is_asked_once);
    g_test_add_func("/polkit/root-is-not-asked", test_root_is_not_asked);
    g_test_add_func("/polkit/refusals", test_refusals);
    g_test_add_func("/polkit/manage-others", test_manage_others);
    g_test_add_func("/polkit/questions-tell-nothing", test_questions_tell_nothing);
    g_test_add_func("/polkit/nobody-waits-for-a-dialog", test_nobody_waits_for_a_dialog);
    g_test_add_func("/polkit/who-leaves-is-forgotten", test_who_leaves_is_forgotten);
    g_test_add_func("/polkit/bound", test_bound);
    g_test_add_func("/polkit/without-polkit", test_without_polkit);
    fixture = fixture_new(&options);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    status = g_test_run();
    fixture_free(fixture);
    return status;
}
