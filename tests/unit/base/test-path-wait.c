/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-path-wait: a path that appears, with and without its folders. */
#include "path-wait.h"

#include <glib/gstdio.h>

#include "util.h"

/* For what must not happen, and what must. */
#define QUIET_MS 50u
#define PATIENCE_MS 10000u

typedef struct {
    char *top, *folder, *path; /* TOP/a/b and TOP/a/b/file; only TOP exists */
    PathWait *wait;
    guint appeared;
} Fixture;

static void
on_appeared(gpointer data)
{
    ((Fixture *)data)->appeared++;
}

static gboolean
on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Runs the main loop until `count` calls have come, or time is up; returns how many dispatches
 * there were. */
static guint
run(const Fixture *fixture, guint count, guint ms)
{
    gboolean is_over = FALSE;
    guint timer = g_timeout_add(ms, on_time, &is_over), rounds = 0;

    while (fixture->appeared < count && !is_over)
        rounds += g_main_context_iteration(NULL, TRUE) ? 1 : 0;
    if (!is_over)
        g_source_remove(timer);
    return rounds;
}

static void
begin(Fixture *fixture)
{
    fixture->wait = path_wait_new(fixture->path, on_appeared, fixture, NULL);
    g_assert_nonnull(fixture->wait);
}

/* No call comes, if there are so many already. */
static void
expect(Fixture *fixture, guint count)
{
    gboolean is_quiet = fixture->appeared == count;

    run(fixture, is_quiet ? count + 1 : count, is_quiet ? QUIET_MS : PATIENCE_MS);
    g_assert_cmpuint(fixture->appeared, ==, count);
}

static void
write_file(const char *path)
{
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

static void
make_folder(const char *path)
{
    g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->top = g_dir_make_tmp("cloche-path-wait-XXXXXX", NULL);
    fixture->folder = g_build_filename(fixture->top, "a", "b", NULL);
    fixture->path = g_build_filename(fixture->folder, "file", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    path_wait_free(fixture->wait);
    g_assert_true(util_remove_tree(fixture->top, NULL));
    g_free(fixture->top);
    g_free(fixture->folder);
    g_free(fixture->path);
}

/* Also if it exists already, and only once. */
static void
test_file(Fixture *fixture, gconstpointer data)
{
    g_autofree char *other = g_build_filename(fixture->folder, "other", NULL);

    make_folder(fixture->folder);
    begin(fixture);
    write_file(other);
    expect(fixture, 0);
    write_file(fixture->path);
    expect(fixture, 1);
    g_unlink(fixture->path);
    write_file(fixture->path);
    expect(fixture, 1);
    path_wait_free(fixture->wait);
    begin(fixture);
    expect(fixture, 2);
}

static void
test_moved(Fixture *fixture, gconstpointer data)
{
    g_autofree char *other = g_build_filename(fixture->top, "other", NULL);

    make_folder(fixture->folder);
    write_file(other);
    begin(fixture);
    expect(fixture, 0);
    g_assert_cmpint(g_rename(other, fixture->path), ==, 0);
    expect(fixture, 1);
}

/* Folders appear one after the other, or all at once. */
static void
test_folders(Fixture *fixture, gconstpointer data)
{
    g_autofree char *first = g_path_get_dirname(fixture->folder);

    begin(fixture);
    make_folder(first);
    expect(fixture, 0);
    make_folder(fixture->folder);
    expect(fixture, 0);
    write_file(fixture->path);
    expect(fixture, 1);
}

static void
test_folders_at_once(Fixture *fixture, gconstpointer data)
{
    begin(fixture);
    make_folder(fixture->folder);
    write_file(fixture->path);
    expect(fixture, 1);
}

/* The folder that is watched is removed, and another one takes its place. */
static void
test_folder_is_replaced(Fixture *fixture, gconstpointer data)
{
    make_folder(fixture->folder);
    begin(fixture);
    g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
    expect(fixture, 0);
    make_folder(fixture->folder);
    expect(fixture, 0);
    write_file(fixture->path);
    expect(fixture, 1);
}

/* A file where a folder should be is waited for as well. */
static void
test_not_a_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *first = g_path_get_dirname(fixture->folder);

    write_file(first);
    begin(fixture);
    expect(fixture, 0);
    g_unlink(first);
    make_folder(fixture->folder);
    write_file(fixture->path);
    expect(fixture, 1);
}

/* Nothing happens while nothing changes, but the end of the time. */
static void
test_quiet(Fixture *fixture, gconstpointer data)
{
    begin(fixture);
    make_folder(fixture->folder);
    expect(fixture, 0);
    g_assert_cmpuint(run(fixture, 1, QUIET_MS), ==, 1);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/path-wait/file", test_file},
        {"/path-wait/moved", test_moved},
        {"/path-wait/folders", test_folders},
        {"/path-wait/folders-at-once", test_folders_at_once},
        {"/path-wait/folder-is-replaced", test_folder_is_replaced},
        {"/path-wait/not-a-folder", test_not_a_folder},
        {"/path-wait/quiet", test_quiet},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
    return g_test_run();
}
