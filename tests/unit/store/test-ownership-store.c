/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-ownership-store: a store that was created with another configuration can be opened. The
 * tests run the command that an error suggests: it must solve the problem.
 */
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "image.h"
#include "ownership-fixture.h"
#include "record.h"

static const Record record = {.id = "abc",
                              .name = "",
                              .template = "box",
                              .boot_id = "b",
                              .metadata = (char *[]){NULL},
                              .languages = (char *[]){NULL},
                              .user = "user",
                              .vcpus = 1,
                              .memory_mib = 1};

/* As another configuration opens it; NULL with what it says. */
static Store *
open_as(Fixture *f, uid_t uid, gid_t gid, GError **error)
{
    g_autofree char *state = path_in(f, "state"), *ram = path_in(f, "ram"),
                    *run = path_in(f, "run");
    const struct group *group = getgrgid(gid);
    Store *store;

    g_clear_pointer(&f->store, store_free);
    be(uid, gid);
    store = store_open(state, ram, run, group->gr_name, error);
    be_root();
    return store;
}

/* Does what each error says until there is none; at most one for each folder of the configuration.
 */
static guint
open_with_help(Fixture *f, uid_t uid, gid_t gid)
{
    for (guint n = 0; n < 4; n++) {
        g_autoptr(GError) error = NULL;

        f->store = open_as(f, uid, gid, &error);
        if (f->store)
            return n;
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
        run_command_of(error);
    }
    g_assert_not_reached();
}

static void
assert_usable(Fixture *f, uid_t uid, gid_t gid)
{
    g_autoptr(TemplateFiles) template = template_files_new(f->store, "box", "0123", "image", "tcg");
    g_autofree char *path = path_in(f, "state/sandboxes/abc");
    g_autoptr(Record) found = NULL;
    g_autoptr(GError) error = NULL;

    be(uid, gid);
    found = record_read(f->store, "abc", &error);
    g_assert_no_error(error);
    g_assert_true(record_write(f->store, found, /* gate= */ NULL, NULL));
    g_assert_true(template_files_load(template, &error));
    be_root();
    g_assert_no_error(error);
    assert_template_fits(template, uid, gid);
    assert_is(path, uid, st_gid_of(path), 0600);
}

/* From root to a user in another group, and back. */
static void
test_both_ways(Fixture *f, gconstpointer data)
{
    gid_t theirs = getgrnam("nogroup")->gr_gid, ours = getgrnam("daemon")->gr_gid;

    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    g_assert_cmpuint(open_with_help(f, 0, ours), ==, 0);
    template_files_free(make_template(f));
    g_assert_true(record_write(f->store, &record, /* gate= */ NULL, NULL));
    assert_usable(f, 0, ours);

    g_assert_cmpuint(open_with_help(f, SERVICE, theirs), ==, 3);
    assert_usable(f, SERVICE, theirs);
    g_assert_cmpuint(open_with_help(f, 0, ours), ==, 0);
    assert_usable(f, 0, ours);
}

/* A record that cannot be read would cost its owner the sandbox: the service does not start. */
static void
test_record(Fixture *f, gconstpointer data)
{
    g_autofree char *path = path_in(f, "state/sandboxes/abc");
    gid_t gid = getgrnam("nogroup")->gr_gid;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    open_with_help(f, SERVICE, gid);
    g_assert_true(record_write(f->store, &record, /* gate= */ NULL, NULL));
    g_clear_pointer(&f->store, store_free);
    f->store = open_as(f, SERVICE, gid, &error);
    g_assert_null(f->store);
    assert_says(error, (const char *const[]){path, "root:", "0600", NULL});
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(open_with_help(f, SERVICE, gid), ==, 1);
}

/* What is there without being the service's is neither changed nor in the way. */
static void
test_unknown(Fixture *f, gconstpointer data)
{
    g_autofree char *folder = path_in(f, "state/sandboxes/lost+found");
    g_autofree char *file = path_in(f, "state/version.9");

    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    write_text(file, "");
    set_all(folder, STRANGER, STRANGER, 0700);
    set_all(file, STRANGER, STRANGER, 0600);
    g_assert_cmpuint(open_with_help(f, 0, getgrnam("nogroup")->gr_gid), ==, 0);
    assert_is(folder, STRANGER, STRANGER, 0700);
    assert_is(file, STRANGER, STRANGER, 0600);
}

static void
test_images(Fixture *f, gconstpointer data)
{
    g_autofree char *images = path_in(f, "state/images"), *link = path_in(f, "state/images/box");
    g_autofree char *dir = path_in(f, "state/images/box-1");
    g_autofree char *disk = path_in(f, "state/images/box-1/disk.ext4");
    g_autoptr(Image) locked = NULL, image = NULL;
    g_autoptr(GError) error = NULL, opening = NULL;
    gid_t gid = getgrnam("nogroup")->gr_gid;

    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    open_with_help(f, SERVICE, gid);
    g_assert_cmpint(g_mkdir(images, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(symlink("box-1", link), ==, 0);
    write_text(disk, "");
    set_all(disk, 0, 0, 0600);

    g_clear_pointer(&f->store, store_free);
    f->store = open_as(f, SERVICE, gid, &opening);
    g_assert_null(f->store);
    assert_says(opening, (const char *const[]){images, "0700", "chmod -R a+rX", NULL});
    g_assert_cmpint(chmod(images, 0755), ==, 0);
    g_assert_cmpuint(open_with_help(f, SERVICE, gid), ==, 0);

    be(SERVICE, gid);
    locked = image_load(f->store, "box", &error);
    be_root();
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    assert_says(error, (const char *const[]){dir, "belongs to root:", "0700", NULL});
    run_command_of(error);
    g_clear_error(&error);
    be(SERVICE, gid);
    image = image_load(f->store, "box", &error); /* it has no image.conf */
    be_root();
    assert_says(error, (const char *const[]){"image.conf", NULL});
    assert_is(dir, 0, 0, 0755);
    assert_is(disk, 0, 0, 0644);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/ownership-store/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("both-ways", test_both_ways);
    ADD("record", test_record);
    ADD("unknown", test_unknown);
    ADD("images", test_images);
    return g_test_run();
}
