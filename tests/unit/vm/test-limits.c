/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-limits: the limits of a machine's scope follow from its size. test-vm shows that systemd
 * accepts them. */
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

/* There is no such process, or it is in no unit: said once, and no reason to stop. */
static void
test_refused(void)
{
    const MachineSpec spec = {.memory_mib = 256};

    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "Machines have no bounds of memory and *");
    limits_set(G_MAXINT32, &spec, /* emulated= */ TRUE);
    g_test_assert_expected_messages();
    limits_set(G_MAXINT32, &spec, /* emulated= */ TRUE);
    limits_set(0, &spec, /* emulated= */ TRUE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", /* overwrite= */ TRUE);
    g_test_add_func("/vm/limits/memory", test_memory);
    g_test_add_func("/vm/limits/tasks", test_tasks);
    g_test_add_func("/vm/limits/refused", test_refused);
    return g_test_run();
}
