/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store: whose it is, digests, templates that are whole or refused, what a start sweeps away, who
 * gets at its folders. Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "store.h"
#include "util.h"

typedef struct {
    char *dir;
    Store *store;
} Fixture;

static char *
path_in(Fixture *f, const char *name)
{
    return g_build_filename(f->dir, name, NULL);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autofree char *state = NULL, *ram = NULL, *run = NULL;

    f->dir = g_dir_make_tmp("cloche-store-XXXXXX", NULL);
    state = path_in(f, "state");
    ram = path_in(f, "ram");
    run = path_in(f, "run");
    f->store = store_open(state, ram, run, /* group= */ NULL, NULL);
    g_assert_nonnull(f->store);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    store_free(f->store);
    g_assert_true(util_remove_tree(f->dir, NULL));
    g_free(f->dir);
}

static void
write_text(const char *path, const char *text)
{
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
put(int fd, const void *bytes, gsize size, off_t offset)
{
    g_assert_cmpint(pwrite(fd, bytes, size, offset), ==, size);
}

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

/* --- digests --- */

/* Stored zeros and holes are the same; the content, its place and the size are not. */
static void
test_digest_sparse(Fixture *f, gconstpointer data)
{
    g_autofree char *sparse = path_in(f, "sparse"), *full = path_in(f, "full");
    g_autofree char *zeros = g_malloc0(300000);
    int a = open(sparse, O_CREAT | O_WRONLY, 0600), b = open(full, O_CREAT | O_WRONLY, 0600);
    g_auto(FileDigest) one = {0}, two = {0}, three = {0};

    g_assert_cmpint(ftruncate(a, 300000), ==, 0);
    put(b, zeros, 300000, 0);
    put(a, "x", 1, 200000);
    put(b, "x", 1, 200000);
    g_assert_true(file_digest(sparse, &one, NULL));
    g_assert_true(file_digest(full, &two, NULL));
    g_assert_cmpuint(one.size, ==, 300000);
    g_assert_cmpstr(one.sha256, ==, two.sha256);
    g_assert_true(file_digest_check(full, &two, &one, NULL));

    put(b, "\0x", 2, 200000); /* one byte further */
    g_assert_true(file_digest(full, &three, NULL));
    g_assert_cmpstr(one.sha256, !=, three.sha256);
    close(a);
    close(b);
}

/* Known from another implementation: offset of the block, then the block. */
static void
test_digest_value(Fixture *f, gconstpointer data)
{
    g_autofree char *path = path_in(f, "value"), *expected = NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    const guint8 offset[8] = {0};
    g_auto(FileDigest) digest = {0};

    write_text(path, "hello");
    g_checksum_update(sum, offset, sizeof(offset));
    g_checksum_update(sum, (const guint8 *)"hello", 5);
    g_assert_true(file_digest(path, &digest, NULL));
    g_assert_cmpstr(digest.sha256, ==, g_checksum_get_string(sum));
    g_assert_cmpuint(digest.size, ==, 5);
}

static void
test_digest_copy(Fixture *f, gconstpointer data)
{
    g_autofree char *from = path_in(f, "from"), *to = path_in(f, "to");
    int fd = open(from, O_CREAT | O_WRONLY, 0600);
    g_auto(FileDigest) one = {0}, two = {0};
    g_autoptr(GError) error = NULL;
    struct stat st;

    g_assert_cmpint(ftruncate(fd, 64 * 1024 * 1024), ==, 0);
    put(fd, "end", 3, 64 * 1024 * 1024 - 3);
    close(fd);
    g_assert_true(file_digest_copy(from, to, &one, NULL));
    g_assert_true(file_digest(to, &two, NULL));
    g_assert_true(file_digest_check(to, &two, &one, NULL));
    g_assert_cmpint(stat(to, &st), ==, 0);
    g_assert_cmpint(st.st_blocks * 512, <, 1024 * 1024);
    g_assert_false(file_digest_copy(from, to, &two, &error)); /* it is never written over */
    g_assert_nonnull(strstr(error->message, to));
}

/* --- templates --- */

static void
fill_up(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "filling", NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = {1};

    while (write(fd, block, sizeof(block)) > 0)
        ;
    g_assert_cmpint(errno, ==, ENOSPC);
    close(fd);
}

static Template *
make_template(Fixture *f, const char *key)
{
    Template *template = template_new(f->store, "box", key);
    g_autofree char *state = template_staging_path(template, "state");
    g_autofree char *disk = template_staging_path(template, "disk.qcow2");
    int fd;

    g_assert_true(template_stage(template, 1, NULL));
    g_assert_false(template_exists(template));
    fd = open(template->ram, O_WRONLY);
    put(fd, "memory", 6, 12345);
    close(fd);
    write_text(state, "the state");
    write_text(disk, "the disk");
    g_assert_true(template_commit(template, NULL));
    g_assert_true(template_exists(template));
    return template;
}

static void
test_template_load(Fixture *f, gconstpointer data)
{
    g_autoptr(Template) template = make_template(f, "0123");
    g_autofree char *text = NULL;
    gsize size;

    g_assert_cmpint(g_unlink(template->ram), ==, 0); /* as after a restart of the host */
    g_assert_true(template_load(template, NULL));
    g_assert_true(g_file_get_contents(template->ram, &text, &size, NULL));
    g_assert_cmpuint(size, ==, 1024 * 1024);
    g_assert_cmpstr(text + 12345, ==, "memory");
    g_assert_true(template_load(template, NULL)); /* and again over what is there */
}

static ino_t
inode_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_ino;
}

static void
assert_ram(const Template *template, const FileDigest *expected)
{
    g_auto(FileDigest) found = {0};

    g_assert_true(template_load(template, NULL));
    g_assert_true(file_digest(template->ram, &found, NULL));
    g_assert_true(file_digest_check(template->ram, &found, expected, NULL));
}

/* Machines of an earlier life map the RAM file: it stays, unless it is not what was stored. */
static void
test_template_ram(Fixture *f, gconstpointer data)
{
    g_autoptr(Template) template = make_template(f, "0123");
    g_autofree char *other = path_in(f, "other");
    ino_t before = inode_of(template->ram);
    g_auto(FileDigest) good = {0};
    int fd;

    g_assert_cmpint(link(template->ram, other), ==, 0); /* so that its inode is not used again */
    g_assert_true(file_digest(template->ram, &good, NULL));
    assert_ram(template, &good);
    g_assert_cmpuint(inode_of(template->ram), ==, before);

    fd = open(template->ram, O_WRONLY);
    put(fd, "X", 1, 700000);
    close(fd);
    assert_ram(template, &good);
    g_assert_cmpuint(inode_of(template->ram), !=, before);
    g_assert_cmpint(truncate(template->ram, 1024 * 1024 - 1), ==, 0);
    assert_ram(template, &good);
}

static void
assert_no_room(const Template *template, GError **error)
{
    g_assert_false(template_load(template, error));
    g_assert_nonnull(strstr((*error)->message, template->ram));
    g_assert_nonnull(strstr((*error)->message, "No space left on device"));
    g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));
}

/* Nothing half-copied stays, and the error names the file. */
static void
test_template_full(Fixture *f, gconstpointer data)
{
    g_autoptr(Template) template = make_template(f, "0123");
    g_autofree char *stored = template_path(template, "ram");
    g_autoptr(GError) no_inode = NULL, no_room = NULL, no_copy = NULL;
    g_auto(FileDigest) digest = {0};

    store_clear_ram(f->store);
    g_assert_cmpint(unshare(CLONE_NEWNS), ==, 0);
    g_assert_cmpint(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
    g_assert_cmpint(mount("tmpfs", f->store->ram, "tmpfs", 0, "nr_inodes=1"), ==, 0);
    assert_no_room(template, &no_inode);
    g_assert_cmpint(mount("tmpfs", f->store->ram, "tmpfs", MS_REMOUNT, "size=1m,nr_inodes=9"), ==,
                    0);
    g_assert_true(template_load(template, NULL));
    store_clear_ram(f->store);
    fill_up(f->store->ram);
    assert_no_room(template, &no_room);
    g_assert_false(file_digest_copy(stored, template->ram, &digest, &no_copy));
    g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));
    g_assert_cmpint(umount(f->store->ram), ==, 0);
}

/* Of each part one byte, or the last byte, or the whole. */
static void
test_template_damaged(Fixture *f, gconstpointer data)
{
    static const char *const parts[] = {"ram", "state", "disk.qcow2"};
    g_autoptr(Template) template = make_template(f, "0123");

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = template_path(template, parts[i]), *good = NULL;
        g_autoptr(GError) error = NULL, short_error = NULL;
        gsize size;
        int fd = open(path, O_WRONLY);

        g_assert_true(g_file_get_contents(path, &good, &size, NULL));
        put(fd, "X", 1, (off_t)size / 2);
        g_assert_false(template_load(template, &error));
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
        g_assert_nonnull(strstr(error->message, path));
        g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));

        g_assert_cmpint(ftruncate(fd, (off_t)size - 1), ==, 0);
        g_assert_false(template_load(template, &short_error));
        g_assert_nonnull(strstr(short_error->message, "size"));
        close(fd);
        g_assert_true(g_file_set_contents(path, good, (gssize)size, NULL));
        g_assert_true(template_load(template, NULL));
    }
}

static void
test_template_others(Fixture *f, gconstpointer data)
{
    g_autoptr(Template) old = make_template(f, "0123"), now = make_template(f, "4567");
    g_autoptr(Template) stranger = template_new(f->store, "box-two", "0123");

    g_assert_cmpint(g_mkdir(stranger->dir, 0700), ==, 0);
    g_assert_true(template_remove_others(now, NULL));
    g_assert_false(g_file_test(old->dir, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(old->ram, G_FILE_TEST_EXISTS));
    g_assert_true(template_exists(now));
    g_assert_true(g_file_test(now->ram, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(stranger->dir, G_FILE_TEST_EXISTS));
}

static void
test_template_discard(Fixture *f, gconstpointer data)
{
    g_autoptr(Template) template = template_new(f->store, "box", "0123");

    g_assert_true(template_stage(template, 1, NULL));
    template_discard(template);
    g_assert_false(g_file_test(template->staging, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));
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
    "Vcpus=1\nRunners=python;\nExercise.python=print(1)\\n1\n"

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
    g_assert_cmpstr(image->languages[0], ==, "python");
    g_assert_null(image->languages[1]);
    g_assert_cmpstr(g_hash_table_lookup(image->exercise, "python"), ==, "print(1)\n1");
    names = image_list(f->store);
    g_assert_cmpstr(names[0], ==, "box");
    g_assert_null(names[1]);
}

static void
test_image_damaged(Fixture *f, gconstpointer data)
{
    static const char *const cases[][2] = {
        {"nonsense", "image.conf"},
        {"[Image]\nName=box\n", "Description"},
        {"[Image]\nDescription=A\nDigest=1\nUser=u\nKernel=6\nMemoryMiB=63\nVcpus=1\n",
         "MemoryMiB"},
        {"[Image]\nDescription=A\nDigest=1\nUser=u\nKernel=6\nMemoryMiB=64\nVcpus=65\n", "Vcpus"},
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
                                       "run/machines/y",
                                       "state/sandboxes/live.new",
                                       "ram/other-0123",
                                       "state/templates/.new-box-1",
                                       "ram/nodash",
                                       "ram/box-two-0123",
                                       NULL};
    static const char *const kept[] = {"state/machines/live",
                                       "run/machines/live",
                                       "state/sandboxes/live",
                                       "state/templates/box-0123",
                                       "state/templates/old-0123",
                                       "ram/box-0123",
                                       "ram/box-4567",
                                       "state/images/box-1",
                                       NULL};
    static const char *const keep[] = {"live", "never", NULL};
    static const char *const nobody[] = {NULL};
    static const char *const then[] = {"state/machines/live", "run/machines/live",
                                       "state/sandboxes/live", NULL};

    make_image(f, GOOD, 0);
    make_each(f, gone);
    make_each(f, kept);
    g_assert_cmpuint(store_sweep(f->store, keep), ==, G_N_ELEMENTS(gone) - 1);
    assert_each(f, gone, FALSE);
    assert_each(f, kept, TRUE);
    g_assert_cmpuint(store_sweep(f->store, keep), ==, 0);
    g_assert_cmpuint(store_sweep(f->store, nobody), ==, 3);
    assert_each(f, then, FALSE);
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
    g_assert_cmpuint(store_sweep(f->store, nobody), ==, 1);
    g_assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    assert_each(f, outside, TRUE);
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
    ADD("digest/sparse", test_digest_sparse);
    ADD("digest/value", test_digest_value);
    ADD("digest/copy", test_digest_copy);
    ADD("template/load", test_template_load);
    ADD("template/ram", test_template_ram);
    ADD("template/full", test_template_full);
    ADD("template/damaged", test_template_damaged);
    ADD("template/others", test_template_others);
    ADD("template/discard", test_template_discard);
    ADD("image/good", test_image);
    ADD("image/damaged", test_image_damaged);
    ADD("image/disk", test_image_disk);
    ADD("image/names", test_image_names);
    ADD("sweep/all", test_sweep);
    ADD("sweep/links", test_sweep_links);
    ADD("sweep/ram", test_clear_ram);
    ADD("folders", test_folders);
    ADD("no-group", test_no_group);
    return g_test_run();
}
