/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-polkit: the service asks polkit for the right action, obeys the answer, and lets no caller
 * wait for another's password.
 */
#include <signal.h>
#include <string.h>

#include "client.h"
#include "polkit.h"
#include "walk.h"

#define CREATE "org.cloche1.create"
#define USE "org.cloche1.use"
#define MANAGE_OTHERS "org.cloche1.manage-others"
#define WAITING_MAX 64u
#define OWNER_UID 1

static Fixture *fixture;
static GDBusConnection *user;  /* OTHER_UID, a new one for each test */
static GDBusConnection *owner; /* OWNER_UID */

static void
set_up(void)
{
    static const char *const actions[] = {CREATE, USE, MANAGE_OTHERS};

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        polkit_set_answer(fixture, actions[i], "");
    user = fixture_connect(fixture, OTHER_UID);
    polkit_forget_questions(fixture);
}

static void
tear_down(void)
{
    fixture_leave(user);
}

/* The next question must be about this caller, action and details. */
static void
assert_question(GDBusConnection *caller, const char *action, const char *details)
{
    g_autoptr(PolkitQuestion) question = polkit_take_question(fixture);
    g_autoptr(GVariant) expected =
        g_variant_parse(G_VARIANT_TYPE("a{ss}"), details, NULL, NULL, NULL);
    GVariantIter iter;
    const char *key, *value, *given;

    g_assert_cmpstr(question->action, ==, action);
    g_assert_cmpstr(question->subject, ==, g_dbus_connection_get_unique_name(caller));
    g_assert_false(question->is_interactive);
    g_assert_cmpint(g_variant_n_children(question->details), ==, g_variant_n_children(expected));
    g_variant_iter_init(&iter, expected);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        g_assert_true(g_variant_lookup(question->details, key, "&s", &given));
        g_assert_cmpstr(given, ==, value);
    }
}

static void
assert_asked_nothing(void)
{
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 0);
}

/* --- questions --- */

static void
test_create(void)
{
    g_autoptr(GVariant) created = NULL;
    const char *sandbox;

    set_up();
    created = call(user, MANAGER, "CreateSandbox", "({'timeout': <%t>},)", (guint64)77);
    assert_question(user, CREATE,
                    "{'template': 'minimal', 'memory': '64', 'vcpus': '1', 'timeout': '77', "
                    "'network': 'none', 'owner': '65534'}");
    call_fails(user, MANAGER, "RunCode", "Unsupported", "", "('python', '1', @a{sv} {})");
    assert_question(user, CREATE,
                    "{'template': 'minimal', 'memory': '64', 'vcpus': '1', 'timeout': '60', "
                    "'network': 'none', 'owner': '65534'}");
    assert_asked_nothing();
    g_variant_get(created, "(&o)", &sandbox);
    kill_sandbox(user, sandbox);
    tear_down();
}

/* A question to an administrator contains no text that the caller has chosen. */
static void
test_unknown_template(void)
{
    set_up();
    call_fails(user, MANAGER, "CreateSandbox", "NoSuchTemplate", "no such",
               "({'template': <'no such'>},)");
    assert_question(user, CREATE, "{'timeout': '300', 'network': 'none', 'owner': '65534'}");
    tear_down();
}

static void
test_use(void)
{
    g_autofree char *sandbox = NULL, *details = NULL;

    set_up();
    sandbox = create(user);
    polkit_forget_questions(fixture);
    g_variant_unref(run_shell(user, sandbox, "true"));
    g_variant_unref(run_shell(user, sandbox, "true"));
    details = g_strdup_printf("{'sandbox': '%s', 'owner': '65534'}", id_of(sandbox));
    assert_question(user, USE, details);
    assert_asked_nothing();

    polkit_set_answer(fixture, USE, "no");
    g_variant_unref(run_shell(user, sandbox, "true")); /* the answer is valid until Changed */
    polkit_change(fixture);
    call_fails(user, sandbox, "Kill", "NotPermitted", USE, "()");
    call_fails(user, MANAGER, "KillSandbox", "NotPermitted", USE, "(%s,)", id_of(sandbox));
    call_fails(user, sandbox, "org.freedesktop.DBus.Properties.GetAll", "NotPermitted", USE,
               "('org.cloche1.Sandbox',)");
    kill_sandbox(fixture->bus, sandbox);
    tear_down();
}

static void
test_root_is_not_asked(void)
{
    g_autofree char *sandbox = NULL, *of_user = NULL;

    set_up();
    of_user = create(user);
    polkit_forget_questions(fixture);
    polkit_set_answer(fixture, CREATE, "no");
    sandbox = create(fixture->bus);
    kill_sandbox(fixture->bus, sandbox);
    kill_sandbox(fixture->bus, of_user);
    assert_asked_nothing();
    tear_down();
}

/* Methods that show only the caller's own sandboxes, or nothing of any user, need no permission. */
static void
test_what_is_open(void)
{
    set_up();
    g_variant_unref(call(user, MANAGER, "ListTemplates", "()"));
    g_variant_unref(call(user, MANAGER, "ListSandboxes", NO_OPTIONS));
    g_variant_unref(call(user, MANAGER, "GetQuota", "()"));
    g_variant_unref(
        call(user, MANAGER, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", "()"));
    g_variant_unref(get_property(user, MANAGER, "Pool"));
    assert_asked_nothing();
    tear_down();
}

/* --- effects of answers --- */

static void
test_refusals(void)
{
    set_up();
    polkit_set_answer(fixture, CREATE, "no");
    call_fails(user, MANAGER, "CreateSandbox", "NotPermitted", CREATE, NO_OPTIONS);
    call_fails(user, MANAGER, "RunCode", "NotPermitted", CREATE, "('python', '1', @a{sv} {})");
    polkit_set_answer(fixture, CREATE, "auth");
    call_fails(user, MANAGER, "CreateSandbox", "NotPermitted", "password", NO_OPTIONS);
    call_fails(user, MANAGER, "ListSandboxes", "NotPermitted", MANAGE_OTHERS,
               "({'all-users': <true>},)");
    tear_down();
}

static void
assert_interactive(gboolean is_interactive)
{
    g_autoptr(PolkitQuestion) question = polkit_take_question(fixture);

    g_assert_cmpint(question->is_interactive, ==, is_interactive);
}

static Pending *
create_interactively(void)
{
    return call_start_interactively(user, MANAGER, "CreateSandbox", NO_OPTIONS);
}

/* polkit is asked without a dialog first. */
static void
test_dialog(void)
{
    g_autoptr(Pending) permitted = NULL, refused = NULL, allowed = NULL;
    const char *sandbox;

    set_up();
    permitted = create_interactively();
    assert_interactive(FALSE);
    pending_wait(permitted);
    g_assert_no_error(permitted->error);
    assert_asked_nothing();
    g_variant_get(permitted->answer, "(&o)", &sandbox);
    kill_sandbox(fixture->bus, sandbox);

    polkit_set_answer(fixture, CREATE, "auth");
    refused = create_interactively();
    assert_interactive(FALSE);
    assert_interactive(TRUE);
    polkit_release(fixture, FALSE);
    pending_wait(refused);
    assert_error(refused->error, "NotPermitted", CREATE);

    allowed = create_interactively();
    assert_interactive(FALSE);
    assert_interactive(TRUE);
    polkit_release(fixture, TRUE);
    pending_wait(allowed);
    g_assert_no_error(allowed->error);
    g_variant_get(allowed->answer, "(&o)", &sandbox);
    kill_sandbox(fixture->bus, sandbox);
    assert_asked_nothing();
    tear_down();
}

/* --- others' sandboxes --- */

/* The question does not show whether the sandbox exists. */
static void
test_questions_tell_nothing(void)
{
    g_autofree char *sandbox = NULL, *details = NULL;

    set_up();
    sandbox = create(owner);
    polkit_forget_questions(fixture);
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "", "(%s,)", id_of(sandbox));
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "", "('nosuch',)");
    details = g_strdup_printf("{'sandbox': '%s'}", id_of(sandbox));
    assert_question(user, MANAGE_OTHERS, details);
    assert_question(user, MANAGE_OTHERS, "{'sandbox': 'nosuch'}");
    kill_sandbox(owner, sandbox);
    tear_down();
}

/* A malformed id cannot name a sandbox, so polkit is not asked. */
static void
test_no_id(void)
{
    g_autofree char *longest = g_strnfill(64, 'a'), *longer = g_strnfill(65, 'a');
    g_autofree char *details = g_strdup_printf("{'sandbox': '%s'}", longest);

    set_up();
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", longest, "(%s,)", longest);
    assert_question(user, MANAGE_OTHERS, details);
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "", "(%s,)", longer);
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "", "('Click here!',)");
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "", "('',)");
    assert_asked_nothing();
    tear_down();
}

static void
expect_answer(const char *object, const char *method, const char *words, gpointer data)
{
    g_autoptr(Pending) pending = NULL;

    if (strstr(method, "Kill"))
        return;
    pending = call_start(user, object, method, words);
    pending_wait(pending);
    /* Errors that a found sandbox may return: about its interpreter, files, ports and processes. */
    if (pending->error) {
        g_autofree char *name = g_dbus_error_get_remote_error(pending->error);

        g_assert_cmpstr(name, !=, "org.cloche1.Error.NoSuchSandbox");
        g_assert_cmpstr(name, !=, "org.cloche1.Error.NotPermitted");
    }
}

static void
test_manage_others(void)
{
    g_autofree char *a = NULL, *b = NULL;

    set_up();
    a = create(owner);
    b = create(owner);
    polkit_set_answer(fixture, MANAGE_OTHERS, "yes");
    g_assert_cmpuint(walk_sandbox(id_of(a), expect_answer, NULL), >=, 8);
    call_fails(user, MANAGER, "GetSandbox", "NoSuchSandbox", "there is no sandbox", "('nosuch',)");
    kill_sandbox(user, a);
    g_variant_unref(call(user, MANAGER, "KillSandbox", "(%s,)", id_of(b)));
    call_fails(user, a, "Kill", "NoSuchSandbox", "has ended: killed", "()");
    tear_down();
}

static gboolean
sees_quota_of_all(GDBusConnection *bus)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) all = g_variant_get_child_value(answer, 1);

    return g_variant_n_children(all) > 0;
}

/* A caller who may manage all sandboxes gets all signals, until polkit's signal Changed. */
static void
test_sees_all(void)
{
    g_autoptr(Listener) listener = NULL;
    g_autofree char *a = NULL, *b = NULL;

    set_up();
    a = create(owner);
    listener = listener_new(user);
    g_assert_cmpint(count_managed(user), ==, 0);
    g_assert_false(is_in_tree(user, a));
    g_assert_false(sees_quota_of_all(user));
    polkit_set_answer(fixture, MANAGE_OTHERS, "yes");
    g_variant_unref(call(user, MANAGER, "ListSandboxes", "({'all-users': <true>},)"));
    g_assert_cmpint(count_managed(user), ==, 1);
    g_assert_true(is_in_tree(user, a));
    g_assert_true(sees_quota_of_all(user));
    kill_sandbox(owner, a);
    g_variant_unref(listener_wait(listener, MANAGER, "SandboxRemoved"));

    polkit_set_answer(fixture, MANAGE_OTHERS, "no");
    polkit_change(fixture);
    b = create(owner);
    g_assert_cmpint(count_managed(user), ==, 0);
    g_assert_false(is_in_tree(user, b));
    g_assert_false(sees_quota_of_all(user));
    g_assert_cmpint(listener_count(listener, "SandboxAdded"), ==, 0);
    kill_sandbox(owner, b);
    tear_down();
}

/* --- waiting --- */

static void
test_nobody_waits_for_a_dialog(void)
{
    g_autoptr(Pending) asked = NULL;
    g_autoptr(PolkitQuestion) question = NULL;
    g_autofree char *of_root = NULL;
    const char *sandbox;

    set_up();
    polkit_set_answer(fixture, CREATE, "hold");
    asked = call_start(user, MANAGER, "CreateSandbox", NO_OPTIONS);
    question = polkit_take_question(fixture);
    of_root = create(fixture->bus);
    kill_sandbox(fixture->bus, of_root);
    g_variant_unref(call(owner, MANAGER, "ListSandboxes", NO_OPTIONS));
    g_variant_unref(get_property(user, MANAGER, "Version"));
    g_assert_false(asked->done);
    polkit_release(fixture, TRUE);
    pending_wait(asked);
    g_assert_no_error(asked->error);
    g_variant_get(asked->answer, "(&o)", &sandbox);
    kill_sandbox(user, sandbox);
    tear_down();
}

/* The dialog is closed. */
static void
test_who_leaves_is_forgotten(void)
{
    g_autoptr(Pending) asked = NULL;
    g_autofree char *cancelled = NULL;

    set_up();
    polkit_set_answer(fixture, CREATE, "auth");
    asked = create_interactively();
    assert_interactive(FALSE);
    assert_interactive(TRUE);
    tear_down();
    cancelled = polkit_take_cancelled(fixture);
    g_assert_cmpstr(cancelled, ==, CREATE);
    g_assert_cmpint(count_managed(fixture->bus), ==, 0);
}

static void
test_bound(void)
{
    g_autoptr(GPtrArray) waiting = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);
    g_autofree char *sandbox = NULL, *of_user = NULL;

    set_up();
    sandbox = create(owner);
    polkit_set_answer(fixture, CREATE, "hold");
    for (guint i = 0; i < WAITING_MAX; i++)
        g_ptr_array_add(waiting, call_start(user, MANAGER, "CreateSandbox", NO_OPTIONS));
    call_fails(user, MANAGER, "CreateSandbox", "Busy", "systemctl restart polkit", NO_OPTIONS);
    kill_sandbox(owner, sandbox); /* questions about other callers are not counted */
    polkit_set_answer(fixture, CREATE, "no");
    polkit_release(fixture, FALSE);
    for (guint i = 0; i < WAITING_MAX; i++) {
        Pending *pending = waiting->pdata[i];

        pending_wait(pending);
        assert_error(pending->error, "NotPermitted", CREATE);
    }
    polkit_set_answer(fixture, CREATE, "");
    of_user = create(user);
    kill_sandbox(user, of_user);
    tear_down();
}

/* Large arguments are kept while polkit is asked. */
static void
test_bound_of_arguments(void)
{
    g_autoptr(GPtrArray) waiting = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);
    g_autofree char *code = g_strnfill(1024 * 1024, ' ');
    guint busy = 0;

    set_up();
    polkit_set_answer(fixture, MANAGE_OTHERS, "hold");
    for (guint i = 0; i < 40; i++)
        g_ptr_array_add(waiting, call_start(user, "/org/cloche1/sandbox/nosuch", "RunCode",
                                            "(%s, @a{sv} {})", code));
    g_variant_unref(call(user, MANAGER, "GetQuota", "()"));
    polkit_set_answer(fixture, MANAGE_OTHERS, "no");
    polkit_release(fixture, FALSE);
    for (guint i = 0; i < waiting->len; i++) {
        Pending *pending = waiting->pdata[i];
        g_autofree char *name = NULL;

        pending_wait(pending);
        name = g_dbus_error_get_remote_error(pending->error);
        busy += g_str_equal(name, "org.cloche1.Error.Busy");
    }
    g_assert_cmpuint(busy, ==, 40 - 23);
    tear_down();
}

/* polkit goes away in the middle of a question: it is asked once more, and nobody is refused. */
static void
test_polkit_restarts(void)
{
    g_autofree char *sandbox = NULL;
    g_autoptr(Pending) asked = NULL;

    set_up();
    polkit_set_answer(fixture, CREATE, "lost-once");
    sandbox = create(user);
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 2);
    kill_sandbox(user, sandbox);
    polkit_set_answer(fixture, CREATE, "hold");
    polkit_forget_questions(fixture);
    asked = call_start(user, MANAGER, "CreateSandbox", NO_OPTIONS);
    polkit_question_free(polkit_take_question(fixture));
    fixture_stop_polkit(fixture);
    pending_wait(asked);
    assert_error(asked->error, "Busy", "polkit could not be asked about " CREATE);
    fixture_start_polkit(fixture);
    tear_down();
}

static void
test_without_polkit(void)
{
    g_autofree char *sandbox = NULL, *own = NULL;

    set_up();
    own = create(user);
    g_variant_unref(run_shell(user, own, "true"));
    fixture_stop_polkit(fixture);
    call_fails(user, MANAGER, "CreateSandbox", "Busy", "polkit could not be asked", NO_OPTIONS);
    call_fails(user, MANAGER, "GetSandbox", "Busy", "polkit could not be asked", "('nosuch',)");
    call_fails(user, own, "Kill", "Busy", "polkit could not be asked", "()");
    sandbox = create(fixture->bus);
    kill_sandbox(fixture->bus, sandbox);
    fixture_start_polkit(fixture);
    kill_sandbox(user, own);
    tear_down();
}

/* --- stopping --- */

static void
test_stop(void)
{
    g_autoptr(Pending) asked = NULL;

    set_up();
    polkit_set_answer(fixture, CREATE, "hold");
    asked = call_start(user, MANAGER, "CreateSandbox", NO_OPTIONS);
    polkit_question_free(polkit_take_question(fixture));
    fixture_restart(fixture, SIGTERM);
    pending_wait(asked);
    assert_error(asked->error, "ServiceStopping", "call again");
    tear_down();
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/polkit/create", test_create);
    g_test_add_func("/polkit/unknown-template", test_unknown_template);
    g_test_add_func("/polkit/use", test_use);
    g_test_add_func("/polkit/root-is-not-asked", test_root_is_not_asked);
    g_test_add_func("/polkit/what-is-open", test_what_is_open);
    g_test_add_func("/polkit/refusals", test_refusals);
    g_test_add_func("/polkit/dialog", test_dialog);
    g_test_add_func("/polkit/questions-tell-nothing", test_questions_tell_nothing);
    g_test_add_func("/polkit/no-id", test_no_id);
    g_test_add_func("/polkit/manage-others", test_manage_others);
    g_test_add_func("/polkit/sees-all", test_sees_all);
    g_test_add_func("/polkit/nobody-waits-for-a-dialog", test_nobody_waits_for_a_dialog);
    g_test_add_func("/polkit/who-leaves-is-forgotten", test_who_leaves_is_forgotten);
    g_test_add_func("/polkit/bound", test_bound);
    g_test_add_func("/polkit/bound-of-arguments", test_bound_of_arguments);
    g_test_add_func("/polkit/polkit-restarts", test_polkit_restarts);
    g_test_add_func("/polkit/without-polkit", test_without_polkit);
    g_test_add_func("/polkit/stop", test_stop);
    fixture = fixture_new(&options);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    owner = fixture_connect(fixture, OWNER_UID);
    status = g_test_run();
    fixture_leave(owner);
    fixture_free(fixture);
    return status;
}
