/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-store: the store has one service, restricts its folders, validates images, and removes
 * leftovers at the start. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fixture.h"
#include "image.h"
#include "names.h"

/* --- whose it is --- */

static Store *
open_another(Fixture *f, const char *state, GError **error)
{
    g_autofree char *path = path_in(f, state);

    return store_open(path, f->store->ram, f->store->run, /* group= */ NULL, error);
}

static void
test_open_twice(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(open_another(f, "state", &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "Another cloched"));
    g_assert_nonnull(strstr(error->message, f->store->state));
}

/* The lock is on one state folder, and goes with its store. */
static void
test_open_others(Fixture *f, gconstpointer data)
{
    g_autoptr(Store) beside = open_another(f, "other-state", NULL), next = NULL;

    g_assert_nonnull(beside);
    g_clear_pointer(&beside, store_free);
    next = open_another(f, "other-state", NULL);
    g_assert_nonnull(next);
}

/* Keeps the lock until somebody else has opened the folder. */
static gpointer
let_go(gpointer data)
{
    const int *fds = data; /* of inotify, and of the folder */
    struct inotify_event event;

    g_assert_cmpint(read(fds[0], &event, sizeof(event)), ==, sizeof(event));
    close(fds[1]);
    return NULL;
}

static void
test_open_behind_a_dead_one(Fixture *f, gconstpointer data)
{
    g_autofree char *path = path_in(f, "other-state");
    g_autoptr(Store) store = open_another(f, "other-state", NULL);
    g_autoptr(GError) error = NULL;
    int fds[2];
    GThread *holder;

    g_clear_pointer(&store, store_free);
    fds[1] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(flock(fds[1], LOCK_EX), ==, 0);
    fds[0] = inotify_init1(IN_CLOEXEC);
    g_assert_cmpint(inotify_add_watch(fds[0], path, IN_OPEN), >=, 0);
    holder = g_thread_new("holder", let_go, fds);
    store = open_another(f, "other-state", &error);
    g_assert_no_error(error);
    g_assert_nonnull(store);
    g_thread_join(holder);
    close(fds[0]);
}

/* --- images --- */

static void
make_image(Fixture *f, const char *conf, guint64 disk_size)
{
    g_autofree char *images = path_in(f, "state/images"), *link = path_in(f, "state/images/box");
    g_autofree char *dir = path_in(f, "state/images/box-1"), *path = NULL, *disk = NULL;

    g_mkdir(images, 0700);
    g_mkdir(dir, 0700);
    path = g_build_filename(dir, "image.conf", NULL);
    write_text(path, conf);
    disk = g_build_filename(dir, "disk.ext4", NULL);
    write_text(disk, "");
    g_assert_cmpint(truncate(disk, (off_t)disk_size), ==, 0);
    g_assert_true(symlink("box-1", link) == 0 || errno == EEXIST);
}

#define GOOD                                                                                       \
    "[Image]\nName=box\nDescription=A box\nDigest=1\nUser=user\nKernel=6.1\nMemoryMiB=64\n"        \
    "Vcpus=1\nLanguages=python;r;\nRunners=python;\nStartup.python=x = "                           \
    "1\nStartup.r=x\nExercise.python=print(1)\\n1\nExercise.r=2\n"

static void
test_image(Fixture *f, gconstpointer data)
{
    g_autoptr(Image) image = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = NULL;

    make_image(f, GOOD, 3 * 1024 * 1024);
    image = image_load(f->store, "box", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(image->description, ==, "A box");
    g_assert_cmpuint(image->memory_mib, ==, 64);
    g_assert_cmpuint(image->disk_mib, ==, 3);
    g_assert_cmpstrv(image->languages, ((const char *const[]){"python", "r", NULL}));
    g_assert_cmpstrv(image->runners, ((const char *const[]){"python", NULL}));
    g_assert_cmpstr(g_hash_table_lookup(image->startup, "python"), ==, "x = 1");
    g_assert_null(g_hash_table_lookup(image->startup, "r"));
    g_assert_cmpstr(g_hash_table_lookup(image->exercise, "python"), ==, "print(1)\n1");
    g_assert_null(g_hash_table_lookup(image->exercise, "r"));
    names = image_list(f->store);
    g_assert_cmpstr(names[0], ==, "box");
    g_assert_null(names[1]);
}

#define NAMED "[Image]\nDescription=A\nDigest=1\nUser=u\nKernel=6\n"
#define SIZED NAMED "MemoryMiB=64\nVcpus=1\n"

static void
test_image_damaged(Fixture *f, gconstpointer data)
{
    static const char *const cases[][2] = {
        {"nonsense", "image.conf"},
        {"[Image]\nName=box\n", "Description"},
        {NAMED "Languages=\nRunners=\nMemoryMiB=63\nVcpus=1\n", "MemoryMiB"},
        {NAMED "Languages=\nRunners=\nMemoryMiB=64\nVcpus=65\n", "Vcpus"},
        {SIZED "Runners=\n", "Languages"},
        {SIZED "Languages=\n", "Runners"},
        {SIZED "Languages=r;\nRunners=r;python;\n", "Runners names 'python'"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Image) image = NULL;

        make_image(f, cases[i][0], 0);
        image = image_load(f->store, "box", &error);
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
        g_assert_nonnull(strstr(error->message, cases[i][1]));
        g_assert_cmpstr(image->name, ==, "box");
    }
}

/* What a sandbox is charged with is never less than its disk. */
static void
test_image_disk(Fixture *f, gconstpointer data)
{
    g_autofree char *disk = path_in(f, "state/images/box-1/disk.ext4");
    g_autoptr(Image) larger = NULL, none = NULL;
    g_autoptr(GError) error = NULL;

    make_image(f, GOOD, 3 * 1024 * 1024 + 1);
    larger = image_load(f->store, "box", NULL);
    g_assert_cmpuint(larger->disk_mib, ==, 4);
    g_assert_cmpint(g_unlink(disk), ==, 0);
    none = image_load(f->store, "box", &error);
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    g_assert_nonnull(strstr(error->message, "disk.ext4"));
}

static void
test_image_names(Fixture *f, gconstpointer data)
{
    g_autofree char *longest = g_strnfill(32, 'a'), *longer = g_strnfill(33, 'a');

    g_assert_true(image_name_is_valid("a"));
    g_assert_true(image_name_is_valid("a-1"));
    g_assert_true(image_name_is_valid(longest));
    g_assert_false(image_name_is_valid(longer));
    g_assert_false(image_name_is_valid(""));
    g_assert_false(image_name_is_valid("1a"));
    g_assert_false(image_name_is_valid("A"));
    g_assert_false(image_name_is_valid("a/b"));
    g_assert_false(image_name_is_valid(".."));
}

/* --- what a start finds --- */

static void
make_each(Fixture *f, const char *const *names)
{
    for (; *names; names++) {
        g_autofree char *path = path_in(f, *names), *inside = NULL;

        g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
        inside = g_build_filename(path, "file", NULL);
        write_text(inside, "");
    }
}

static void
assert_each(Fixture *f, const char *const *names, gboolean is_there)
{
    for (; *names; names++) {
        g_autofree char *path = path_in(f, *names);

        g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, is_there);
    }
}

/* What belongs to a sandbox that lives, or to a template, stays; all else goes. */
static void
test_sweep(Fixture *f, gconstpointer data)
{
    static const char *const gone[] = {"state/machines/x",
                                       "state/machines/live2",
                                       "run/machines/x",
                                       "state/sandboxes/x",
                                       "state/sandboxes/x.new.A1B2C3",
                                       "run/machines/y",
                                       "state/sandboxes/live.new",
                                       "ram/other-0123",
                                       "state/templates/.new-box-1",
                                       "ram/box-two-0123",
                                       NULL};
    static const char *const kept[] = {"state/machines/live",
                                       "run/machines/live",
                                       "state/sandboxes/live",
                                       "state/templates/box-0123",
                                       "state/templates/old-0123",
                                       "ram/box-0123",
                                       "ram/box-4567",
                                       "ram/removed-0123",
                                       "state/images/box-1",
                                       NULL};
    /* Names that this service never gave. */
    static const char *const strange[] = {"state/machines/lost+found",
                                          "state/machines/My Disk",
                                          "state/sandboxes/lost+found",
                                          "state/sandboxes/notes.txt",
                                          "state/templates/lost+found",
                                          "run/machines/..x",
                                          "ram/nodash",
                                          "ram/Box-0123",
                                          "ram/other-",
                                          "ram/other-01x3",
                                          "state/elsewhere",
                                          NULL};
    static const char *const keep[] = {"live", "never", NULL};
    static const char *const in_use[] = {"removed-0123", "removed-4567", NULL};
    static const char *const nobody[] = {NULL};
    static const char *const then[] = {"state/machines/live", "run/machines/live",
                                       "state/sandboxes/live", "ram/removed-0123", NULL};

    make_image(f, GOOD, 0);
    make_each(f, gone);
    make_each(f, kept);
    make_each(f, strange);
    g_assert_cmpuint(store_sweep(f->store, keep, in_use), ==, G_N_ELEMENTS(gone) - 1);
    assert_each(f, gone, FALSE);
    assert_each(f, kept, TRUE);
    g_assert_cmpuint(store_sweep(f->store, keep, in_use), ==, 0);
    g_assert_cmpuint(store_sweep(f->store, nobody, nobody), ==, 4);
    assert_each(f, then, FALSE);
    assert_each(f, strange, TRUE);
}

static void
test_clear_ram(Fixture *f, gconstpointer data)
{
    static const char *const gone[] = {"ram/box-0123", "ram/old-0123", NULL};
    static const char *const kept[] = {"state/templates/box-0123", "run/machines/x", "ram", NULL};

    make_each(f, gone);
    make_each(f, kept);
    store_clear_ram(f->store);
    assert_each(f, gone, FALSE);
    assert_each(f, kept, TRUE);
}

/* A link is removed, and what it leads to is not. */
static void
test_sweep_links(Fixture *f, gconstpointer data)
{
    static const char *const outside[] = {"precious", "precious/file", NULL};
    static const char *const nobody[] = {NULL};
    g_autofree char *link = path_in(f, "state/machines/x"), *target = path_in(f, "precious");

    make_each(f, (const char *const[]){"precious", NULL});
    g_assert_cmpint(symlink(target, link), ==, 0);
    g_assert_cmpuint(store_sweep(f->store, nobody, nobody), ==, 1);
    g_assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    assert_each(f, outside, TRUE);
}

/* A folder that was replaced by another user is not emptied. */
static void
test_clear_replaced(Fixture *f, gconstpointer data)
{
    static const char *const precious[] = {"precious", "precious/box-0123", NULL};
    g_autofree char *ram = path_in(f, "ram"), *target = path_in(f, "precious");

    make_each(f, precious);
    g_assert_cmpint(rmdir(ram), ==, 0);
    g_assert_cmpint(symlink(target, ram), ==, 0);
    g_assert_cmpint(lchown(ram, 1800000004, 1800000004), ==, 0);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*symbolic link of the user 1800000004*");
    store_clear_ram(f->store);
    g_test_assert_expected_messages();
    assert_each(f, precious, TRUE);

    g_assert_cmpint(unlink(ram), ==, 0);
    g_assert_cmpint(rename(target, ram), ==, 0);
    g_assert_cmpint(chown(ram, 1800000004, 1800000004), ==, 0);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*belongs to the user 1800000004*");
    store_clear_ram(f->store);
    g_test_assert_expected_messages();
    assert_each(f, (const char *const[]){"ram/box-0123", NULL}, TRUE);
}

/* --- folders --- */

static void
assert_mode(Fixture *f, const char *name, mode_t mode, gid_t gid)
{
    g_autofree char *path = path_in(f, name);
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, mode);
    g_assert_cmpuint(st.st_uid, ==, geteuid());
    g_assert_cmpuint(st.st_gid, ==, gid);
}

/* Whatever they were before, and whatever the umask. */
static void
test_folders(Fixture *f, gconstpointer data)
{
    g_autofree char *state = path_in(f, "state"), *ram = path_in(f, "ram"),
                    *run = path_in(f, "run");
    g_autofree char *sandboxes = path_in(f, "state/sandboxes");
    mode_t mask = umask(0);
    gid_t gid = getgrnam("nogroup")->gr_gid;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(chmod(sandboxes, 0777), ==, 0);
    g_assert_cmpint(chmod(state, 02777), ==, 0);
    store_free(f->store);
    f->store = store_open(state, ram, run, "nogroup", &error);
    umask(mask);
    g_assert_no_error(error);
    g_assert_cmpuint(f->store->gid, ==, gid);
    assert_mode(f, "state", 0710, gid);
    assert_mode(f, "state/templates", 0710, gid);
    assert_mode(f, "state/machines", 0710, gid);
    assert_mode(f, "state/sandboxes", 0700, gid);
    assert_mode(f, "ram", 0710, gid);
    assert_mode(f, "run", 0711, gid);
    assert_mode(f, "run/machines", 0700, gid);
}

static void
test_no_group(Fixture *f, gconstpointer data)
{
    g_autofree char *state = path_in(f, "other-state");
    g_autoptr(GError) error = NULL;

    g_assert_null(store_open(state, f->store->ram, f->store->run, "no-such-group", &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "no-such-group"));
    g_assert_false(g_file_test(state, G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/store/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("open/twice", test_open_twice);
    ADD("open/others", test_open_others);
    ADD("open/behind-a-dead-one", test_open_behind_a_dead_one);
    ADD("image/good", test_image);
    ADD("image/damaged", test_image_damaged);
    ADD("image/disk", test_image_disk);
    ADD("image/names", test_image_names);
    ADD("sweep/all", test_sweep);
    ADD("sweep/links", test_sweep_links);
    ADD("sweep/ram", test_clear_ram);
    ADD("sweep/replaced", test_clear_replaced);
    ADD("folders", test_folders);
    ADD("no-group", test_no_group);
    return g_test_run();
}
