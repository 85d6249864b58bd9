/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-fork: children of a sandbox, and what is left when they have ended. */
#include <signal.h>
#include <string.h>

#include "polkit.h"
#include "snapshot-calls.h"

static Fixture *fixture;
static GDBusConnection *bus;

typedef struct {
    GVariant *answer;
    char **children, **errors;
} Children;

static void
children_clear(Children *children)
{
    g_variant_unref(children->answer);
    g_strfreev(children->children);
    g_strfreev(children->errors);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Children, children_clear)

static Children
read_children(GVariant *answer)
{
    Children children = {.answer = answer};

    g_variant_get(answer, "(^ao^as)", &children.children, &children.errors);
    return children;
}

static void
kill_all(const Children *children)
{
    for (char **child = children->children; *child; child++)
        kill_sandbox(bus, *child);
}

static void
assert_used(const char *expected)
{
    g_autofree char *used = snapshot_used(bus);

    g_assert_cmpstr(used, ==, expected);
}

static void
test_children(void)
{
    g_autofree char *sandbox = create(bus), *names = NULL;
    g_auto(Children) children = read_children(call(
        bus, sandbox, "Fork",
        "(uint32 2, {'names': <['a', 'b']>, 'timeout': <uint64 1000>, 'metadata': <{'k': 'v'}>,"
        " 'environment': <{'COLOUR': 'red'}>})"));
    g_autoptr(GString) found = g_string_new(NULL);

    g_assert_cmpuint(g_strv_length(children.children), ==, 2);
    g_assert_cmpuint(g_strv_length(children.errors), ==, 0);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GVariant) all = get_all(bus, children.children[i]);
        g_autofree char *name = dict_string(all, "Name"), *template = dict_string(all, "Template");
        g_autofree char *out = run_output(bus, children.children[i], "hostname; echo $COLOUR");
        g_autofree char *expected = g_strdup_printf("%s\nred\n", id_of(children.children[i]));

        g_string_append(found, name);
        g_assert_cmpstr(template, ==, "minimal");
        g_assert_cmpstr(out, ==, expected);
        g_assert_cmpuint(dict_number(all, "Expires") - dict_number(all, "Created"), <,
                         1001 * G_USEC_PER_SEC);
        g_assert_cmpuint(dict_number(all, "Expires") - dict_number(all, "Created"), >,
                         990 * G_USEC_PER_SEC);
    }
    g_assert_true(g_str_equal(found->str, "ab") || g_str_equal(found->str, "ba"));
    g_variant_unref(run_shell(bus, sandbox, "true"));
    kill_all(&children);
    kill_sandbox(bus, sandbox);
    snapshot_wait_for_folders(fixture, 0);
}

/* Nobody sees the snapshot; its state goes at once, and its disk with the last child. */
static void
test_storage(void)
{
    g_autofree char *sandbox = create(bus), *state = NULL, *disk = NULL, *id = NULL;
    g_auto(Children) children = read_children(call(bus, sandbox, "Fork", "(uint32 2, @a{sv} {})"));
    g_autoptr(GVariant) property = get_property(bus, children.children[0], "Snapshot");
    g_autoptr(GVariant) listed = call(bus, MANAGER, "ListSnapshots", NO_OPTIONS);
    g_autoptr(GVariant) list = g_variant_get_child_value(listed, 0);

    g_assert_cmpuint(g_variant_n_children(list), ==, 0);
    g_variant_get(property, "s", &id);
    call_fails(bus, MANAGER, "CreateSandbox", "NoSuchSnapshot", "there is no snapshot",
               "({'snapshot': <%s>},)", id);
    state = snapshot_part(fixture, id, "state");
    disk = snapshot_part(fixture, id, "disk.qcow2");
    g_assert_false(g_file_test(state, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(disk, G_FILE_TEST_EXISTS));
    assert_used("0, 1 MiB");
    kill_sandbox(bus, sandbox);
    fixture_restart(fixture, SIGKILL);
    bus = fixture->bus;
    g_assert_true(g_file_test(disk, G_FILE_TEST_EXISTS));
    kill_sandbox(bus, children.children[0]);
    g_variant_unref(run_shell(bus, children.children[1], "true"));
    g_assert_true(g_file_test(disk, G_FILE_TEST_EXISTS));
    kill_sandbox(bus, children.children[1]);
    snapshot_wait_for_folders(fixture, 0);
    assert_used("0, 0 MiB");
}

/* A child of a fork can be kept, and forked. */
static void
test_tree(void)
{
    g_autofree char *sandbox = create(bus), *id = NULL, *leaf = NULL;
    g_auto(Children) children = read_children(call(bus, sandbox, "Fork", "(uint32 1, @a{sv} {})"));
    g_auto(Children) grandchildren =
        read_children(call(bus, children.children[0], "Fork", "(uint32 1, @a{sv} {})"));

    id = snapshot_take(bus, grandchildren.children[0]);
    kill_sandbox(bus, sandbox);
    kill_all(&children);
    kill_all(&grandchildren);
    snapshot_wait_for_folders(fixture, 3);
    leaf = snapshot_create(bus, id);
    g_variant_unref(run_shell(bus, leaf, "true"));
    kill_sandbox(bus, leaf);
    snapshot_remove(bus, id);
    snapshot_wait_for_folders(fixture, 0);
}

/* The failures of children are reported, and the others run. */
static void
test_failures(void)
{
    g_autofree char *sandbox = create(bus);

    fixture_configure(fixture, "[UserLimits]\nSandboxes=3\n");
    fixture_reload(fixture);
    {
        g_auto(Children) children =
            read_children(call(bus, sandbox, "Fork", "(uint32 4, @a{sv} {})"));

        g_assert_cmpuint(g_strv_length(children.children), ==, 2);
        g_assert_cmpuint(g_strv_length(children.errors), ==, 2);
        g_assert_nonnull(strstr(children.errors[0], "The limit sandboxes of user 0 is reached"));
        kill_all(&children);
    }
    {
        g_autofree char *second = create(bus), *third = create(bus);
        g_auto(Children) none = read_children(call(bus, sandbox, "Fork", "(uint32 1, @a{sv} {})"));

        g_assert_cmpuint(g_strv_length(none.children), ==, 0);
        g_assert_cmpuint(g_strv_length(none.errors), ==, 1);
        kill_sandbox(bus, second);
        kill_sandbox(bus, third);
    }
    kill_sandbox(bus, sandbox);
    snapshot_wait_for_folders(fixture, 0);
    fixture_configure(fixture, "");
    fixture_reload(fixture);
}

static void
test_arguments(void)
{
    g_autofree char *sandbox = create(bus), *long_name = g_strnfill(65, 'n');

    call_fails(bus, sandbox, "Fork", "InvalidArgument", "count: it must be from 1 to 64, not 0",
               "(uint32 0, @a{sv} {})");
    call_fails(bus, sandbox, "Fork", "InvalidArgument", "count: it must be from 1 to 64, not 65",
               "(uint32 65, @a{sv} {})");
    call_fails(bus, sandbox, "Fork", "InvalidArgument",
               "names: there must be 2, one for each child, not 1",
               "(uint32 2, {'names': <['a']>})");
    call_fails(bus, sandbox, "Fork", "InvalidArgument", "names: at most 64 characters, not 65",
               "(uint32 1, {'names': <[%s]>})", long_name);
    call_fails(bus, sandbox, "Fork", "InvalidArgument", "timeout must be from 1",
               "(uint32 1, {'timeout': <uint64 0>})");
    call_fails(bus, sandbox, "Fork", "InvalidArgument", "unknown option 'network'",
               "(uint32 1, {'network': <@a{sv} {}>})");
    fixture_set_control(fixture, "capture-fails", "1");
    call_fails(bus, sandbox, "Fork", "Unsupported", "read no memory", "(uint32 1, @a{sv} {})");
    fixture_set_control(fixture, "capture-fails", NULL);
    snapshot_wait_for_folders(fixture, 0);
    assert_used("0, 0 MiB");
    kill_sandbox(bus, sandbox);
}

/* The most children that one call makes. */
static void
test_most(void)
{
    g_autofree char *sandbox = create(bus);
    g_auto(Children) children = {0};

    fixture_set_control(fixture, "fail", "1000"); /* no machine starts: only their number counts */
    children = read_children(call(bus, sandbox, "Fork", "(uint32 64, @a{sv} {})"));
    g_assert_cmpuint(g_strv_length(children.errors), ==, 64);
    for (guint i = 0; i < 64; i++)
        g_assert_cmpstr(children.errors[i], ==, "The test wants this start to fail");
    fixture_set_control(fixture, "fail", NULL);
    kill_sandbox(bus, sandbox);
    snapshot_wait_for_folders(fixture, 0);
}

static void
assert_detail(const PolkitQuestion *question, const char *key, const char *expected)
{
    const char *found;

    g_assert_true(g_variant_lookup(question->details, key, "&s", &found));
    g_assert_cmpstr(found, ==, expected);
}

/* polkit decides about new sandboxes, however they are made. */
static void
test_polkit(void)
{
    GDBusConnection *owner = fixture_connect(fixture, OTHER_UID);
    g_autofree char *sandbox = create(owner);
    g_autoptr(PolkitQuestion) use = NULL, question = NULL;

    polkit_forget_questions(fixture);
    polkit_set_answer(fixture, "org.cloche1.create", "no");
    call_fails(owner, sandbox, "Fork", "NotPermitted", "org.cloche1.create",
               "(uint32 3, {'timeout': <uint64 7200>})");
    use = polkit_take_question(fixture);
    g_assert_cmpstr(use->action, ==, "org.cloche1.use");
    question = polkit_take_question(fixture);
    g_assert_cmpstr(question->action, ==, "org.cloche1.create");
    assert_detail(question, "count", "3");
    assert_detail(question, "timeout", "7200");
    assert_detail(question, "sandbox", id_of(sandbox));
    assert_detail(question, "template", "minimal");
    polkit_set_answer(fixture, "org.cloche1.create", "");
    snapshot_wait_for_folders(fixture, 0);
    kill_sandbox(owner, sandbox);
    fixture_leave(owner);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {0};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fork/children", test_children);
    g_test_add_func("/fork/storage", test_storage);
    g_test_add_func("/fork/tree", test_tree);
    g_test_add_func("/fork/failures", test_failures);
    g_test_add_func("/fork/arguments", test_arguments);
    g_test_add_func("/fork/most", test_most);
    g_test_add_func("/fork/polkit", test_polkit);
    return fixture_run_tests(&options, &fixture, &bus);
}
