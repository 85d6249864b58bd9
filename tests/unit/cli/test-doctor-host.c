/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-host: reads of the host's files are bounded, never wait, and find users and groups.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor-tree.h"

static void
test_read_bound(void)
{
    g_autoptr(Tree) tree = tree_new();
    gboolean is_cut = TRUE;
    char *text;

    tree_write(tree, "/proc/x", "12345");
    text = host_read(&tree->host, "/proc/x", 5, &is_cut);
    g_assert_cmpstr(text, ==, "12345");
    g_assert_false(is_cut);
    g_free(text);
    text = host_read(&tree->host, "/proc/x", 4, &is_cut);
    g_assert_cmpstr(text, ==, "1234");
    g_assert_true(is_cut);
    g_free(text);
    tree_write(tree, "/proc/x", "");
    text = host_read(&tree->host, "/proc/x", 4, &is_cut);
    g_assert_cmpstr(text, ==, "");
    g_free(text);
}

/* A file is longer than one block of the reader; another one has no end. */
static void
test_read_much(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *path = tree_path(tree, "/x");
    g_autofree char *text = NULL;
    g_autofree char *expected = g_strnfill(100000, 'y');
    gboolean is_cut;

    tree_write(tree, "/x", expected);
    text = host_read(&tree->host, "/x", 100000, &is_cut);
    g_assert_cmpstr(text, ==, expected);
    g_assert_false(is_cut);
    g_free(text);
    g_assert_cmpint(truncate(path, (off_t)1 << 40), ==, 0);
    text = host_read(&tree->host, "/x", 100000, &is_cut);
    g_assert_true(is_cut);
    g_assert_cmpuint(strlen(text), ==, 100000);
}

static void
assert_unreadable(Tree *tree, const char *path, int error)
{
    g_assert_null(host_read(&tree->host, path, 10, NULL));
    g_assert_cmpint(errno, ==, error);
    g_assert_null(host_word(&tree->host, path));
}

static void
test_read_nothing(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *fifo = tree_path(tree, "/fifo");
    g_autofree char *device = tree_path(tree, "/device");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("/dev/zero", device), ==, 0);
    tree_make_folder(tree, "/folder");
    assert_unreadable(tree, "/nothing", ENOENT);
    assert_unreadable(tree, "/fifo", EINVAL);
    assert_unreadable(tree, "/device", EINVAL);
    assert_unreadable(tree, "/folder", EINVAL);
    g_assert_true(host_has(&tree->host, "/folder"));
    g_assert_false(host_has(&tree->host, "/nothing"));
}

static void
test_word(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *word = NULL;

    tree_write(tree, "/w", " \tone two \nthree\n");
    word = host_word(&tree->host, "/w");
    g_assert_cmpstr(word, ==, "one two");
}

static void
test_unreadable(void)
{
    g_autoptr(Tree) tree = tree_new();

    errno = EACCES;
    host_report_unreadable(&tree->host, tree->report, "n", "/x");
    assert_finding(tree, VERDICT_UNKNOWN, "n", "/x cannot be read: Permission denied", "ls -l /x");
    tree->host.is_root = FALSE;
    errno = EACCES;
    host_report_unreadable(&tree->host, tree->report, "n", "/x");
    assert_finding(tree, VERDICT_UNKNOWN, "n", "Permission denied", "run as root to check");
    errno = ENOENT;
    host_report_unreadable(&tree->host, tree->report, "n", "/x");
    assert_finding(tree, VERDICT_UNKNOWN, "n", "No such file", "ls -l /x");
}

static void
test_accounts(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_auto(HostGroup) group = {0};
    g_autofree char *named = NULL, *numbered = NULL, *user = NULL, *nobody = NULL;
    uid_t uid;
    gid_t gid;

    tree_write(tree, "/etc/group", "garbage\n:\nroot:x:0:\nkvm:x:107:alice,bob\nkvm:x:9:\n");
    tree_write(tree, "/etc/passwd", "garbage\nroot:x:0:0::/root:/bin/sh\ncloche:x:990:991::/:/x\n");
    g_assert_true(host_find_group(&tree->host, "kvm", &group));
    g_assert_cmpuint(group.gid, ==, 107);
    g_assert_cmpuint(g_strv_length(group.members), ==, 2);
    g_assert_false(host_find_group(&tree->host, "kv", &group));
    g_assert_cmpint(errno, ==, ENOENT);
    named = host_group_name(&tree->host, 107);
    numbered = host_group_name(&tree->host, 108);
    g_assert_cmpstr(named, ==, "kvm");
    g_assert_cmpstr(numbered, ==, "108");
    g_assert_true(host_find_user(&tree->host, "cloche", &uid, &gid));
    g_assert_cmpuint(uid, ==, 990);
    g_assert_cmpuint(gid, ==, 991);
    user = host_user_name(&tree->host, 990);
    nobody = host_user_name(&tree->host, 4294967294u);
    g_assert_cmpstr(user, ==, "cloche");
    g_assert_cmpstr(nobody, ==, "4294967294");
}

static void
test_accounts_missing(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *path = tree_path(tree, "/etc/passwd");
    HostGroup group;
    uid_t uid;
    gid_t gid;

    g_assert_false(host_find_group(&tree->host, "kvm", &group));
    g_assert_cmpint(errno, ==, ENOENT);
    tree_write(tree, "/etc/passwd", "");
    g_assert_false(host_find_user(&tree->host, "cloche", &uid, &gid));
    g_assert_cmpint(errno, ==, ENOENT);
    g_assert_cmpint(truncate(path, 4 * 1024 * 1024 + 1), ==, 0);
    g_assert_false(host_find_user(&tree->host, "cloche", &uid, &gid));
    g_assert_cmpint(errno, ==, EFBIG);
    g_assert_cmpint(truncate(path, 4 * 1024 * 1024), ==, 0);
    g_assert_false(host_find_user(&tree->host, "cloche", &uid, &gid));
    g_assert_cmpint(errno, ==, ENOENT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-host/read-bound", test_read_bound);
    g_test_add_func("/cli/doctor-host/read-much", test_read_much);
    g_test_add_func("/cli/doctor-host/read-nothing", test_read_nothing);
    g_test_add_func("/cli/doctor-host/word", test_word);
    g_test_add_func("/cli/doctor-host/unreadable", test_unreadable);
    g_test_add_func("/cli/doctor-host/accounts", test_accounts);
    g_test_add_func("/cli/doctor-host/accounts-missing", test_accounts_missing);
    return g_test_run();
}
