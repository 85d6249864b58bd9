/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-libvirt: 'cloche doctor' checks whether libvirt's daemon listens, and the version of
 * QEMU. */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <sys/stat.h>

#include "doctor-libvirt.h"
#include "doctor-tree.h"

#define SOCKET "/run/libvirt/libvirt-sock"
#define QEMU "/usr/bin/qemu-system-x86_64"
#define HEAD "Num       RefCount Protocol Flags    Type St Inode Path\n"
#define LISTENS "0000000000000000: 00000002 00000000 00010000 0001 01 8577 "
#define CONNECTED "0000000000000000: 00000003 00000000 00000000 0001 03 8578 "

static void
check(Tree *tree, const char *state, gboolean is_needed)
{
    doctor_check_libvirt(&tree->host, tree->report, state, is_needed);
}

static void
test_no_daemon(void)
{
    g_autoptr(Tree) tree = tree_new();

    check(tree, NULL, TRUE);
    assert_finding(tree, VERDICT_PROBLEM, "libvirt", SOCKET " does not exist", "libvirtd.socket");
    check(tree, NULL, FALSE);
    assert_finding(tree, VERDICT_OK, "libvirt", "contains libvirt", NULL);
    check(tree, "failed", FALSE);
    assert_finding(tree, VERDICT_PROBLEM, "libvirt", "failed", "journalctl");
}

static void
assert_sockets(Tree *tree, const char *list, Verdict verdict, const char *text, const char *action)
{
    tree_write(tree, "/proc/net/unix", list);
    check(tree, "active", TRUE);
    assert_finding(tree, verdict, "libvirt", text, action);
}

static void
test_listener(void)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, SOCKET, "");
    check(tree, "active", TRUE);
    assert_finding(tree, VERDICT_UNKNOWN, "libvirt", "/proc/net/unix", "ls -l");
    assert_sockets(tree, HEAD LISTENS SOCKET "\n", VERDICT_OK, "listens on " SOCKET, NULL);
    assert_sockets(tree, HEAD LISTENS "/var" SOCKET "\n", VERDICT_OK, "listens on " SOCKET, NULL);
    assert_sockets(tree, "", VERDICT_PROBLEM, "no process listens", "restart libvirtd.socket");
    assert_sockets(tree, HEAD CONNECTED SOCKET "\n", VERDICT_PROBLEM, "no process listens",
                   "restart");
    assert_sockets(tree, HEAD LISTENS SOCKET "-ro\n", VERDICT_PROBLEM, "no process listens",
                   "restart");
    assert_sockets(tree, HEAD LISTENS "\n" LISTENS "@x\ngarbage\n" SOCKET "\n", VERDICT_PROBLEM,
                   "no process listens", "restart");
}

static void
test_virtqemud(void)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, "/run/libvirt/virtqemud-sock", "");
    assert_sockets(tree, LISTENS "/run/libvirt/virtqemud-sock", VERDICT_OK, "virtqemud-sock", NULL);
    assert_sockets(tree, "", VERDICT_PROBLEM, "virtqemud-sock", "restart virtqemud.socket");
}

/* A list that is longer than the limit is read up to the limit. */
static void
test_huge_list(void)
{
    g_autoptr(Tree) tree = tree_new();
    const gsize room = 16 * 1024 * 1024 - strlen("\n" LISTENS SOCKET);
    g_autofree char *filling = g_strnfill(room + 1, 'x');
    g_autofree char *outside = g_strconcat(filling, "\n" LISTENS SOCKET, NULL);
    g_autofree char *inside = g_strconcat(filling + 1, "\n" LISTENS SOCKET, NULL);

    tree_write(tree, SOCKET, "");
    assert_sockets(tree, inside, VERDICT_OK, "listens", NULL);
    assert_sockets(tree, outside, VERDICT_PROBLEM, "no process listens", "restart");
}

/* The kernel's own list has the form that the parser reads. */
static void
test_real_list(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *folder = tree_path(tree, "/run/libvirt");
    g_autofree char *path = tree_path(tree, SOCKET);
    g_autofree char *list = NULL, *below = NULL;
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
    GString *shown;

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_socket_bind(socket, address, FALSE, NULL));
    g_assert_true(g_socket_listen(socket, NULL));
    g_assert_true(g_file_get_contents("/proc/net/unix", &list, NULL, NULL));
    shown = g_string_new(list);
    g_string_replace(shown, tree->folder, "", 0);
    below = g_string_free(shown, FALSE);
    assert_sockets(tree, below, VERDICT_OK, "listens on " SOCKET, NULL);
}

/* --- QEMU --- */

static void
assert_qemu(const char *script, Verdict verdict, const char *text, const char *action)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *path = tree_path(tree, QEMU);

    tree_write(tree, QEMU, script);
    g_assert_cmpint(chmod(path, 0755), ==, 0);
    doctor_check_qemu(&tree->host, tree->report);
    assert_finding(tree, verdict, "QEMU", text, action);
}

static void
test_qemu(void)
{
    g_autoptr(Tree) tree = tree_new();

    doctor_check_qemu(&tree->host, tree->report);
    assert_finding(tree, VERDICT_PROBLEM, "QEMU", "is not installed",
                   "apt install qemu-system-x86");
    assert_qemu("#!/bin/sh\necho \"QEMU emulator version 7.2.22 $1\"\n", VERDICT_OK, "7.2", NULL);
    assert_qemu("#!/bin/sh\necho QEMU emulator version 10.0.13\n", VERDICT_OK, "10.0", NULL);
    assert_qemu("#!/bin/sh\necho QEMU emulator version 8.0\n", VERDICT_OK, "8.0", NULL);
    assert_qemu("#!/bin/sh\necho QEMU emulator version 7.1.9\n", VERDICT_WARNING, "older than 7.2",
                "Debian 12");
    assert_qemu("#!/bin/sh\necho QEMU emulator version 6.9\n", VERDICT_WARNING, "older", "update");
    assert_qemu("#!/bin/sh\necho no QEMU >&2\n", VERDICT_UNKNOWN, "does not print", "--version");
    assert_qemu("#!/bin/sh\necho QEMU emulator version x\n", VERDICT_UNKNOWN, "does not", "--ver");
    assert_qemu("#!/nonexistent\n", VERDICT_PROBLEM, "No such file", "reinstall");
}

/* A program that never ends is killed when its output suffices. */
static void
test_endless_qemu(void)
{
    assert_qemu("#!/bin/sh\nexec yes\n", VERDICT_UNKNOWN, "does not print", "--version");
    assert_qemu("#!/bin/sh\necho QEMU emulator version 7.2; exec yes\n", VERDICT_OK, "7.2", NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-libvirt/no-daemon", test_no_daemon);
    g_test_add_func("/cli/doctor-libvirt/listener", test_listener);
    g_test_add_func("/cli/doctor-libvirt/virtqemud", test_virtqemud);
    g_test_add_func("/cli/doctor-libvirt/huge-list", test_huge_list);
    g_test_add_func("/cli/doctor-libvirt/real-list", test_real_list);
    g_test_add_func("/cli/doctor-libvirt/qemu", test_qemu);
    g_test_add_func("/cli/doctor-libvirt/endless-qemu", test_endless_qemu);
    return g_test_run();
}
