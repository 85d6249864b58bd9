/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-snapshots: the life of snapshots, and of sandboxes that begin from them. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "polkit.h"
#include "snapshot-calls.h"

static Fixture *fixture;
static GDBusConnection *bus;

static void
assert_contains(const char *path, const char *text)
{
    g_autofree char *content = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(path, &content, &size, NULL));
    g_assert_nonnull(memmem(content, size, text, strlen(text)));
}

static void
assert_number(GVariant *entry, const char *key, guint64 expected)
{
    g_assert_cmpuint(dict_number(entry, key), ==, expected);
}

static void
assert_text(GVariant *entry, const char *key, const char *expected)
{
    g_autofree char *found = dict_string(entry, key);

    g_assert_cmpstr(found, ==, expected);
}

static void
assert_used(const char *expected)
{
    g_autofree char *used = snapshot_used(bus);

    g_assert_cmpstr(used, ==, expected);
}

/* --- one snapshot --- */

static void
test_entry(void)
{
    g_autofree char *sandbox = create(bus);
    guint64 before = (guint64)g_get_real_time();
    g_autoptr(GVariant) taken =
        call(bus, sandbox, "Snapshot", "({'name': <'näme'>, 'description': <'what it is for'>},)");
    g_autoptr(GVariant) entry = NULL;
    g_autofree char *state = NULL, *disk = NULL;
    const char *id;
    struct stat state_st, disk_st;

    g_variant_get(taken, "(&s)", &id);
    entry = snapshot_find(bus, NO_OPTIONS, id);
    g_assert_nonnull(entry);
    assert_text(entry, "name", "näme");
    assert_text(entry, "description", "what it is for");
    assert_text(entry, "sandbox", id_of(sandbox));
    assert_text(entry, "parent", "");
    assert_text(entry, "template", "minimal");
    assert_number(entry, "owner", 0);
    assert_number(entry, "memory-mib", MEMORY_MIB);
    assert_number(entry, "vcpus", 1);
    assert_number(entry, "sandboxes", 0);
    assert_number(entry, "children", 0);
    g_assert_cmpuint(dict_number(entry, "created"), >=, before);
    g_assert_cmpuint(dict_number(entry, "created"), <=, g_get_real_time());

    state = snapshot_part(fixture, id, "state");
    disk = snapshot_part(fixture, id, "disk.qcow2");
    assert_contains(state, id_of(sandbox)); /* the page that the fake machine has changed */
    g_assert_cmpint(stat(state, &state_st), ==, 0);
    g_assert_cmpint(stat(disk, &disk_st), ==, 0);
    g_assert_cmpuint(state_st.st_mode & 0777, ==, 0600);
    g_assert_cmpuint(disk_st.st_mode & 0777, ==, 0600);
    assert_number(entry, "size", (guint64)(state_st.st_blocks + disk_st.st_blocks) * 512);
    assert_used("1, 1 MiB");
    g_variant_unref(run_shell(bus, sandbox, "true")); /* it goes on */

    snapshot_remove(bus, id);
    g_assert_null(snapshot_find(bus, NO_OPTIONS, id));
    snapshot_wait_for_folders(fixture, 0);
    call_fails(bus, MANAGER, "RemoveSnapshot", "NoSuchSnapshot", "there is no snapshot", "(%s,)",
               id);
    call_fails(bus, MANAGER, "CreateSandbox", "NoSuchSnapshot", "there is no snapshot",
               "({'snapshot': <%s>},)", id);
    assert_used("0, 0 MiB");
    kill_sandbox(bus, sandbox);
}

/* --- sandboxes of it --- */

static char *
backing_of(const char *id)
{
    g_autofree char *disk = g_build_filename(fixture->state, "machines", id, "disk.qcow2", NULL);
    g_autoptr(GSubprocess) process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL,
                                                      "qemu-img", "info", "-U", disk, NULL);
    char *out = NULL;

    g_assert_nonnull(process);
    g_assert_true(g_subprocess_communicate_utf8(process, NULL, NULL, &out, NULL, NULL));
    return out;
}

static void
test_create(void)
{
    g_autofree char *sandbox = create(bus), *id = snapshot_take(bus, sandbox),
                    *child = snapshot_create(bus, id),
                    *disk = snapshot_part(fixture, id, "disk.qcow2");
    g_autofree char *backing = backing_of(id_of(child)), *hostname = NULL;
    g_autoptr(GVariant) properties = get_all(bus, child), of_parent = get_all(bus, sandbox);
    g_autoptr(GVariant) entry = snapshot_find(bus, NO_OPTIONS, id);

    assert_text(properties, "Template", "minimal");
    assert_text(properties, "Snapshot", id);
    assert_text(of_parent, "Snapshot", "");
    assert_number(entry, "sandboxes", 1);
    g_assert_nonnull(strstr(backing, disk));
    hostname = run_output(bus, child, "hostname");
    g_assert_cmpstr(g_strchomp(hostname), ==, id_of(child));

    /* Its files are there as long as the sandbox needs them. */
    snapshot_remove(bus, id);
    g_assert_null(snapshot_find(bus, NO_OPTIONS, id));
    g_assert_true(g_file_test(disk, G_FILE_TEST_EXISTS));
    assert_used("0, 1 MiB");
    g_variant_unref(run_shell(bus, child, "true"));
    kill_sandbox(bus, child);
    snapshot_wait_for_folders(fixture, 0);
    assert_used("0, 0 MiB");
    kill_sandbox(bus, sandbox);
}

static void
test_one_shot(void)
{
    g_autofree char *sandbox = create(bus), *id = snapshot_take(bus, sandbox);

    /* The template of the snapshot has no language; the snapshot is found. */
    call_fails(bus, MANAGER, "RunCode", "Unsupported", "template 'minimal' has no interpreter",
               "('python', '1', {'snapshot': <%s>})", id);
    snapshot_remove(bus, id);
    kill_sandbox(bus, sandbox);
    snapshot_wait_for_folders(fixture, 0);
}

static void
test_same_key(void)
{
    static const char words[] = "({'snapshot': <%s>, 'idempotency-key': <'k'>},)";
    g_autofree char *sandbox = create(bus), *id = snapshot_take(bus, sandbox);
    g_autoptr(GVariant) first = call(bus, MANAGER, "CreateSandbox", words, id);
    g_autoptr(GVariant) second = call(bus, MANAGER, "CreateSandbox", words, id);
    const char *child;

    g_assert_cmpvariant(first, second);
    call_fails(bus, MANAGER, "CreateSandbox", "InvalidArgument", "was used with other options",
               "({'template': <'minimal'>, 'idempotency-key': <'k'>},)");
    g_variant_get(first, "(&o)", &child);
    kill_sandbox(bus, child);
    kill_sandbox(bus, sandbox);
    snapshot_remove(bus, id);
    snapshot_wait_for_folders(fixture, 0);
}

/* A snapshot in the middle is removed: what lies on it goes on. */
static void
test_tree(void)
{
    g_autofree char *root = create(bus), *below = snapshot_take(bus, root),
                    *middle = snapshot_create(bus, below), *above = snapshot_take(bus, middle),
                    *leaf = NULL;
    g_autoptr(GVariant) entry = snapshot_find(bus, NO_OPTIONS, above);
    g_autoptr(GVariant) of_below = snapshot_find(bus, NO_OPTIONS, below);

    assert_text(entry, "parent", below);
    assert_number(of_below, "children", 1);
    kill_sandbox(bus, root);
    kill_sandbox(bus, middle);
    snapshot_remove(bus, below);
    snapshot_wait_for_folders(fixture, 2);
    leaf = snapshot_create(bus, above);
    g_variant_unref(run_shell(bus, leaf, "true"));
    kill_sandbox(bus, leaf);
    snapshot_remove(bus, above);
    snapshot_wait_for_folders(fixture, 0);
    assert_used("0, 0 MiB");
}

/* --- arguments --- */

static void
test_arguments(void)
{
    g_autofree char *sandbox = create(bus), *most = g_strnfill(1024, 'd'),
                    *more = g_strnfill(1025, 'd'), *long_name = g_strnfill(65, 'n'),
                    *name = g_strnfill(64, 'n');
    g_autoptr(GVariant) taken = NULL;
    const char *id;

    call_fails(bus, sandbox, "Snapshot", "InvalidArgument",
               "description: at most 1024 bytes, not 1025", "({'description': <%s>},)", more);
    call_fails(bus, sandbox, "Snapshot", "InvalidArgument", "name: at most 64 characters, not 65",
               "({'name': <%s>},)", long_name);
    call_fails(bus, sandbox, "Snapshot", "InvalidArgument", "name: control characters",
               "({'name': <'a\\nb'>},)");
    call_fails(bus, sandbox, "Snapshot", "InvalidArgument", "unknown option 'pause'",
               "({'pause': <true>},)");
    call_fails(bus, MANAGER, "CreateSandbox", "InvalidArgument",
               "from a template or from a snapshot, not from both",
               "({'template': <'minimal'>, 'snapshot': <'a'>},)");
    call_fails(bus, MANAGER, "CreateSandbox", "NoSuchSnapshot", "there is no snapshot '../a'",
               "({'snapshot': <'../a'>},)");
    call_fails(bus, MANAGER, "RemoveSnapshot", "NoSuchSnapshot", "there is no snapshot ''",
               "('',)");
    snapshot_wait_for_folders(fixture, 0);
    taken = call(bus, sandbox, "Snapshot", "({'name': <%s>, 'description': <%s>},)", name, most);
    g_variant_get(taken, "(&s)", &id);
    snapshot_remove(bus, id);
    snapshot_wait_for_folders(fixture, 0);
    kill_sandbox(bus, sandbox);
}

/* --- other users --- */

static void
test_other_users(void)
{
    GDBusConnection *owner = fixture_connect(fixture, OTHER_UID),
                    *other = fixture_connect(fixture, 1);
    g_autofree char *sandbox = create(owner), *id = snapshot_take(owner, sandbox),
                    *no_id = g_strnfill(strlen(id), 'a'), *of_root = NULL;
    g_autoptr(GVariant) entry = snapshot_find(owner, NO_OPTIONS, id), of_all = NULL;

    assert_number(entry, "owner", OTHER_UID);
    g_assert_null(snapshot_find(other, NO_OPTIONS, id));
    g_assert_null(snapshot_find(bus, NO_OPTIONS, id));
    of_all = snapshot_find(bus, "({'all-users': <true>},)", id);
    g_assert_nonnull(of_all);
    call_fails(other, MANAGER, "ListSnapshots", "NotPermitted", "manage-others",
               "({'all-users': <true>},)");
    for (guint i = 0; i < 2; i++) { /* another's is the same error as none */
        const char *tried = i == 0 ? id : no_id;

        call_fails(other, MANAGER, "CreateSandbox", "NoSuchSnapshot", "there is no snapshot '",
                   "({'snapshot': <%s>},)", tried);
        call_fails(other, MANAGER, "RemoveSnapshot", "NoSuchSnapshot", "there is no snapshot '",
                   "(%s,)", tried);
    }
    call_fails(other, sandbox, "Snapshot", "NoSuchSandbox", "there is no sandbox", NO_OPTIONS);
    snapshot_remove(bus, id); /* root may */
    g_assert_null(snapshot_find(owner, NO_OPTIONS, id));
    kill_sandbox(owner, sandbox);
    snapshot_wait_for_folders(fixture, 0);
    fixture_leave(owner);
    fixture_leave(other);
}

static void
test_polkit(void)
{
    GDBusConnection *owner = fixture_connect(fixture, OTHER_UID);
    g_autofree char *sandbox = create(owner), *id = snapshot_take(owner, sandbox), *child = NULL;
    g_autoptr(PolkitQuestion) question = NULL;
    const char *detail;

    polkit_forget_questions(fixture);
    child = snapshot_create(owner, id);
    question = polkit_take_question(fixture);
    g_assert_cmpstr(question->action, ==, "org.cloche1.create");
    g_assert_true(g_variant_lookup(question->details, "snapshot", "&s", &detail));
    g_assert_cmpstr(detail, ==, id);
    g_assert_true(g_variant_lookup(question->details, "template", "&s", &detail));
    g_assert_cmpstr(detail, ==, "minimal");
    kill_sandbox(owner, child);
    kill_sandbox(owner, sandbox);
    polkit_forget_questions(fixture);
    snapshot_remove(owner, id); /* the connection may use what is its own already */
    g_assert_cmpuint(polkit_count_questions(fixture), ==, 0);
    snapshot_wait_for_folders(fixture, 0);
    fixture_leave(owner);
}

/* --- limits --- */

static void
test_number(void)
{
    g_autofree char *sandbox = create(bus), *first = NULL, *second = NULL;

    fixture_configure(fixture, "[UserLimits]\nSnapshots=1\n");
    fixture_reload(fixture);
    first = snapshot_take(bus, sandbox);
    call_fails(
        bus, sandbox, "Snapshot", "QuotaExceeded",
        "The limit snapshots of user 0 is reached: 1 of 1 are in use, and this needs 1 more; "
        "remove a snapshot, or ask an administrator to raise Snapshots in [UserLimits]",
        NO_OPTIONS);
    snapshot_remove(bus, first);
    second = snapshot_take(bus, sandbox);
    snapshot_remove(bus, second);
    snapshot_wait_for_folders(fixture, 0);
    kill_sandbox(bus, sandbox);
    fixture_configure(fixture, "");
    fixture_reload(fixture);
}

/* The most that a snapshot can take is refused before the machine stands still: the capture, which
 * would fail, is not begun. The disk of the machine takes less than 1 MiB. */
static void
test_size(void)
{
    g_autofree char *sandbox = create(bus), *id = NULL;

    fixture_configure(fixture, "[UserLimits]\nSnapshotMiB=64\n");
    fixture_reload(fixture);
    fixture_set_control(fixture, "capture-fails", "1");
    call_fails(
        bus, sandbox, "Snapshot", "QuotaExceeded",
        "The limit snapshot-mib of user 0 is reached: 0 of 64 MiB are in use, and this needs "
        "65 more",
        NO_OPTIONS);
    fixture_configure(fixture, "[UserLimits]\nSnapshotMiB=65\n");
    fixture_reload(fixture);
    call_fails(bus, sandbox, "Snapshot", "Unsupported", "read no memory", NO_OPTIONS);
    fixture_set_control(fixture, "capture-fails", NULL);
    assert_used("0, 0 MiB");
    id = snapshot_take(bus, sandbox);
    assert_used("1, 1 MiB");
    snapshot_remove(bus, id);
    snapshot_wait_for_folders(fixture, 0);
    kill_sandbox(bus, sandbox);
    fixture_configure(fixture, "");
    fixture_reload(fixture);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {0};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snapshots/entry", test_entry);
    g_test_add_func("/snapshots/create", test_create);
    g_test_add_func("/snapshots/one-shot", test_one_shot);
    g_test_add_func("/snapshots/same-key", test_same_key);
    g_test_add_func("/snapshots/tree", test_tree);
    g_test_add_func("/snapshots/arguments", test_arguments);
    g_test_add_func("/snapshots/other-users", test_other_users);
    g_test_add_func("/snapshots/polkit", test_polkit);
    g_test_add_func("/snapshots/number", test_number);
    g_test_add_func("/snapshots/size", test_size);
    return fixture_run_tests(&options, &fixture, &bus);
}
