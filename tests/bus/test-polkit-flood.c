/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-polkit-flood: however many connections ask, come and go while polkit is slow, it is asked
 * few questions at a time, and other users are answered.
 *
 * A connection of the bus may wait for 128 replies. One that has left counts until polkit replies.
 */
#include <signal.h>

#include "client.h"
#include "polkit.h"

#define CREATE "org.cloche1.create"
#define MANAGE_OTHERS "org.cloche1.manage-others"
#define REPLIES_MAX 128u

/* Queries in progress, of one user and of all. */
#define QUERIES_EACH 2u
#define QUERIES_ALL 16u
#define PROMPTS_EACH 4u
#define PROMPTS_ALL 48u
#define LEFT_US 100000 /* a query occupies its slot after its caller has left */

/* Of Debian; the bus refuses uids that have no user. */
static const uid_t uids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 33, 34};
#define GREEDY_UID uids[0]

static Fixture *fixture;
static GDBusConnection *other; /* OTHER_UID */

/* --- connections --- */

typedef struct {
    GDBusConnection *bus;
    Pending *asked; /* its call of CreateSandbox */
} Caller;

/* The service has received all that the bus and polkit sent to it before. Other users' calls are
 * answered meanwhile. */
static void
settle(void)
{
    g_variant_unref(call(other, MANAGER, "GetQuota", "()"));
}

static Caller *
caller_new(uid_t uid, gboolean is_interactive)
{
    Caller *caller = g_new0(Caller, 1);

    caller->bus = fixture_connect(fixture, uid);
    caller->asked =
        is_interactive ? call_start_interactively(caller->bus, MANAGER, "CreateSandbox", NO_OPTIONS)
                       : call_start(caller->bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    /* The calls of a connection begin in their order. */
    g_variant_unref(call(caller->bus, MANAGER, "GetQuota", "()"));
    return caller;
}

static void
on_owner_changed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                 const char *signal, GVariant *parameters, gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* Leaves, and returns when the service knows it. */
static void
caller_free(Caller *caller)
{
    gboolean has_left = FALSE;
    guint subscription = g_dbus_connection_signal_subscribe(
        fixture->bus, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
        "/org/freedesktop/DBus", g_dbus_connection_get_unique_name(caller->bus),
        G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, &has_left, NULL);

    fixture_leave(caller->bus);
    wait_until(&has_left);
    g_dbus_connection_signal_unsubscribe(fixture->bus, subscription);
    settle();
    pending_free(caller->asked);
    g_free(caller);
}

static void
add_callers(GPtrArray *callers, uid_t uid, guint count, gboolean is_interactive)
{
    for (guint i = 0; i < count; i++)
        g_ptr_array_add(callers, caller_new(uid, is_interactive));
}

static void
come_and_go(uid_t uid, guint count)
{
    for (guint i = 0; i < count; i++)
        caller_free(caller_new(uid, /* is_interactive= */ FALSE));
}

/* --- assertions --- */

static void
assert_held(guint queries, guint prompts)
{
    g_assert_cmpuint(polkit_count_held(fixture, /* is_interactive= */ FALSE), ==, queries);
    g_assert_cmpuint(polkit_count_held(fixture, /* is_interactive= */ TRUE), ==, prompts);
}

/* Takes questions, until one of this caller. */
static void
await_question(const Caller *caller, gboolean is_interactive)
{
    const char *name = g_dbus_connection_get_unique_name(caller->bus);
    gboolean is_found = FALSE;

    while (!is_found) {
        g_autoptr(PolkitQuestion) question = polkit_take_question(fixture);

        is_found =
            g_str_equal(question->subject, name) && question->is_interactive == is_interactive;
    }
}

static void
assert_permitted(Caller *caller)
{
    const char *sandbox;

    pending_wait(caller->asked);
    g_assert_no_error(caller->asked->error);
    g_variant_get(caller->asked->answer, "(&o)", &sandbox);
    kill_sandbox(fixture->bus, sandbox); /* polkit is not asked about root */
}

static GPtrArray *
set_up(const char *answer)
{
    polkit_forget_questions(fixture);
    polkit_set_answer(fixture, CREATE, answer);
    assert_held(0, 0);
    return g_ptr_array_new_with_free_func((GDestroyNotify)caller_free);
}

/* Answers what waits, and all that follows. */
static void
answer_all(gboolean permit)
{
    polkit_set_answer(fixture, CREATE, permit ? "yes" : "no");
    polkit_release(fixture, permit);
}

/* --- queries without a dialog --- */

/* Queries of callers that have left are in progress until polkit replies; the others are not sent.
 */
static void
test_come_and_go(void)
{
    g_autoptr(GPtrArray) callers = set_up("hold");

    come_and_go(GREEDY_UID, REPLIES_MAX + 2);
    assert_held(QUERIES_EACH, 0);
    add_callers(callers, OTHER_UID, 1, FALSE);
    assert_held(QUERIES_EACH + 1, 0);
    add_callers(callers, GREEDY_UID, 1, FALSE);
    answer_all(TRUE);
    assert_permitted(callers->pdata[0]);
    assert_permitted(callers->pdata[1]);
    g_assert_cmpuint(polkit_count_questions(fixture), ==, QUERIES_EACH + 2);
    g_assert_cmpint(count_managed(fixture->bus), ==, 0);
}

static void
test_user(void)
{
    g_autoptr(GPtrArray) callers = set_up("hold");

    add_callers(callers, GREEDY_UID, QUERIES_EACH - 1, FALSE);
    assert_held(QUERIES_EACH - 1, 0);
    add_callers(callers, GREEDY_UID, 1, FALSE);
    assert_held(QUERIES_EACH, 0);
    add_callers(callers, GREEDY_UID, 2, FALSE);
    assert_held(QUERIES_EACH, 0);
    polkit_release(fixture, FALSE);
    await_question(callers->pdata[QUERIES_EACH + 1], FALSE);
    assert_held(2, 0);
    answer_all(FALSE);
}

static void
test_users(void)
{
    g_autoptr(GPtrArray) callers = set_up("hold");
    gsize user = 0;

    for (; callers->len < QUERIES_ALL; user++) {
        add_callers(callers, uids[user], QUERIES_EACH + 1, FALSE);
        caller_free(g_ptr_array_steal_index(callers, callers->len - 1)); /* it waited */
        assert_held(callers->len, 0);
    }
    assert_held(QUERIES_ALL, 0);
    add_callers(callers, uids[user], 1, FALSE);
    assert_held(QUERIES_ALL, 0);
    polkit_release(fixture, FALSE);
    await_question(callers->pdata[QUERIES_ALL], FALSE);
    assert_held(1, 0);
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 0);
    answer_all(FALSE);
}

/* The end of polkit ends the queries of callers that have left. */
static void
test_polkit_restarts(void)
{
    g_autoptr(GPtrArray) callers = set_up("hold");

    for (gsize i = 0; i < QUERIES_ALL / QUERIES_EACH; i++)
        come_and_go(uids[i], QUERIES_EACH);
    assert_held(QUERIES_ALL, 0);
    fixture_stop_polkit(fixture);
    fixture_start_polkit(fixture);
    add_callers(callers, OTHER_UID, 1, FALSE);
    assert_permitted(callers->pdata[0]);
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 1);
    g_assert_cmpint(count_managed(fixture->bus), ==, 0);
}

/* Callers that come and go make their own user's queries wait, and not those of others. */
static void
test_pause(void)
{
    g_autoptr(GPtrArray) callers = set_up("hold");
    const Caller *greedy, *patient;
    gint64 released_us;

    come_and_go(GREEDY_UID, QUERIES_EACH);
    add_callers(callers, GREEDY_UID, 1, FALSE);
    add_callers(callers, OTHER_UID, 1, FALSE);
    greedy = callers->pdata[0];
    patient = callers->pdata[1];
    assert_held(QUERIES_EACH + 1, 0);
    released_us = g_get_monotonic_time();
    answer_all(FALSE);
    pending_wait(patient->asked);
    g_assert_false(greedy->asked->done);
    pending_wait(greedy->asked);
    g_assert_cmpint(g_get_monotonic_time() - released_us, >=, LEFT_US);
}

static void
list_all(void)
{
    g_variant_unref(call(other, MANAGER, "ListSandboxes", "({'all-users': <true>},)"));
}

/* An error about a caller that has left says nothing about polkit. */
static void
test_error_about_nobody(void)
{
    g_autoptr(GPtrArray) callers = set_up("lost-once");

    polkit_set_answer(fixture, MANAGE_OTHERS, "yes");
    list_all();
    polkit_question_free(polkit_take_question(fixture));
    g_subprocess_send_signal(fixture->polkit, SIGSTOP);
    caller_free(caller_new(GREEDY_UID, FALSE));
    g_subprocess_send_signal(fixture->polkit, SIGCONT);
    polkit_question_free(polkit_take_question(fixture));
    settle();
    list_all(); /* it is still permitted */
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 0);
}

/* The bus can drop replies to the service. */
static void
test_lost_reply(void)
{
    g_autoptr(GPtrArray) callers = set_up("lose-once");

    add_callers(callers, GREEDY_UID, 1, FALSE);
    assert_permitted(callers->pdata[0]);
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 2);
}

/* The queries of callers that have left return their slots. */
static void
test_lost_replies_about_nobody(void)
{
    g_autoptr(GPtrArray) callers = set_up("");

    for (guint i = 0; i < QUERIES_EACH; i++) {
        polkit_set_answer(fixture, CREATE, "lose-once");
        come_and_go(GREEDY_UID, 1);
        polkit_question_free(polkit_take_question(fixture));
    }
    add_callers(callers, GREEDY_UID, 1, FALSE);
    assert_permitted(callers->pdata[0]);
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 1);
}

/* --- dialogs --- */

static void
test_dialogs_of_user(void)
{
    g_autoptr(GPtrArray) callers = set_up("auth");
    g_autofree char *cancelled = NULL;

    for (guint i = 0; i < PROMPTS_EACH; i++) {
        add_callers(callers, GREEDY_UID, 1, TRUE);
        await_question(callers->pdata[i], TRUE);
        assert_held(0, i + 1);
    }
    add_callers(callers, GREEDY_UID, 2, TRUE);
    await_question(callers->pdata[PROMPTS_EACH + 1], FALSE);
    settle();
    assert_held(0, PROMPTS_EACH);
    caller_free(g_ptr_array_steal_index(callers, PROMPTS_EACH)); /* it waited */
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 0);
    caller_free(g_ptr_array_steal_index(callers, 0));
    cancelled = polkit_take_cancelled(fixture);
    g_assert_cmpstr(cancelled, ==, CREATE);
    await_question(callers->pdata[PROMPTS_EACH - 1], TRUE);
    assert_held(0, PROMPTS_EACH);
    answer_all(FALSE);
}

/* No dialog is opened for a caller that left before polkit had decided that it needs one. */
static void
test_no_dialog_for_nobody(void)
{
    g_autoptr(GPtrArray) callers = set_up("auth");

    g_subprocess_send_signal(fixture->polkit, SIGSTOP);
    caller_free(caller_new(GREEDY_UID, TRUE));
    g_subprocess_send_signal(fixture->polkit, SIGCONT);
    polkit_question_free(polkit_take_question(fixture));
    settle();
    assert_held(0, 0);
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 0);
}

/* Other users' queries without a dialog do not wait for dialogs. */
static void
test_dialogs_of_users(void)
{
    g_autoptr(GPtrArray) callers = set_up("auth");
    g_autoptr(Pending) permitted = NULL;
    gsize user = 0;
    Caller *last;

    for (; callers->len < PROMPTS_ALL; user++)
        for (guint i = 0; i < PROMPTS_EACH; i++) {
            add_callers(callers, uids[user], 1, TRUE);
            await_question(callers->pdata[callers->len - 1], TRUE);
        }
    assert_held(0, PROMPTS_ALL);
    last = caller_new(uids[user], TRUE);
    g_ptr_array_add(callers, last);
    await_question(last, FALSE);
    settle();
    assert_held(0, PROMPTS_ALL);

    polkit_set_answer(fixture, MANAGE_OTHERS, "yes");
    permitted =
        call_start_interactively(last->bus, MANAGER, "ListSandboxes", "({'all-users': <true>},)");
    pending_wait(permitted);
    g_assert_no_error(permitted->error);
    g_assert_false(last->asked->done);

    polkit_release(fixture, FALSE);
    await_question(last, TRUE);
    assert_held(0, 1);
    answer_all(FALSE);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/polkit-flood/come-and-go", test_come_and_go);
    g_test_add_func("/polkit-flood/user", test_user);
    g_test_add_func("/polkit-flood/users", test_users);
    g_test_add_func("/polkit-flood/polkit-restarts", test_polkit_restarts);
    g_test_add_func("/polkit-flood/pause", test_pause);
    g_test_add_func("/polkit-flood/error-about-nobody", test_error_about_nobody);
    g_test_add_func("/polkit-flood/lost-reply", test_lost_reply);
    g_test_add_func("/polkit-flood/lost-replies-about-nobody", test_lost_replies_about_nobody);
    g_test_add_func("/polkit-flood/dialogs-of-user", test_dialogs_of_user);
    g_test_add_func("/polkit-flood/no-dialog-for-nobody", test_no_dialog_for_nobody);
    g_test_add_func("/polkit-flood/dialogs-of-users", test_dialogs_of_users);
    fixture = fixture_new(&options);
    other = fixture_connect(fixture, OTHER_UID);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    status = g_test_run();
    fixture_leave(other);
    fixture_free(fixture);
    return status;
}
