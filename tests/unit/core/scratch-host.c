/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scratch-host: a host with an empty store in a folder of its own, for tests. */
#include "scratch-host.h"

#include "util.h"

static void
ignore(gpointer data)
{
}

void
scratch_host_init(ScratchHost *scratch)
{
    g_autofree char *state = NULL, *ram = NULL, *run = NULL;
    g_autoptr(GError) error = NULL;

    scratch->dir = g_dir_make_tmp("cloche-test-XXXXXX", NULL);
    state = g_build_filename(scratch->dir, "state", NULL);
    ram = g_build_filename(scratch->dir, "ram", NULL);
    run = g_build_filename(scratch->dir, "run", NULL);
    scratch->store = store_open(state, ram, run, /* group= */ NULL, &error);
    g_assert_no_error(error);
    host_init(&scratch->host, /* vm= */ NULL, scratch->store, 0, 0);
    scratch->host.on_change = ignore;
}

void
scratch_host_clear(ScratchHost *scratch)
{
    host_clear(&scratch->host);
    store_free(scratch->store);
    g_assert_true(util_remove_tree(scratch->dir, NULL));
    g_free(scratch->dir);
}
