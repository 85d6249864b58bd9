/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-confine: 'cloche doctor' checks AppArmor, SELinux and the clock. */
#include <errno.h>

#include "doctor-checks.h"
#include "doctor-tree.h"

#define ENABLED "/sys/module/apparmor/parameters/enabled"
#define LIBVIRT "/etc/apparmor.d/abstractions/libvirt-qemu"
#define OURS "/etc/apparmor.d/abstractions/libvirt-qemu.d/cloche"
#define LOCAL "/etc/apparmor.d/local/abstractions/libvirt-qemu"
#define SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static void
check(Tree *tree, Verdict verdict, const char *name, const char *text, const char *action)
{
    doctor_check_confinement(&tree->host, tree->report);
    assert_finding(tree, verdict, name, text, action);
}

static void
test_off(void)
{
    g_autoptr(Tree) tree = tree_new();

    check(tree, VERDICT_WARNING, "AppArmor", "is disabled, and so is SELinux",
          "apt install apparmor");
    tree_write(tree, ENABLED, "N\n");
    check(tree, VERDICT_WARNING, "AppArmor", "is disabled, and so is SELinux",
          "apt install apparmor");
    tree_write(tree, ENABLED, "");
    check(tree, VERDICT_WARNING, "AppArmor", "is disabled, and so is SELinux",
          "apt install apparmor");
    tree_remove(tree, ENABLED);
    tree_make_folder(tree, ENABLED);
    check(tree, VERDICT_UNKNOWN, "AppArmor", "cannot be read", "ls -l " ENABLED);
}

static void
test_apparmor(void)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, ENABLED, "Y\n");
    check(tree, VERDICT_WARNING, "AppArmor", "libvirt has no rules", "libvirt-daemon-system");
    tree_write(tree, LIBVIRT, "/dev/net/tun rw,\n");
    check(tree, VERDICT_PROBLEM, "AppArmor", OURS " is missing", "meson install");
    tree_write(tree, OURS, "");
    check(tree, VERDICT_PROBLEM, "AppArmor", "do not include those of cloche", ">>" LOCAL);
    /* Debian 12: by the administrator's file */
    tree_write(tree, LOCAL, "# nothing\n");
    check(tree, VERDICT_PROBLEM, "AppArmor", "do not include those of cloche", ">>" LOCAL);
    tree_write(tree, LOCAL, "x\ninclude if exists <abstractions/libvirt-qemu.d/cloche>");
    check(tree, VERDICT_OK, "AppArmor", "include those of cloche", NULL);
    tree_remove(tree, LOCAL);
    tree_make_folder(tree, LOCAL);
    check(tree, VERDICT_UNKNOWN, "AppArmor", LOCAL " cannot be read", "ls -l");
    /* newer libvirt: by its own */
    tree_write(tree, LIBVIRT, "  #include if exists <abstractions/libvirt-qemu.d>\n");
    check(tree, VERDICT_OK, "AppArmor", "include those of cloche", NULL);
}

/* A comment that names the folder does not count as a rule. */
static void
test_comment(void)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, ENABLED, "Y\n");
    tree_write(tree, OURS, "");
    tree_write(tree, LIBVIRT, "# see <abstractions/libvirt-qemu.d/cloche>\n");
    check(tree, VERDICT_PROBLEM, "AppArmor", "do not include those of cloche", "include if exists");
}

static void
test_selinux(void)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, "/sys/fs/selinux/enforce", "1");
    check(tree, VERDICT_WARNING, "SELinux", "not tested", "cloched(8)");
    tree_write(tree, "/sys/fs/selinux/enforce", "0");
    check(tree, VERDICT_OK, "SELinux", "permissive", NULL);
}

static void
test_clock(void)
{
    g_autoptr(Tree) tree = tree_new();
    const Clock good = {.is_synchronized = TRUE}, bad = {0}, none = {.errnum = EPERM};

    doctor_check_clock(tree->report, &good);
    assert_finding(tree, VERDICT_OK, "time", "is synchronized", NULL);
    doctor_check_clock(tree->report, &bad);
    assert_finding(tree, VERDICT_WARNING, "time", "is not synchronized", "systemd-timesyncd");
    doctor_check_clock(tree->report, &none);
    assert_finding(tree, VERDICT_UNKNOWN, "time", "Operation not permitted", "timedatectl");
    g_assert_cmpint(clock_read().errnum, ==, 0);
}

static void
test_clocksource(void)
{
    g_autoptr(Tree) tree = tree_new();

    doctor_check_clocksource(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "clock source", "cannot be read", "ls -l");
    tree_write(tree, SOURCE, "tsc\n");
    doctor_check_clocksource(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "clock source", "tsc", NULL);
    tree_write(tree, SOURCE, "kvm-clock\n");
    doctor_check_clocksource(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "clock source", "kvm-clock", NULL);
    tree_write(tree, SOURCE, "hpet\n");
    doctor_check_clocksource(&tree->host, tree->report);
    assert_finding(tree, VERDICT_WARNING, "clock source", "hpet, which is slow", "journalctl -k");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-confine/off", test_off);
    g_test_add_func("/cli/doctor-confine/apparmor", test_apparmor);
    g_test_add_func("/cli/doctor-confine/comment", test_comment);
    g_test_add_func("/cli/doctor-confine/selinux", test_selinux);
    g_test_add_func("/cli/doctor-clock/time", test_clock);
    g_test_add_func("/cli/doctor-clock/source", test_clocksource);
    return g_test_run();
}
