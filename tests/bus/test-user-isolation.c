/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-user-isolation: users cannot see the sandboxes of others, nor distinguish them from
 * sandboxes that never existed. */
#include <string.h>

#include "client.h"
#include "fixture.h"
#include "walk.h"

#define THIRD_UID 1 /* the bus accepts only users that exist on this machine */

static Fixture *fixture;
static GDBusConnection *owner, *other;

/* The same call with an id that never existed in place of `data` must fail with the same error. */
static void
assert_refused(const char *object, const char *method, const char *words, gpointer data)
{
    const char *id = data;
    g_autofree char *no_id = g_strnfill(strlen(id), 'a');
    g_auto(GStrv) object_parts = g_strsplit(object, id, -1);
    g_auto(GStrv) words_parts = g_strsplit(words, id, -1);
    g_autofree char *no_object = g_strjoinv(no_id, object_parts);
    g_autofree char *no_words = g_strjoinv(no_id, words_parts);
    g_autoptr(Pending) of_other = call_start(other, object, method, words);
    g_autoptr(Pending) of_nobody = call_start(other, no_object, method, no_words);

    pending_wait(of_other);
    pending_wait(of_nobody);
    assert_error(of_other->error, "NoSuchSandbox", "there is no sandbox");
    assert_error(of_nobody->error, "NoSuchSandbox", "there is no sandbox");
    memcpy(strstr(of_nobody->error->message, no_id), id, strlen(id));
    g_assert_cmpstr(of_other->error->message, ==, of_nobody->error->message);
}

static void
assert_all_refused(const char *sandbox)
{
    g_autofree char *id = g_strdup(id_of(sandbox));

    g_assert_cmpuint(walk_sandbox(id, assert_refused, id), >=, 8);
}

static void
test_methods(void)
{
    g_autofree char *sandbox = create(owner);

    assert_all_refused(sandbox);
    g_variant_unref(run_shell(owner, sandbox, "true"));
    kill_sandbox(owner, sandbox);
    assert_all_refused(sandbox); /* only the owner sees the reason of its end */
    call_fails(owner, sandbox, "Kill", "NoSuchSandbox", "has ended: killed", "()");
}

static gsize
count_listed(GDBusConnection *bus, const char *filter)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "ListSandboxes", filter);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    return g_variant_n_children(list);
}

static void
test_lists(void)
{
    g_autofree char *sandbox = create(owner), *of_other = create(other);
    GDBusConnection *root = fixture->bus;

    g_assert_cmpint(count_listed(owner, NO_OPTIONS), ==, 1);
    call_fails(owner, MANAGER, "ListSandboxes", "NotPermitted", "manage-others",
               "({'all-users': <true>},)");
    g_assert_cmpint(count_listed(root, NO_OPTIONS), ==, 0);
    g_assert_cmpint(count_listed(root, "({'all-users': <true>},)"), ==, 2);
    g_assert_cmpint(count_managed(owner), ==, 1);
    g_assert_cmpint(count_managed(root), ==, 2);
    g_assert_true(is_in_tree(owner, sandbox));
    g_assert_false(is_in_tree(owner, of_other));
    g_assert_true(is_in_tree(root, of_other));
    kill_sandbox(root, sandbox);
    kill_sandbox(root, of_other);
}

/* The service does not know a connection that has just called for the first time: what it called
 * before takes effect before it sees the objects, and another user still sees none. */
static void
test_first_introspection(void)
{
    g_autofree char *sandbox = create(owner), *living = create(owner);
    GDBusConnection *unknown = fixture_connect(fixture, 0); /* polkit is not consulted */
    GDBusConnection *third = fixture_connect(fixture, THIRD_UID);
    g_autoptr(Pending) end = call_start(unknown, sandbox, "Kill", "()");

    g_assert_false(is_in_tree(unknown, sandbox));
    g_assert_true(is_in_tree(unknown, living));
    g_assert_false(is_in_tree(third, living));
    pending_wait(end);
    g_assert_no_error(end->error);
    kill_sandbox(owner, living);
    fixture_leave(unknown);
    fixture_leave(third);
}

static void
test_owner(void)
{
    g_autofree char *sandbox = create(owner);
    g_autoptr(GVariant) uid = get_property(owner, sandbox, "Owner");

    g_assert_cmpuint(g_variant_get_uint32(uid), ==, OTHER_UID);
    kill_sandbox(owner, sandbox);
}

static void
test_signals(void)
{
    g_autoptr(Listener) heard = listener_new(owner), not_heard = listener_new(other);
    g_autofree char *sandbox = create(owner);

    g_variant_unref(call(owner, sandbox, "SetTimeout", "(uint64 60,)"));
    kill_sandbox(owner, sandbox);
    g_variant_unref(listener_wait(heard, MANAGER, "SandboxAdded"));
    g_variant_unref(listener_wait(heard, MANAGER, "SandboxRemoved"));
    g_variant_unref(get_property(other, MANAGER, "Version"));
    g_assert_cmpint(listener_count(not_heard, "SandboxAdded"), ==, 0);
    g_assert_cmpint(listener_count(not_heard, "InterfacesAdded"), ==, 0);
    g_assert_cmpint(listener_count(not_heard, "PropertiesChanged"), ==, 0);
    g_assert_cmpint(listener_count(not_heard, "InterfacesRemoved"), ==, 0);
    g_assert_cmpint(listener_count(not_heard, "SandboxRemoved"), ==, 0);
}

static void
test_idempotency_keys(void)
{
    static const char words[] = "({'idempotency-key': <'k'>},)";
    g_autoptr(GVariant) first = call(owner, MANAGER, "CreateSandbox", words);
    g_autoptr(GVariant) second = call(other, MANAGER, "CreateSandbox", words);
    g_autofree char *a = NULL, *b = NULL;

    g_variant_get(first, "(o)", &a);
    g_variant_get(second, "(o)", &b);
    g_assert_cmpstr(a, !=, b);
    kill_sandbox(owner, a);
    kill_sandbox(other, b);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/user-isolation/methods", test_methods);
    g_test_add_func("/user-isolation/lists", test_lists);
    g_test_add_func("/user-isolation/first-introspection", test_first_introspection);
    g_test_add_func("/user-isolation/owner", test_owner);
    g_test_add_func("/user-isolation/signals", test_signals);
    g_test_add_func("/user-isolation/idempotency-keys", test_idempotency_keys);
    fixture = fixture_new(&options);
    owner = fixture_connect(fixture, OTHER_UID);
    other = fixture_connect(fixture, THIRD_UID);
    status = g_test_run();
    fixture_leave(owner);
    fixture_leave(other);
    fixture_free(fixture);
    return status;
}
