/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-ownership: files and folders get the right owner, group, mode and access list. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "error.h"
#include "ownership-fixture.h"
#include "ownership.h"

static char *
make_file(Fixture *f)
{
    char *path = path_in(f, "state/file");

    open_folders(f);
    write_text(path, "text");
    set_all(path, 0, GROUP, 0640);
    return path;
}

static Ownership
wanted_by(const Fixture *f)
{
    return (Ownership){.type = S_IFREG, .mode = 0640, .gid = GROUP, .folder = f->store->state};
}

static void
test_ours(Fixture *f, gconstpointer data)
{
    static const struct {
        uid_t uid;
        gid_t gid;
        mode_t mode;
        gboolean has_acl;
    } cases[] = {{SERVICE, GROUP, 0640, FALSE},     {0, OTHER_GROUP, 0640, FALSE},
                 {0, GROUP, 0600, FALSE},           {0, GROUP, 0644, FALSE},
                 {0, GROUP, 06755, FALSE},          {0, GROUP, 0640, TRUE},
                 {SERVICE, OTHER_GROUP, 0000, TRUE}};
    g_autofree char *path = make_file(f);
    const Ownership wanted = wanted_by(f);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 before;

        set_all(path, cases[i].uid, cases[i].gid, cases[i].mode);
        if (cases[i].has_acl)
            g_assert_true(access_grant(path, STRANGER, "rw", NULL));
        g_assert_true(ownership_set(path, &wanted, NULL));
        assert_is(path, 0, GROUP, 0640);
        before = changed_at(path);
        g_assert_true(ownership_set(path, &wanted, NULL));
        g_assert_cmpint(changed_at(path), ==, before);
    }
}

/* Any group will do: it stays. */
static void
test_any_group(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    Ownership wanted = wanted_by(f);

    wanted.gid = OWNERSHIP_ANY_GROUP;
    set_all(path, SERVICE, OTHER_GROUP, 0600);
    g_assert_true(ownership_set(path, &wanted, NULL));
    assert_is(path, 0, OTHER_GROUP, 0640);
}

static void
test_ours_without_right(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    const Ownership wanted = wanted_by(f);
    g_autoptr(GError) owner = NULL, group = NULL;

    set_all(path, 0, OTHER_GROUP, 0600);
    be(SERVICE, GROUP);
    g_assert_false(ownership_set(path, &wanted, &owner));
    be_root();
    g_assert_error(owner, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    assert_says(owner, (const char *const[]){path, "belongs to root:1800000011", "mode 0600",
                                             "runs as 1800000003:1800000010", NULL});
    assert_is(path, 0, OTHER_GROUP, 0600);

    /* Its own, of a group that it is not in. */
    set_all(path, SERVICE, OTHER_GROUP, 0600);
    be(SERVICE, SERVICE);
    g_assert_false(ownership_set(path, &wanted, &group));
    be_root();
    assert_says(group, (const char *const[]){path, "belongs to 1800000003:1800000011", NULL});
    run_command_of(group);
    be(SERVICE, SERVICE);
    g_assert_true(ownership_set(path, &wanted, NULL));
    be_root();
    assert_is(path, SERVICE, GROUP, 0640);
}

/* A user may set right the mode, the list, and the group where it is in it. */
static void
test_ours_with_right(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    const Ownership wanted = wanted_by(f);

    set_all(path, SERVICE, OTHER_GROUP, 0666);
    g_assert_true(access_grant(path, STRANGER, "rw", NULL));
    be(SERVICE, GROUP);
    g_assert_true(ownership_set(path, &wanted, NULL));
    be_root();
    assert_is(path, SERVICE, GROUP, 0640);
}

static void
test_links(Fixture *f, gconstpointer data)
{
    g_autofree char *precious = path_in(f, "precious"), *link = path_in(f, "state/link");
    g_autofree char *fifo = path_in(f, "state/fifo");
    const Ownership wanted = wanted_by(f);
    g_autoptr(GError) error = NULL, readable = NULL;

    write_text(precious, "");
    set_all(precious, STRANGER, OTHER_GROUP, 0600);
    g_assert_cmpint(symlink(precious, link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_false(ownership_set(link, &wanted, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_false(ownership_make_readable(link, &wanted, &readable));
    g_assert_false(ownership_set(fifo, &wanted, NULL));
    g_assert_false(ownership_set(f->store->state, &wanted, NULL));
    assert_is(precious, STRANGER, OTHER_GROUP, 0600);
}

/* An administrator's link is followed, a stranger's, as anybody may make one in /dev/shm, is not.
 */
static void
test_place(Fixture *f, gconstpointer data)
{
    g_autofree char *target = path_in(f, "target"), *link = path_in(f, "link");
    g_autofree char *deep = path_in(f, "link/a/b");
    const Ownership wanted = {.type = S_IFDIR, .mode = 0710, .gid = GROUP, .folder = link};
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(target, 0700), ==, 0);
    g_assert_cmpint(symlink(target, link), ==, 0);
    g_assert_true(ownership_set_folder(link, &wanted, NULL));
    assert_is(target, 0, GROUP, 0710);
    g_assert_true(ownership_set_folder(deep, &wanted, NULL));
    assert_is(deep, 0, GROUP, 0710);

    set_all(target, STRANGER, OTHER_GROUP, 0700);
    g_assert_cmpint(lchown(link, STRANGER, STRANGER), ==, 0);
    g_assert_false(ownership_set_folder(link, &wanted, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    assert_says(error, (const char *const[]){link, "symbolic link of the user 1800000004", NULL});
    assert_is(target, STRANGER, OTHER_GROUP, 0700);
}

/* Root changes the owner of a folder only where nobody else can have made it. */
static void
test_folder_of_stranger(Fixture *f, gconstpointer data)
{
    g_autofree char *folder = path_in(f, "shared/ram");
    g_autofree char *shared = path_in(f, "shared");
    const Ownership wanted = {.type = S_IFDIR, .mode = 0710, .gid = GROUP, .folder = folder};
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    set_all(folder, STRANGER, OTHER_GROUP, 0700);
    set_all(shared, 0, 0, 01777);
    g_assert_false(ownership_set_folder(folder, &wanted, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    assert_says(error, (const char *const[]){folder, "user 1800000004", "Remove it", NULL});
    assert_is(folder, STRANGER, OTHER_GROUP, 0700);
    set_all(shared, 0, 0, 0755);
    g_assert_true(ownership_set_folder(folder, &wanted, NULL));
    assert_is(folder, 0, GROUP, 0710);
}

/* --- files that must only be readable --- */

static void
test_readable(Fixture *f, gconstpointer data)
{
    static const struct {
        gid_t gid;
        mode_t before, after;
        gboolean has_acl;
    } cases[] = {{0, 0644, 0644, FALSE},           {GROUP, 0640, 0640, FALSE},
                 {OTHER_GROUP, 0640, 0644, FALSE}, {GROUP, 0604, 0644, FALSE},
                 {0, 0600, 0644, FALSE},           {GROUP, 0600, 0644, TRUE}};
    g_autofree char *path = make_file(f);
    const Ownership wanted = wanted_by(f);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 before;

        set_all(path, STRANGER, cases[i].gid, cases[i].before);
        if (cases[i].has_acl)
            g_assert_true(access_grant(path, SERVICE, "rw", NULL));
        before = changed_at(path);
        g_assert_true(ownership_make_readable(path, &wanted, NULL));
        assert_is(path, STRANGER, cases[i].gid, cases[i].after);
        if (cases[i].after == cases[i].before)
            g_assert_cmpint(changed_at(path), ==, before);
    }
}

static void
test_readable_without_right(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    const Ownership wanted = wanted_by(f);
    g_autoptr(GError) error = NULL;

    set_all(path, 0, OTHER_GROUP, 0640);
    be(SERVICE, GROUP);
    g_assert_false(ownership_make_readable(path, &wanted, &error));
    be_root();
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    assert_says(error,
                (const char *const[]){path, "root:1800000011", "0640", "chmod -R a+rX", NULL});
    run_command_of(error);
    be(SERVICE, GROUP);
    g_assert_true(ownership_make_readable(path, &wanted, NULL));
    be_root();
    assert_is(path, 0, OTHER_GROUP, 0644);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/ownership/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("ours", test_ours);
    ADD("any-group", test_any_group);
    ADD("ours/without-right", test_ours_without_right);
    ADD("ours/with-right", test_ours_with_right);
    ADD("links", test_links);
    ADD("place", test_place);
    ADD("place/folder-of-stranger", test_folder_of_stranger);
    ADD("readable", test_readable);
    ADD("readable/without-right", test_readable_without_right);
    return g_test_run();
}
