/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-disk-share: whose machines stop, just inside and just outside of each bound. */
#include "disk-share.h"

#define MIB ((guint64)1024 * 1024)
#define SIZE (1000 * MIB) /* the reserve is 50 MiB */

enum { ALICE = 1, BOB = 2, CAROL = 3 };

typedef struct {
    GHashTable *users;
    guint64 percent;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    f->percent = 100;
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_hash_table_unref(f->users);
}

static void
use(Fixture *f, guint uid, guint64 bytes)
{
    DiskUser *user = g_hash_table_lookup(f->users, GUINT_TO_POINTER(uid));

    if (!user) {
        user = g_new0(DiskUser, 1);
        g_hash_table_insert(f->users, GUINT_TO_POINTER(uid), user);
    }
    user->used = bytes;
}

static void
judge(Fixture *f, guint64 left)
{
    const DiskSpace space = {SIZE, left, f->percent};

    disk_share_judge(f->users, &space);
}

static gboolean
is_held(const Fixture *f, guint uid)
{
    return disk_user_is_held(g_hash_table_lookup(f->users, GUINT_TO_POINTER(uid)));
}

static void
test_reserve(Fixture *f, gconstpointer data)
{
    const DiskSpace small = {SIZE, 0, 100}, large = {SIZE * 1000, 0, 100};

    g_assert_cmpuint(disk_share_reserve(&small), ==, 50 * MIB);
    g_assert_cmpuint(disk_share_reserve(&large), ==, 4096 * MIB);
}

/* The user of most stops at the reserve, the next at half of it, and all go on together. */
static void
test_low(Fixture *f, gconstpointer data)
{
    use(f, ALICE, 300 * MIB);
    use(f, BOB, 200 * MIB);
    use(f, CAROL, 100 * MIB);
    judge(f, 50 * MIB);
    g_assert_false(is_held(f, ALICE));
    judge(f, 50 * MIB - 1);
    g_assert_true(is_held(f, ALICE));
    g_assert_false(is_held(f, BOB));
    judge(f, 25 * MIB);
    g_assert_false(is_held(f, BOB));
    judge(f, 25 * MIB - 1);
    g_assert_true(is_held(f, BOB));
    judge(f, 25 * MIB / 2);
    g_assert_false(is_held(f, CAROL));
    judge(f, 25 * MIB / 2 - 1);
    g_assert_true(is_held(f, CAROL));
    judge(f, 0);
    judge(f, 50 * MIB / 4 * 5 - 1);
    g_assert_true(is_held(f, ALICE));
    judge(f, 50 * MIB / 4 * 5);
    g_assert_false(is_held(f, ALICE));
    g_assert_false(is_held(f, BOB));
    g_assert_false(is_held(f, CAROL));
}

/* The share is of what is free and what all use: 25 % of 400 MiB. */
static void
test_share(Fixture *f, gconstpointer data)
{
    f->percent = 25;
    use(f, ALICE, 100 * MIB);
    use(f, BOB, 10 * MIB);
    judge(f, 290 * MIB);
    g_assert_false(is_held(f, ALICE));
    use(f, ALICE, 101 * MIB);
    judge(f, 289 * MIB);
    g_assert_true(is_held(f, ALICE));
    g_assert_false(is_held(f, BOB));
    use(f, ALICE, 80 * MIB + 1);
    judge(f, 310 * MIB - 1);
    g_assert_true(is_held(f, ALICE));
    use(f, ALICE, 80 * MIB);
    judge(f, 310 * MIB);
    g_assert_false(is_held(f, ALICE));
}

/* Who stands still for the share is not stopped again instead of another one. */
static void
test_both(Fixture *f, gconstpointer data)
{
    f->percent = 50;
    use(f, ALICE, 600 * MIB);
    use(f, BOB, 100 * MIB);
    judge(f, 49 * MIB);
    g_assert_true(is_held(f, ALICE));
    g_assert_true(is_held(f, BOB));
}

/* Other files fill the disk: users who take no more than the reserve go on. */
static void
test_small_users(Fixture *f, gconstpointer data)
{
    f->percent = 1;
    use(f, ALICE, 50 * MIB + 1);
    use(f, BOB, 50 * MIB);
    judge(f, 0);
    judge(f, 0);
    g_assert_true(is_held(f, ALICE));
    g_assert_false(is_held(f, BOB));
    f->percent = 100;
    use(f, ALICE, 0);
    use(f, BOB, 50 * MIB + 1);
    judge(f, 0);
    judge(f, 0);
    g_assert_true(is_held(f, BOB));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/core/disk-share/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("reserve", test_reserve);
    ADD("low", test_low);
    ADD("share", test_share);
    ADD("both", test_both);
    ADD("small-users", test_small_users);
#undef ADD
    return g_test_run();
}
