/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-space: 'cloche doctor' compares free space with each bound, just inside and just
 * outside of it. */
#include <errno.h>

#include "doctor-checks.h"
#include "doctor-tree.h"

#define GIB ((guint64)1024 * 1024 * 1024)
#define RAM "/run/cloche/ram"
#define STATE "/var/lib/cloche"

static const Needs needs = {GIB, 3 * GIB};

static void
assert_ram(guint64 size, guint64 left, gboolean is_tmpfs, Verdict verdict, const char *text,
           const char *action)
{
    g_autoptr(Tree) tree = tree_new();
    const Space space = {0, is_tmpfs, size, left};

    doctor_check_ram(&tree->host, tree->report, &space, &needs);
    assert_finding(tree, verdict, RAM, text, action);
}

static void
test_ram(void)
{
    assert_ram(3 * GIB, GIB, TRUE, VERDICT_OK, "all templates take 3.2 GB", NULL);
    assert_ram(3 * GIB, GIB - 1, TRUE, VERDICT_WARNING, "rebuilt takes 1.1 GB",
               "remount,size=4608M " RAM);
    assert_ram(3 * GIB - 1, 2 * GIB, TRUE, VERDICT_WARNING, "all templates take 3.2 GB",
               "remount,size=6144M " RAM);
    assert_ram(GIB, GIB, TRUE, VERDICT_WARNING, "all templates take", "remount");
    assert_ram(GIB - 1, GIB - 1, TRUE, VERDICT_PROBLEM, "the largest template takes 1.1 GB",
               "remount,size=6144M");
    assert_ram(9 * GIB, 9 * GIB, FALSE, VERDICT_WARNING, "not on a tmpfs", "Ram=");
    assert_ram(0, 0, FALSE, VERDICT_PROBLEM, "the largest", "remount");
}

/* logind mounts the tmpfs of a user. */
static void
test_ram_of_user(void)
{
    g_autoptr(Tree) tree = tree_new();
    const Space space = {0, TRUE, GIB - 1, GIB - 1};

    tree->host.of_user = TRUE;
    doctor_check_ram(&tree->host, tree->report, &space, &needs);
    assert_finding(tree, VERDICT_PROBLEM, RAM, "the largest template takes",
                   "RuntimeDirectorySize=6144M");
}

static void
assert_state(guint64 left, Verdict verdict, const char *text, const char *action)
{
    g_autoptr(Tree) tree = tree_new();
    const Space space = {.size = 100 * GIB, .free = left};

    doctor_check_state(&tree->host, tree->report, &space, &needs);
    assert_finding(tree, verdict, STATE, text, action);
}

static void
test_state(void)
{
    assert_state(GIB + STATE_RESERVE, VERDICT_OK, "5.4 GB of 107.4 GB are free", NULL);
    assert_state(GIB + STATE_RESERVE - 1, VERDICT_WARNING, "take 5.4 GB", "are paused");
    assert_state(GIB, VERDICT_WARNING, "take 5.4 GB", "free space there");
    assert_state(GIB - 1, VERDICT_PROBLEM, "rebuilt takes 1.1 GB", "State=");
}

static void
test_unknown(void)
{
    g_autoptr(Tree) tree = tree_new();
    const Space space = {.errnum = EIO};

    doctor_check_ram(&tree->host, tree->report, &space, &needs);
    assert_finding(tree, VERDICT_UNKNOWN, RAM, "Input/output error", "ls -l " RAM);
    doctor_check_state(&tree->host, tree->report, &space, &needs);
    assert_finding(tree, VERDICT_UNKNOWN, STATE, "Input/output error", "ls -l " STATE);
}

/* For a folder that does not exist yet, the nearest existing parent is checked. */
static void
test_read(void)
{
    g_autoptr(Tree) tree = tree_new();
    Space there, missing, none;

    tree_make_folder(tree, "/var/lib");
    there = space_read(&tree->host, "/var/lib");
    missing = space_read(&tree->host, "/var/lib/cloche/deep");
    g_assert_cmpint(there.errnum, ==, 0);
    g_assert_cmpint(missing.errnum, ==, 0);
    g_assert_cmpuint(there.size, >, 0);
    g_assert_cmpuint(missing.size, ==, there.size);
    g_assert_cmpuint(there.free, <=, there.size);
    tree_write(tree, "/var/file", "");
    none = space_read(&tree->host, "/var/file/cloche");
    g_assert_cmpint(none.errnum, ==, ENOTDIR);
    tree->host.root = "/nonexistent-root";
    none = space_read(&tree->host, "/var");
    g_assert_cmpint(none.errnum, ==, ENOENT);
}

static void
test_tmpfs(void)
{
    const DoctorHost host = {.root = ""};

    g_assert_true(space_read(&host, "/dev/shm/none").is_tmpfs);
    g_assert_false(space_read(&host, "/proc").is_tmpfs);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-space/ram", test_ram);
    g_test_add_func("/cli/doctor-space/ram-of-user", test_ram_of_user);
    g_test_add_func("/cli/doctor-space/state", test_state);
    g_test_add_func("/cli/doctor-space/unknown", test_unknown);
    g_test_add_func("/cli/doctor-space/read", test_read);
    g_test_add_func("/cli/doctor-space/tmpfs", test_tmpfs);
    return g_test_run();
}
