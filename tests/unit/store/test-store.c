/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-store: whom a state folder belongs to. */
#include <string.h>

#include "error.h"
#include "store.h"
#include "util.h"

typedef struct {
    char *dir, *state, *other_state, *ram, *run;
} Folders;

static void
set_up(Folders *f, gconstpointer data)
{
    f->dir = g_dir_make_tmp("cloche-store-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->state = g_build_filename(f->dir, "state", NULL);
    f->other_state = g_build_filename(f->dir, "other-state", NULL);
    f->ram = g_build_filename(f->dir, "ram", NULL);
    f->run = g_build_filename(f->dir, "run", NULL);
}

static void
tear_down(Folders *f, gconstpointer data)
{
    g_assert_true(util_remove_tree(f->dir, NULL));
    g_free(f->dir);
    g_free(f->state);
    g_free(f->other_state);
    g_free(f->ram);
    g_free(f->run);
}

static void
test_one_at_a_time(Folders *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) first = store_open(f->state, f->ram, f->run, NULL, &error);
    g_autoptr(Store) second = NULL;

    g_assert_no_error(error);
    second = store_open(f->state, f->ram, f->run, NULL, &error);
    g_assert_null(second);
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, f->state));
    g_assert_nonnull(strstr(error->message, "Another cloched"));
}

static void
test_after_each_other(Folders *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) first = store_open(f->state, f->ram, f->run, NULL, &error);
    g_autoptr(Store) second = NULL;

    g_assert_no_error(error);
    g_clear_pointer(&first, store_free);
    second = store_open(f->state, f->ram, f->run, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(second);
}

static void
test_side_by_side(Folders *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) first = store_open(f->state, f->ram, f->run, NULL, &error);
    g_autoptr(Store) second = NULL;

    g_assert_no_error(error);
    second = store_open(f->other_state, f->ram, f->run, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(second);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/store/one-at-a-time", Folders, NULL, set_up, test_one_at_a_time, tear_down);
    g_test_add("/store/after-each-other", Folders, NULL, set_up, test_after_each_other, tear_down);
    g_test_add("/store/side-by-side", Folders, NULL, set_up, test_side_by_side, tear_down);
    return g_test_run();
}
