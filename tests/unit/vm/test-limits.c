/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-limits: the limits of a machine's scope follow from its size. test-vm shows that systemd
 * accepts them. */
#include <string.h>

#include "error.h"
#include "vm-limits.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* Twice the guest's, and what QEMU needs. */
static void
test_memory(void)
{
    const MachineSpec small = {.memory_mib = 256}, large = {.memory_mib = 1 << 20};

    g_assert_cmpuint(limits_memory(&small, /* emulated= */ FALSE), ==, (2 * 256 + 256) * MIB);
    g_assert_cmpuint(limits_memory(&small, /* emulated= */ TRUE), ==, (2 * 256 + 512) * MIB);
    g_assert_cmpuint(limits_memory(&large, /* emulated= */ FALSE), ==, (2 * (1 << 20) + 256) * MIB);
}

/* One processor, or all that an image may ask for, and a disk that is busy. */
static void
test_tasks(void)
{
    const MachineSpec small = {.vcpus = 1}, large = {.vcpus = 64};

    g_assert_cmpuint(limits_tasks(&small), ==, 97);
    g_assert_cmpuint(limits_tasks(&large), ==, 160);
}

static void
assert_refused(pid_t pid)
{
    const MachineSpec spec = {.memory_mib = 256};
    g_autoptr(GError) error = NULL;

    g_assert_false(limits_set(pid, &spec, /* emulated= */ TRUE, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "cannot be bounded"));
}

/* There is no such process, or none that is known: each time an error, so no machine runs without
 * bounds. */
static void
test_refused(void)
{
    assert_refused(G_MAXINT32);
    assert_refused(G_MAXINT32);
    assert_refused(0);
}

/* A process id may be another machine's by the time at which it is used. */
static void
test_scope(void)
{
    static const char scope[] =
        "/org/freedesktop/systemd1/unit/machine_2dqemu_5cx2d7_5cx2dcloche_5cx2dabcd_2escope";
    g_autoptr(GError) error = NULL;

    g_assert_true(limits_is_scope_of(scope, "cloche-abcd"));
    g_assert_false(limits_is_scope_of(scope, "cloche-bcd"));
    g_assert_false(limits_is_scope_of(scope, "cloche-efgh"));
    g_assert_false(
        limits_is_scope_of("/org/freedesktop/systemd1/unit/polkit_2eservice", "cloche-abcd"));
    g_assert_false(
        limits_is_scope_of("/org/freedesktop/systemd1/unit/abcd_2escope", "cloche-abcd"));
    g_assert_false(limits_kill(G_MAXINT32, "cloche-abcd", &error)); /* there is no bus */
    g_assert_nonnull(error);
}

/* The unit is named by libvirt and systemd. */
static void
test_scope_machine(void)
{
    g_autofree char *machine =
        limits_scope_machine("machine-qemu\\x2d10\\x2dcloche\\x2dprobe\\x2dabcd.scope");

    g_assert_cmpstr(machine, ==, "cloche-probe-abcd");
    g_assert_null(limits_scope_machine("machine-qemu\\x2d10.scope"));
    g_assert_null(limits_scope_machine("machine-lxc\\x2d10\\x2dcloche\\x2dabcd.scope"));
    g_assert_null(limits_scope_machine("machine-qemu\\x2d10\\x2dcloche\\x2dabcd.service"));
    g_assert_null(limits_list_scopes("cloche-")); /* there is no bus */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", /* overwrite= */ TRUE);
    g_test_add_func("/vm/limits/memory", test_memory);
    g_test_add_func("/vm/limits/tasks", test_tasks);
    g_test_add_func("/vm/limits/refused", test_refused);
    g_test_add_func("/vm/limits/scope", test_scope);
    g_test_add_func("/vm/limits/scope-machine", test_scope_machine);
    return g_test_run();
}
