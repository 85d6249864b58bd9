/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-monitor: the replies of QEMU's monitor are parsed. */
#include <string.h>

#include "error.h"
#include "vm-monitor.h"

static void
assert_refused(const char *reply, const char *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(monitor_parse_reply(reply, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, reason));
}

static void
test_reply(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(monitor_parse_reply("{\"return\":{},\"id\":\"libvirt-7\"}", &error));
    g_assert_no_error(error);
    assert_refused("{\"error\":{\"class\":\"GenericError\",\"desc\":\"File descriptor named 'x' "
                   "not found\"}}",
                   "refused: File descriptor named 'x' not found");
    assert_refused("{\"error\":7}", "refused: it gave no reason");
    assert_refused("{}", "refused: it gave no reason");
    assert_refused("[]", "not a JSON object");
    assert_refused("", "not a JSON object");
    assert_refused("{\"return\":", "");
}

static void
assert_migration(const char *reply, MigrationState expected, const char *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(monitor_parse_migration(reply, &error), ==, expected);
    if (expected != MIGRATION_FAILED) {
        g_assert_no_error(error);
        return;
    }
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, reason));
}

static void
test_migration(void)
{
    assert_migration("{\"return\":{\"status\":\"completed\",\"ram\":{\"total\":1}}}",
                     MIGRATION_COMPLETED, NULL);
    assert_migration("{\"return\":{\"status\":\"active\"}}", MIGRATION_RUNNING, NULL);
    assert_migration("{\"return\":{\"status\":\"setup\"}}", MIGRATION_RUNNING, NULL);
    assert_migration("{\"return\":{}}", MIGRATION_RUNNING, NULL);
    assert_migration("{\"return\":{\"status\":\"failed\",\"error-desc\":\"Unknown ramblock\"}}",
                     MIGRATION_FAILED, "'failed': Unknown ramblock");
    assert_migration("{\"return\":{\"status\":\"cancelled\"}}", MIGRATION_FAILED, "no reason");
    assert_migration("{\"return\":[]}", MIGRATION_FAILED, "not a JSON object");
    assert_migration("{\"error\":{\"desc\":\"gone\"}}", MIGRATION_FAILED, "refused: gone");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/monitor/reply", test_reply);
    g_test_add_func("/vm/monitor/migration", test_migration);
    return g_test_run();
}
