/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-keyed-digest: different texts have different digests, and only the key gives the same ones.
 */
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "keyed-digest.h"

static char *
digest(const Store *store, char **first, char **second)
{
    StoreDigest *it = store_digest_new(store);

    store_digest_add_list(it, first);
    store_digest_add_list(it, second);
    return store_digest_finish(it);
}

static void
open_again(Fixture *f)
{
    g_autofree char *state = path_in(f, "state"), *ram = path_in(f, "ram"),
                    *run = path_in(f, "run");

    store_free(f->store);
    f->store = store_open(state, ram, run, /* group= */ NULL, NULL);
    g_assert_nonnull(f->store);
}

/* Lists that look the same when they are joined. */
static void
test_unambiguous(Fixture *f, gconstpointer data)
{
    char *lists[][3] = {{NULL},
                        {(char *)"", NULL},
                        {(char *)"a\nb", NULL},
                        {(char *)"a", (char *)"b", NULL},
                        {(char *)"a", NULL}};
    const gsize n = G_N_ELEMENTS(lists);
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (gsize i = 0; i < n * n; i++)
        g_assert_true(g_hash_table_add(found, digest(f->store, lists[i / n], lists[i % n])));
    g_assert_false(g_hash_table_add(found, digest(f->store, lists[1], lists[2])));
}

static void
test_key(Fixture *f, gconstpointer data)
{
    char *list[] = {(char *)"a", NULL};
    g_autofree char *path = path_in(f, "run/request-key"), *first = digest(f->store, list, list);
    g_autofree char *second = NULL, *third = NULL, *fourth = NULL;
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    open_again(f);
    second = digest(f->store, list, list);
    g_assert_cmpstr(second, ==, first);

    g_assert_cmpint(chmod(path, 0644), ==, 0); /* somebody may have read it */
    open_again(f);
    third = digest(f->store, list, list);
    g_assert_cmpstr(third, !=, first);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);

    g_assert_cmpint(unlink(path), ==, 0);
    open_again(f);
    fourth = digest(f->store, list, list);
    g_assert_cmpstr(fourth, !=, third);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/keyed-digest/unambiguous", Fixture, NULL, set_up, test_unambiguous, tear_down);
    g_test_add("/keyed-digest/key", Fixture, NULL, set_up, test_key, tear_down);
    return g_test_run();
}
