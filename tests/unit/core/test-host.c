/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-host: each machine gets its own uid, until no uid is left. */
#include <string.h>

#include "error.h"
#include "host.h"

#define FIRST 1900000000u
#define COUNT HOST_UIDS_MIN
#define GID 64055u

typedef struct {
    Store store;
    Host host;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->store.gid = GID;
    host_init(&f->host, /* vm= */ NULL, &f->store, FIRST, COUNT);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    host_clear(&f->host);
}

static MachineUser
take(Fixture *f)
{
    MachineUser user = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(host_take_user(&f->host, &user, &error));
    g_assert_no_error(error);
    return user;
}

/* Each uid of the range is taken once, in any order. */
static void
test_range(Fixture *f, gconstpointer data)
{
    gboolean seen[COUNT] = {FALSE};

    for (guint32 i = 0; i < COUNT; i++) {
        MachineUser user = take(f);
        g_assert_cmpuint(user.gid, ==, GID);
        g_assert_cmpuint(user.uid, >=, FIRST);
        g_assert_cmpuint(user.uid, <, FIRST + COUNT);
        g_assert_false(seen[user.uid - FIRST]);
        seen[user.uid - FIRST] = TRUE;
    }
}

/* A uid that is returned is taken again only after all others. */
static void
test_turns(Fixture *f, gconstpointer data)
{
    MachineUser first = take(f);

    host_return_user(&f->host, &first);
    for (guint32 i = 1; i < COUNT; i++) {
        MachineUser other = take(f);
        g_assert_cmpuint(other.uid, !=, first.uid);
        host_return_user(&f->host, &other);
    }
    g_assert_cmpuint(take(f).uid, ==, first.uid);
}

/* When no uid is left, the error states what an administrator can do. A returned uid can be taken
 * again. */
static void
test_exhausted(Fixture *f, gconstpointer data)
{
    MachineUser last = {0}, none = {.uid = 7};
    g_autoptr(GError) error = NULL;

    for (guint32 i = 0; i < COUNT; i++)
        last = take(f);
    g_assert_false(host_take_user(&f->host, &none, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED);
    g_assert_nonnull(strstr(error->message, "All 16 uids"));
    g_assert_nonnull(strstr(error->message, "Uids in [Machines] of cloched.conf"));
    g_assert_cmpuint(none.uid, ==, 7);

    host_return_user(&f->host, &last);
    g_assert_cmpuint(take(f).uid, ==, last.uid);
}

/* An adopted machine keeps its uid, which no other machine gets. */
static void
test_adopted(Fixture *f, gconstpointer data)
{
    MachineUser kept = host_keep_user(&f->host, FIRST + 3);

    g_assert_cmpuint(kept.uid, ==, FIRST + 3);
    g_assert_cmpuint(kept.gid, ==, GID);
    for (guint32 i = 1; i < COUNT; i++)
        g_assert_cmpuint(take(f).uid, !=, kept.uid);
    g_assert_false(host_take_user(&f->host, &kept, NULL));
}

/* A uid is recognized as a machine's user just inside of the range, and not just outside. */
static void
test_is_machine(Fixture *f, gconstpointer data)
{
    MachineUser former;

    g_assert_true(host_is_machine(&f->host, FIRST));
    g_assert_true(host_is_machine(&f->host, FIRST + COUNT - 1));
    g_assert_false(host_is_machine(&f->host, FIRST - 1));
    g_assert_false(host_is_machine(&f->host, FIRST + COUNT));
    g_assert_false(host_is_machine(&f->host, 0));

    /* from a previous instance of the service, which had another range */
    former = host_keep_user(&f->host, FIRST + COUNT);
    g_assert_true(host_is_machine(&f->host, FIRST + COUNT));
    host_return_user(&f->host, &former);
    g_assert_false(host_is_machine(&f->host, FIRST + COUNT));
}

/* Without a range, libvirt chooses the user: no uid is assigned, and the number of machines is not
 * limited. */
static void
test_no_range(Fixture *f, gconstpointer data)
{
    host_clear(&f->host);
    host_init(&f->host, NULL, &f->store, 0, 0);
    for (guint32 i = 0; i < COUNT + 1; i++) {
        MachineUser user = take(f);
        g_assert_cmpuint(user.uid, ==, 0);
        g_assert_cmpuint(user.gid, ==, 0);
        host_return_user(&f->host, &user);
    }
    g_assert_cmpuint(host_keep_user(&f->host, 0).uid, ==, 0);
    g_assert_false(host_is_machine(&f->host, 0));
}

static void
count_call(gpointer data)
{
    (*(int *)data)++;
}

/* The callback is called at each release, so that the service can wait for the last one. */
static void
test_count(Fixture *f, gconstpointer data)
{
    int calls = 0;

    f->host.on_change = count_call;
    f->host.on_change_data = &calls;
    host_hold(&f->host);
    host_hold(&f->host);
    g_assert_cmpint(calls, ==, 0);
    host_release(&f->host);
    g_assert_cmpuint(f->host.count, ==, 1);
    host_release(&f->host);
    g_assert_cmpuint(f->host.count, ==, 0);
    g_assert_cmpint(calls, ==, 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/host/" #name, Fixture, NULL, set_up, test_##name, tear_down)
    ADD(range);
    ADD(turns);
    ADD(exhausted);
    ADD(adopted);
    ADD(is_machine);
    ADD(no_range);
    ADD(count);
    return g_test_run();
}
