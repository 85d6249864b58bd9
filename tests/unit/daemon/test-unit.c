/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-unit: the limits of cloched.service are above what the default configuration permits users
 * to make the service hold. */
#include <string.h>

#include "config.h"
#include "error.h"

/* Threads and descriptors of one operation: stranger.c, guest-process.c. */
#define OPERATION_THREADS 1
#define OPERATION_FDS 6
/* Descriptors for each machine: its channel, and the watch of its QEMU. */
#define MACHINE_FDS 2
/* Worker threads, the bus, libvirt, and what waits to be sent. */
#define OTHER_THREADS 200
#define OTHER_FDS 4096
/* The part of the host's memory that users can make the service hold ("Bounds" of
 * docs/ARCHITECTURE.md). */
#define USER_PERCENT 30

/* The number behind `key` in a unit. */
static guint64
number_in(const char *variable, const char *key)
{
    g_autofree char *text = NULL;
    const char *found;

    g_assert_true(g_file_get_contents(g_getenv(variable), &text, NULL, NULL));
    found = strstr(text, key);
    g_assert_nonnull(found);
    return g_ascii_strtoull(found + strlen(key), NULL, 10);
}

static Config *
load_defaults(void)
{
    static const char *const none[] = {"/nonexistent", NULL};
    g_autoptr(GError) error = NULL;
    Config *config = config_load_from(none, &error);

    g_assert_no_error(error);
    return config;
}

static void
test_operations(void)
{
    g_autoptr(Config) config = load_defaults();
    const guint64 *all = config->core.limits_of_all.amount;
    guint64 fds = all[QUOTA_PROCESSES] * OPERATION_FDS + all[QUOTA_SANDBOXES] * MACHINE_FDS;

    g_assert_cmpuint(number_in("CLOCHED_UNIT", "\nTasksMax="), >=,
                     all[QUOTA_PROCESSES] * OPERATION_THREADS + OTHER_THREADS);
    g_assert_cmpuint(number_in("CLOCHED_UNIT", "\nLimitNOFILE="), >=, fds + OTHER_FDS);
}

/* The kernel counts the templates' RAM as memory of the service. What one user can make it hold
 * comes on top. */
static void
test_memory(void)
{
    guint64 ram = number_in("RAM_MOUNT", "size="),
            high = number_in("CLOCHED_UNIT", "\nMemoryHigh=");

    g_assert_cmpuint(ram, >, 0);
    g_assert_cmpuint(high, >=, ram + USER_PERCENT);
    g_assert_cmpuint(number_in("CLOCHED_UNIT", "\nMemoryMax="), >, high);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/unit/operations", test_operations);
    g_test_add_func("/unit/memory", test_memory);
    return g_test_run();
}
