/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-template-files: a stored version of a template is used if it is complete, and refused if it
 * is damaged. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "fixture.h"
#include "names.h"
#include "template-files.h"

static void
put(int fd, const void *bytes, gsize size, off_t offset)
{
    g_assert_cmpint(pwrite(fd, bytes, size, offset), ==, size);
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

/* Those below, where it does not matter of which image and accelerator they are. */
#define IMAGE "1"
static const char *const nothing[] = {NULL};

static TemplateFiles *
make_template_of(Fixture *f, const char *key, const char *image, const char *accelerator)
{
    TemplateFiles *template = template_files_new(f->store, "box", key, image, accelerator);
    g_autofree char *state = template_files_staging_path(template, "state");
    g_autofree char *disk = template_files_staging_path(template, "disk.qcow2");
    int fd;

    g_assert_true(template_files_stage(template, 1, NULL));
    g_assert_false(template_files_exists(template));
    fd = open(template->ram, O_WRONLY);
    put(fd, "memory", 6, 12345);
    close(fd);
    write_text(state, "the state");
    write_text(disk, "the disk");
    g_assert_true(template_files_commit(template, NULL));
    g_assert_true(template_files_exists(template));
    return template;
}

static TemplateFiles *
make_template(Fixture *f, const char *key)
{
    return make_template_of(f, key, IMAGE, "kvm");
}

static void
test_template_load(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = make_template(f, "0123");
    g_autofree char *text = NULL;
    gsize size;

    g_assert_cmpint(g_unlink(template->ram), ==, 0); /* as after a restart of the host */
    g_assert_true(template_files_load(template, NULL));
    g_assert_true(g_file_get_contents(template->ram, &text, &size, NULL));
    g_assert_cmpuint(size, ==, 1024 * 1024);
    g_assert_cmpstr(text + 12345, ==, "memory");
    g_assert_true(template_files_load(template, NULL)); /* and again over what is there */
}

static ino_t
inode_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_ino;
}

static void
assert_ram(const TemplateFiles *template, const FileDigest *expected)
{
    g_auto(FileDigest) found = {0};

    g_assert_true(template_files_load(template, NULL));
    g_assert_true(file_digest(template->ram, &found, NULL));
    g_assert_true(file_digest_check(template->ram, &found, expected, NULL));
}

/* Machines of an earlier life map the RAM file: it stays, unless it is not what was stored. */
static void
test_template_ram(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = make_template(f, "0123");
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
assert_no_room(const TemplateFiles *template, GError **error)
{
    g_assert_false(template_files_load(template, error));
    g_assert_nonnull(strstr((*error)->message, template->ram));
    g_assert_nonnull(strstr((*error)->message, "No space left on device"));
    g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));
}

/* Nothing half-copied stays, and the error names the file. */
static void
test_template_full(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = make_template(f, "0123");
    g_autofree char *stored = template_files_path(template, "ram");
    g_autoptr(GError) no_inode = NULL, no_room = NULL, no_copy = NULL;
    g_auto(FileDigest) digest = {0};

    store_clear_ram(f->store);
    mount_small(f->store->ram, "nr_inodes=1");
    assert_no_room(template, &no_inode);
    mount_again(f->store->ram, "size=1m,nr_inodes=9");
    g_assert_true(template_files_load(template, NULL));
    store_clear_ram(f->store);
    g_free(fill_up(f->store->ram));
    assert_no_room(template, &no_room);
    g_assert_false(file_digest_copy(stored, template->ram, &digest, &no_copy));
    g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));
    unmount(f->store->ram);
}

/* A part with a damaged byte is noticed, and so is one whose last byte is missing. */
static void
test_template_damaged(Fixture *f, gconstpointer data)
{
    static const char *const parts[] = {"ram", "state", "disk.qcow2"};
    g_autoptr(TemplateFiles) template = make_template(f, "0123");

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = template_files_path(template, parts[i]), *good = NULL;
        g_autoptr(GError) error = NULL, short_error = NULL;
        gsize size;
        int fd = open(path, O_WRONLY);

        g_assert_true(g_file_get_contents(path, &good, &size, NULL));
        put(fd, "X", 1, (off_t)size / 2);
        g_assert_false(template_files_load(template, &error));
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
        g_assert_nonnull(strstr(error->message, path));
        g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));

        g_assert_cmpint(ftruncate(fd, (off_t)size - 1), ==, 0);
        g_assert_false(template_files_load(template, &short_error));
        g_assert_nonnull(strstr(short_error->message, "size"));
        close(fd);
        g_assert_true(g_file_set_contents(path, good, (gssize)size, NULL));
        g_assert_true(template_files_load(template, NULL));
    }
}

static void
test_template_others(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) old = make_template(f, "0123"), now = make_template(f, "4567");
    g_autoptr(TemplateFiles) stranger =
        template_files_new(f->store, "box-two", "0123", IMAGE, "kvm");

    g_assert_cmpint(g_mkdir(stranger->dir, 0700), ==, 0);
    g_assert_true(template_files_remove_others(now, nothing, NULL));
    g_assert_false(g_file_test(old->dir, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(old->ram, G_FILE_TEST_EXISTS));
    g_assert_true(template_files_exists(now));
    g_assert_true(g_file_test(now->ram, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(stranger->dir, G_FILE_TEST_EXISTS));
}

/* A version that a machine runs from stays, with its RAM, until nothing uses it. */
static void
test_template_in_use(Fixture *f, gconstpointer data)
{
    static const char *const in_use[] = {"box-0123", NULL};
    g_autoptr(TemplateFiles) used = make_template(f, "0123"), old = make_template(f, "89ab");
    g_autoptr(TemplateFiles) now = make_template(f, "4567");

    g_assert_true(template_files_remove_others(now, in_use, NULL));
    g_assert_true(template_files_exists(used));
    g_assert_true(g_file_test(used->ram, G_FILE_TEST_EXISTS));
    g_assert_false(template_files_exists(old));
    g_assert_true(template_files_remove_others(now, nothing, NULL));
    g_assert_false(g_file_test(used->dir, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(used->ram, G_FILE_TEST_EXISTS));
}

static void
test_template_remove(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) gone = make_template(f, "0123"), other = make_template(f, "4567");

    g_assert_true(template_files_remove(gone, NULL));
    g_assert_false(g_file_test(gone->dir, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(gone->ram, G_FILE_TEST_EXISTS));
    g_assert_true(template_files_exists(other));
    g_assert_true(g_file_test(other->ram, G_FILE_TEST_EXISTS));
}

static void
test_template_keys(Fixture *f, gconstpointer data)
{
    g_autofree char *longest = g_strnfill(64, 'a'), *longer = g_strnfill(65, 'a');

    g_assert_true(template_key_is_valid("0123456789abcdef"));
    g_assert_true(template_key_is_valid(longest));
    g_assert_false(template_key_is_valid(longer));
    g_assert_false(template_key_is_valid(""));
    g_assert_false(template_key_is_valid("0123-4567"));
    g_assert_false(template_key_is_valid("../0"));
}

static gboolean
survives(Fixture *f, const TemplateFiles *other, const char *image)
{
    g_autoptr(TemplateFiles) now = make_template_of(f, "89ab", image, "tcg");

    g_assert_true(template_files_remove_others(now, nothing, NULL));
    g_assert_false(g_file_test(other->ram, G_FILE_TEST_EXISTS));
    g_assert_true(template_files_exists(now));
    g_assert_true(util_remove_tree(now->dir, NULL));
    return template_files_exists(other);
}

/* The accelerator may come back, and then nothing has to be made again. */
static void
test_template_accelerators(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) old = make_template(f, "0123"), kvm = make_template(f, "4567");

    g_assert_true(template_files_remove_others(kvm, nothing, NULL));
    g_assert_true(survives(f, kvm, IMAGE));
    g_assert_false(template_files_exists(old));
    g_assert_true(template_files_load(kvm, NULL));
    g_assert_true(survives(f, kvm, IMAGE));
    g_assert_false(survives(f, kvm, "2"));
}

static void
set_age(const TemplateFiles *template, time_t seconds)
{
    g_autofree char *path = template_files_path(template, "unused");
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - seconds}};

    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

/* A week from when it was first found unused; its use ends the count. */
static void
test_template_unused(Fixture *f, gconstpointer data)
{
    const time_t week_s = 7 * 24 * 3600;
    g_autoptr(TemplateFiles) kvm = make_template(f, "4567");

    g_assert_true(survives(f, kvm, IMAGE));
    set_age(kvm, week_s - 60);
    g_assert_true(survives(f, kvm, IMAGE));
    set_age(kvm, week_s + 1);
    g_assert_true(template_files_load(kvm, NULL));
    g_assert_true(survives(f, kvm, IMAGE));
    set_age(kvm, week_s + 1);
    g_assert_false(survives(f, kvm, IMAGE));
}

/* One that was stored before it was noted how machines run. */
static void
test_template_of_old(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) old = make_template(f, "4567");
    g_autofree char *path = template_files_path(old, "template.conf"), *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    write_text(path, strstr(text, "[ram]"));
    g_assert_true(template_files_load(old, NULL));
    g_assert_false(survives(f, old, IMAGE));
}

static void
test_template_discard(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = template_files_new(f->store, "box", "0123", IMAGE, "kvm");

    g_assert_true(template_files_stage(template, 1, NULL));
    template_files_discard(template);
    g_assert_false(g_file_test(template->staging, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(template->ram, G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("digest/sparse", test_digest_sparse);
    ADD("digest/value", test_digest_value);
    ADD("digest/copy", test_digest_copy);
    ADD("template/load", test_template_load);
    ADD("template/ram", test_template_ram);
    ADD("template/full", test_template_full);
    ADD("template/damaged", test_template_damaged);
    ADD("template/others", test_template_others);
    ADD("template/in-use", test_template_in_use);
    ADD("template/remove", test_template_remove);
    ADD("template/keys", test_template_keys);
    ADD("template/accelerators", test_template_accelerators);
    ADD("template/unused", test_template_unused);
    ADD("template/of-old", test_template_of_old);
    ADD("template/discard", test_template_discard);
    return g_test_run();
}
