/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-network: 'cloche doctor' checks the user and the sockets of the services that give
 * sandboxes a network. */
#include "doctor-checks.h"
#include "doctor-tree.h"

#define SOCKETS "/proc/net/unix"
#define EGRESS                                                                                     \
    "0000000000000000: 00000002 00000000 00010000 0005 01 8577 /run/cloche-egress.socket\n"
#define RESOLVER                                                                                   \
    "0000000000000000: 00000002 00000000 00010000 0005 01 8578 /run/cloche-resolver.socket\n"

/* A host where everything is right. */
static Tree *
make_host(void)
{
    Tree *tree = tree_new();

    tree_make_folder(tree, "/run/systemd/system");
    tree_write(tree, "/usr/lib/systemd/system/cloched.service", "");
    tree_write(tree, "/usr/lib/systemd/system/cloche-egress.socket", "");
    tree_write(tree, "/etc/passwd", "cloche-egress:x:998:998::/:/usr/sbin/nologin\n");
    tree_write(tree, SOCKETS, EGRESS RESOLVER);
    return tree;
}

static void
test_good(void)
{
    g_autoptr(Tree) tree = make_host();

    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "network", "cloche-egress and its resolver listen", NULL);
}

static void
test_not_of_systemd(void)
{
    g_autoptr(Tree) tree = make_host();

    tree->host.of_user = TRUE;
    tree->host.is_root = FALSE;
    doctor_check_network(&tree->host, tree->report);
    assert_silent(tree);
    tree->host.of_user = FALSE;
    tree_remove(tree, "/usr/lib/systemd/system/cloched.service");
    doctor_check_network(&tree->host, tree->report);
    assert_silent(tree);
}

/* Without systemd, or with --user of root. */
static void
test_child_of_root(void)
{
    g_autoptr(Tree) tree = make_host();

    tree_remove(tree, "/run/systemd/system");
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "network", "starts cloche-egress as the user cloche-egress",
                   NULL);
    tree_write(tree, "/etc/passwd", "");
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_PROBLEM, "network", "the user cloche-egress does not exist",
                   "useradd --system cloche-egress");
    tree->host.of_user = TRUE;
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_PROBLEM, "network", "the user cloche-egress does not exist",
                   "useradd --system cloche-egress");
}

static void
test_not_installed(void)
{
    g_autoptr(Tree) tree = make_host();

    tree_remove(tree, "/usr/lib/systemd/system/cloche-egress.socket");
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_WARNING, "network", "cloche-egress is not installed",
                   "quickstart.sh");
}

static void
test_user(void)
{
    g_autoptr(Tree) tree = make_host();

    tree_write(tree, "/etc/passwd", "cloche:x:999:999::/:/usr/sbin/nologin\n");
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_PROBLEM, "network", "the user cloche-egress does not exist",
                   "systemd-sysusers");
    tree_remove(tree, "/etc/passwd");
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_PROBLEM, "network", "the user cloche-egress does not exist",
                   "systemd-sysusers");
}

static void
test_sockets(void)
{
    g_autoptr(Tree) tree = make_host();

    tree_write(tree, SOCKETS, RESOLVER);
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_PROBLEM, "network", "listens on /run/cloche-egress.socket",
                   "systemctl restart cloche-egress.socket");
    tree_write(tree, SOCKETS, EGRESS);
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_PROBLEM, "network", "listens on /run/cloche-resolver.socket",
                   "systemctl restart cloche-resolver.socket");
    tree_remove(tree, SOCKETS);
    doctor_check_network(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "network", SOCKETS, "ls -l");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/doctor-network/good", test_good);
    g_test_add_func("/doctor-network/not-of-systemd", test_not_of_systemd);
    g_test_add_func("/doctor-network/child-of-root", test_child_of_root);
    g_test_add_func("/doctor-network/not-installed", test_not_installed);
    g_test_add_func("/doctor-network/user", test_user);
    g_test_add_func("/doctor-network/sockets", test_sockets);
    return g_test_run();
}
