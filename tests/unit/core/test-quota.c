/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-quota: each limit holds just inside and just outside of its bound, and everything that is
 * charged is released. */
#include "error.h"
#include "quota.h"

#define ALICE 1000u
#define BOB 1001u
#define NOBODY_HIGH 4294967294u /* a uid beyond 31 bits */

static const QuotaAmounts all = {{10, 4096, 20, 8192, 12, 6, 512, 100, 30, 300}};
static const QuotaAmounts each = {{5, 3072, 15, 6144, 9, 4, 256, 50, 20, 200}};

static QuotaAmounts
only(QuotaResource resource, guint64 amount)
{
    QuotaAmounts what = {0};

    what.amount[resource] = amount;
    return what;
}

static gboolean
charge(Quota *quota, guint32 uid, QuotaResource resource, guint64 amount, GError **error)
{
    QuotaAmounts what = only(resource, amount);

    return quota_charge(quota, uid, &what, error);
}

static void
release(Quota *quota, guint32 uid, QuotaResource resource, guint64 amount)
{
    QuotaAmounts what = only(resource, amount);

    quota_release(quota, uid, &what);
}

static void
assert_amounts(QuotaAmounts found, QuotaAmounts expected)
{
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        g_assert_cmpuint(found.amount[r], ==, expected.amount[r]);
}

/* A user can charge up to its limit, in steps or at once, but not beyond. */
static void
test_each(void)
{
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++) {
        Quota *quota = quota_new(&all, &each);
        guint64 most = each.amount[r];

        g_assert_false(charge(quota, ALICE, r, most + 1, NULL));
        g_assert_true(charge(quota, ALICE, r, most, NULL));
        g_assert_false(charge(quota, ALICE, r, 1, NULL));
        release(quota, ALICE, r, 1);
        g_assert_true(charge(quota, ALICE, r, 1, NULL));
        assert_amounts(quota_used(quota, ALICE), only(r, most));
        g_assert_true(charge(quota, BOB, r, 1, NULL)); /* another user's usage does not count */
        quota_free(quota);
    }
}

/* Two users together can charge up to the limit of all. */
static void
test_all(void)
{
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++) {
        Quota *quota = quota_new(&all, &each);
        guint64 rest = all.amount[r] - each.amount[r];

        g_assert_true(charge(quota, ALICE, r, each.amount[r], NULL));
        g_assert_false(charge(quota, BOB, r, rest + 1, NULL));
        g_assert_true(charge(quota, BOB, r, rest, NULL));
        g_assert_false(charge(quota, NOBODY_HIGH, r, 1, NULL));
        assert_amounts(quota_used_by_all(quota), only(r, all.amount[r]));
        release(quota, ALICE, r, 1);
        g_assert_true(charge(quota, NOBODY_HIGH, r, 1, NULL));
        quota_free(quota);
    }
}

/* A charge is made completely or not at all, whichever resource is short. */
static void
test_whole(void)
{
    Quota *quota = quota_new(&all, &each);
    const QuotaAmounts sandbox = {{1, 512, 2, 1024, 0, 1}}, nothing = {0};

    g_assert_true(quota_charge(quota, ALICE, &sandbox, NULL));
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++) {
        QuotaAmounts what = sandbox;

        what.amount[r] = each.amount[r] + 1;
        g_assert_false(quota_charge(quota, ALICE, &what, NULL));
        assert_amounts(quota_used(quota, ALICE), sandbox);
        assert_amounts(quota_used_by_all(quota), sandbox);
    }
    quota_release(quota, ALICE, &sandbox);
    assert_amounts(quota_used(quota, ALICE), nothing);
    assert_amounts(quota_used_by_all(quota), nothing);
    quota_free(quota);
}

/* A charge that does not need the short resource succeeds. */
static void
test_short_of_another(void)
{
    Quota *quota = quota_new(&all, &each);

    g_assert_true(charge(quota, ALICE, QUOTA_MEMORY_MIB, 3072, NULL));
    g_assert_true(charge(quota, ALICE, QUOTA_PROCESSES, 9, NULL));
    quota_free(quota);
}

static void
test_infinity(void)
{
    QuotaAmounts none;
    Quota *quota;

    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        none.amount[r] = G_MAXUINT64;
    quota = quota_new(&none, &none);
    g_assert_true(charge(quota, ALICE, QUOTA_DISK_MIB, G_MAXUINT64 / 2, NULL));
    g_assert_true(charge(quota, ALICE, QUOTA_DISK_MIB, G_MAXUINT64 / 2, NULL));
    /* The sum in the account does not overflow. */
    g_assert_false(charge(quota, ALICE, QUOTA_DISK_MIB, 2, NULL));
    quota_free(quota);
}

static void
test_message(void)
{
    static const char *const names[] = {"sandboxes", "memory-mib",  "vcpus",       "disk-mib",
                                        "processes", "creates",     "connections", "traffic-mib",
                                        "snapshots", "snapshot-mib"};
    Quota *quota = quota_new(&all, &each);
    g_autoptr(GError) own = NULL, others = NULL;

    g_assert_true(charge(quota, ALICE, QUOTA_MEMORY_MIB, 3000, NULL));
    g_assert_false(charge(quota, ALICE, QUOTA_MEMORY_MIB, 73, &own));
    g_assert_error(own, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED);
    g_assert_cmpstr(own->message, ==,
                    "The limit memory-mib of user 1000 is reached: 3000 of 3072 MiB are in use, "
                    "and this needs 73 more; end a sandbox, or ask an administrator to raise "
                    "MemoryMiB in [UserLimits] of cloched.conf");
    g_assert_false(charge(quota, BOB, QUOTA_MEMORY_MIB, 1097, &others));
    g_assert_cmpstr(others->message, ==,
                    "The limit memory-mib of all users is reached: 3000 of 4096 MiB are in use, "
                    "and this needs 1097 more; end a sandbox, or ask an administrator to raise "
                    "MemoryMiB in [Limits] of cloched.conf");
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        g_assert_cmpstr(quota_resource_name(r), ==, names[r]);
    quota_free(quota);
}

/* If the usage exceeds a lowered limit, it remains, and no charge is added. */
static void
test_less(void)
{
    const QuotaAmounts little = {{1, 64, 1, 64, 1, 1, 1, 1}};
    Quota *quota = quota_new(&all, &each);

    g_assert_true(charge(quota, ALICE, QUOTA_SANDBOXES, 3, NULL));
    quota_set_limits(quota, &all, &little);
    g_assert_false(charge(quota, ALICE, QUOTA_SANDBOXES, 1, NULL));
    release(quota, ALICE, QUOTA_SANDBOXES, 2);
    g_assert_false(charge(quota, ALICE, QUOTA_SANDBOXES, 1, NULL));
    g_assert_true(charge(quota, BOB, QUOTA_SANDBOXES, 1, NULL));
    release(quota, ALICE, QUOTA_SANDBOXES, 1);
    g_assert_true(charge(quota, ALICE, QUOTA_SANDBOXES, 1, NULL));
    g_assert_cmpuint(quota_limits_of_each(quota)->amount[QUOTA_SANDBOXES], ==, 1);
    g_assert_cmpuint(quota_limits_of_all(quota)->amount[QUOTA_SANDBOXES], ==, 10);
    quota_free(quota);
}

static void
test_anyway(void)
{
    const QuotaAmounts sandboxes = only(QUOTA_SANDBOXES, 7);
    Quota *quota = quota_new(&all, &each);

    quota_charge_anyway(quota, ALICE, &sandboxes); /* as after a restart that found them */
    assert_amounts(quota_used(quota, ALICE), sandboxes);
    assert_amounts(quota_used_by_all(quota), sandboxes);
    g_assert_false(charge(quota, ALICE, QUOTA_SANDBOXES, 1, NULL));
    g_assert_true(charge(quota, BOB, QUOTA_SANDBOXES, 3, NULL));
    g_assert_false(charge(quota, BOB, QUOTA_SANDBOXES, 1, NULL));
    quota_free(quota);
}

/* Releasing an amount that was never charged is a bug in the service, so it aborts. */
static void
test_release_twice(void)
{
    if (g_test_subprocess()) {
        Quota *quota = quota_new(&all, &each);

        g_assert_true(charge(quota, ALICE, QUOTA_SANDBOXES, 1, NULL));
        g_assert_true(charge(quota, BOB, QUOTA_SANDBOXES, 1, NULL));
        release(quota, ALICE, QUOTA_SANDBOXES, 1);
        release(quota, ALICE, QUOTA_SANDBOXES, 1); /* Alice cannot release what Bob was charged */
        quota_free(quota);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/quota/each", test_each);
    g_test_add_func("/quota/all", test_all);
    g_test_add_func("/quota/whole", test_whole);
    g_test_add_func("/quota/short-of-another", test_short_of_another);
    g_test_add_func("/quota/infinity", test_infinity);
    g_test_add_func("/quota/message", test_message);
    g_test_add_func("/quota/less", test_less);
    g_test_add_func("/quota/anyway", test_anyway);
    g_test_add_func("/quota/release-twice", test_release_twice);
    return g_test_run();
}
