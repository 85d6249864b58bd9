/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-snapshot: a snapshot is complete or is none, and says what it was taken of. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fixture.h"
#include "snapshot.h"
#include "streams.h"

#define ID "abcdefgh12345678"

static void
write_bytes(const char *path, const void *data, gsize size)
{
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, data, (gssize)size, NULL));
}

/* The state and the RAM file of the version that snapshots of these tests are based on. */
static TemplateFiles *
make_base(const Fixture *f)
{
    TemplateFiles *base = template_files_new(f->store, "box", "0123", "4567", "tcg");
    g_autofree char *path = template_files_path(base, "state");
    g_autoptr(GByteArray) state = stream_state(), ram = NULL;
    int fd = stream_ram("12345678");

    ram = stream_read(fd);
    close(fd);
    write_bytes(path, state->data, state->len);
    write_bytes(base->ram, ram->data, ram->len);
    return base;
}

static Snapshot *
example(const Fixture *f, const char *id)
{
    static char *languages[] = {(char *)"python", (char *)"bash", NULL};
    Snapshot *snapshot = snapshot_new(f->store, id);

    snapshot->name = g_strdup("näme; [x]");
    snapshot->description = g_strdup("two\nlines");
    snapshot->owner = 1000;
    snapshot->created_us = 1234567890123456;
    snapshot->sandbox = g_strdup("sandbox1");
    snapshot->parent = g_strdup("parent1");
    snapshot->depth = 2;
    snapshot->template = g_strdup("box");
    snapshot->key = g_strdup("0123");
    snapshot->image = g_strdup("4567");
    snapshot->accelerator = g_strdup("tcg");
    snapshot->user = g_strdup("user");
    snapshot->languages = g_strdupv(languages);
    snapshot->vcpus = 2;
    snapshot->memory_mib = 64;
    snapshot->disk_mib = 1024;
    snapshot->network = net_policy_new();
    snapshot->network->mode = NET_INTERNET;
    return snapshot;
}

static void
write_capture(int fd)
{
    g_autoptr(GByteArray) capture = stream_capture("changed devices");

    stream_add_run(capture, 2, "ab");
    stream_end_capture(capture, 1);
    g_assert_cmpint(write(fd, capture->data, capture->len), ==, capture->len);
    close(fd);
}

static Snapshot *
stage(const Fixture *f, const char *id)
{
    g_autofree char *disk = path_in(f, "machine.qcow2");
    Snapshot *snapshot = example(f, id);
    g_autoptr(GError) error = NULL;
    int fd = snapshot_stage(snapshot, &error);

    g_assert_no_error(error);
    write_capture(fd);
    write_text(disk, "the disk");
    g_assert_true(snapshot_copy_disk(snapshot, disk, &error));
    g_assert_no_error(error);
    return snapshot;
}

static Snapshot *
make(const Fixture *f, const char *id)
{
    g_autoptr(TemplateFiles) base = make_base(f);
    Snapshot *snapshot = stage(f, id);
    g_autoptr(GError) error = NULL;

    g_assert_true(snapshot_commit(snapshot, base, &error));
    g_assert_no_error(error);
    return snapshot;
}

static guint
count(const Fixture *f)
{
    g_autofree char *path = g_build_filename(f->store->state, "snapshots", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint entries = 0;

    while (g_dir_read_name(dir))
        entries++;
    return entries;
}

/* --- complete --- */

static void
assert_same(const Snapshot *a, const Snapshot *b)
{
    g_assert_cmpstr(a->id, ==, b->id);
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->description, ==, b->description);
    g_assert_cmpuint(a->owner, ==, b->owner);
    g_assert_cmpint(a->created_us, ==, b->created_us);
    g_assert_cmpstr(a->sandbox, ==, b->sandbox);
    g_assert_cmpstr(a->parent, ==, b->parent);
    g_assert_cmpuint(a->depth, ==, b->depth);
    g_assert_cmpstr(a->template, ==, b->template);
    g_assert_cmpstr(a->key, ==, b->key);
    g_assert_cmpstr(a->image, ==, b->image);
    g_assert_cmpstr(a->accelerator, ==, b->accelerator);
    g_assert_cmpstr(a->user, ==, b->user);
    g_assert_true(
        g_strv_equal((const char *const *)a->languages, (const char *const *)b->languages));
    g_assert_cmpuint(a->vcpus, ==, b->vcpus);
    g_assert_cmpuint(a->memory_mib, ==, b->memory_mib);
    g_assert_cmpuint(a->disk_mib, ==, b->disk_mib);
    g_assert_cmpint(a->network->mode, ==, b->network->mode);
    g_assert_cmpuint(a->size, ==, b->size);
}

static void
test_life(Fixture *f, gconstpointer data)
{
    g_autoptr(Snapshot) made = make(f, ID), loaded = NULL;
    g_autofree char *capture = snapshot_path(made, "capture"), *disk = NULL, *content = NULL;
    g_auto(GStrv) all = snapshot_list(f->store);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(g_strv_length(all), ==, 1);
    g_assert_cmpstr(all[0], ==, ID);
    loaded = snapshot_load(f->store, ID, &error);
    g_assert_no_error(error);
    assert_same(loaded, made);
    g_assert_cmpuint(loaded->size, >, 0);
    g_assert_false(loaded->is_removed);
    g_assert_true(snapshot_verify(loaded, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(capture, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(made->staging, G_FILE_TEST_EXISTS));
    disk = snapshot_path(made, SNAPSHOT_DISK);
    g_assert_true(g_file_get_contents(disk, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "the disk");
    g_assert_true(snapshot_remove(loaded, &error));
    g_assert_cmpuint(count(f), ==, 0);
}

/* Nobody but us reads the files; machines may search the folder. */
static void
test_modes(Fixture *f, gconstpointer data)
{
    g_autoptr(Snapshot) made = make(f, ID);
    const char *const parts[] = {SNAPSHOT_STATE, SNAPSHOT_DISK, "snapshot.conf"};
    struct stat st;

    g_assert_cmpint(stat(made->dir, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0710);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = snapshot_path(made, parts[i]);

        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    }
}

static void
test_removed(Fixture *f, gconstpointer data)
{
    g_autoptr(Snapshot) made = make(f, ID), again = NULL, hidden = stage(f, "hidden");
    g_autoptr(TemplateFiles) base = make_base(f);
    g_autoptr(Snapshot) loaded = NULL, last = NULL;

    g_assert_true(snapshot_mark_removed(made, NULL));
    again = snapshot_load(f->store, ID, NULL);
    g_assert_true(again->is_removed);
    /* One that is hidden has never been anything else. */
    hidden->is_removed = TRUE;
    g_assert_true(snapshot_commit(hidden, base, NULL));
    loaded = snapshot_load(f->store, "hidden", NULL);
    g_assert_true(loaded->is_removed);
    /* It may have no state, and is not swept for that. */
    g_assert_true(snapshot_drop_state(loaded, NULL));
    g_assert_cmpuint(loaded->size, <, hidden->size);
    g_assert_cmpuint(store_sweep_snapshots(f->store), ==, 0);
    last = snapshot_load(f->store, "hidden", NULL);
    g_assert_nonnull(last);
    g_assert_cmpuint(last->size, ==, loaded->size);
}

/* --- incomplete --- */

static void
test_discard(Fixture *f, gconstpointer data)
{
    g_autoptr(Snapshot) staged = stage(f, ID);

    g_assert_cmpuint(count(f), ==, 1);
    snapshot_discard(staged);
    g_assert_cmpuint(count(f), ==, 0);
}

/* A capture that a guest has made invalid. */
static void
test_bad_capture(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) base = make_base(f);
    g_autoptr(Snapshot) staged = stage(f, ID);
    g_autofree char *capture = snapshot_staging_path(staged, "capture");
    g_autoptr(GError) error = NULL;

    write_text(capture, "cloche-capture-0");
    g_assert_false(snapshot_commit(staged, base, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_false(g_file_test(staged->dir, G_FILE_TEST_EXISTS));
}

static void
assert_damaged(const Fixture *f, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Snapshot) loaded = snapshot_load(f->store, ID, &error);

    g_assert_null(loaded);
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    if (!strstr(error->message, message))
        g_error("'%s' does not contain '%s'", error->message, message);
}

static void
test_missing(Fixture *f, gconstpointer part)
{
    g_autoptr(Snapshot) made = make(f, ID);
    g_autofree char *path = snapshot_path(made, part);

    g_assert_cmpint(g_unlink(path), ==, 0);
    assert_damaged(f, path);
}

static void
test_other_size(Fixture *f, gconstpointer data)
{
    g_autoptr(Snapshot) made = make(f, ID);
    g_autofree char *path = snapshot_path(made, SNAPSHOT_DISK);

    g_assert_cmpint(truncate(path, 7), ==, 0);
    assert_damaged(f, "has another size than 8");
}

static void
test_other_content(Fixture *f, gconstpointer part)
{
    g_autoptr(Snapshot) made = make(f, ID);
    g_autofree char *path = snapshot_path(made, part), *content = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(path, &content, &size, NULL));
    content[size / 2] ^= 1;
    write_bytes(path, content, size);
    g_assert_false(snapshot_verify(made, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    g_assert_nonnull(strstr(error->message, path));
}

/* Each value is checked, because paths are made of some of them. */
static void
test_values(Fixture *f, gconstpointer data)
{
    static const char *const values[][2] = {
        {"Id", "other"},        {"Sandbox", "../x"},       {"Parent", "a/b"},
        {"Depth", "33"},        {"Owner", "4294967296"},   {"Template", "../box"},
        {"TemplateKey", "xyz"}, {"Image", "../../etc"},    {"Vcpus", "65536"},
        {"MemoryMiB", "many"},  {"DiskMiB", "4294967296"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(Snapshot) made = make(f, ID);
        g_autofree char *path = snapshot_path(made, "snapshot.conf");
        g_autoptr(GKeyFile) conf = g_key_file_new();

        g_assert_true(g_key_file_load_from_file(conf, path, G_KEY_FILE_NONE, NULL));
        g_assert_true(g_key_file_has_key(conf, "Snapshot", values[i][0], NULL));
        g_key_file_set_string(conf, "Snapshot", values[i][0], values[i][1]);
        g_assert_true(g_key_file_save_to_file(conf, path, NULL));
        assert_damaged(f, "snapshot.conf: ");
        g_assert_true(snapshot_remove(made, NULL));
    }
}

/* --- sweep --- */

static void
test_sweep(Fixture *f, gconstpointer data)
{
    g_autoptr(Snapshot) whole = make(f, ID), damaged = make(f, "damaged"),
                        unfinished = stage(f, "unfinished");
    g_autofree char *conf = snapshot_path(damaged, "snapshot.conf"),
                    *foreign = g_build_filename(f->store->state, "snapshots", "Foreign", NULL);

    g_assert_cmpint(g_mkdir(foreign, 0700), ==, 0);
    g_assert_cmpint(g_unlink(conf), ==, 0);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING,
                          "The snapshot 'damaged' is damaged and is removed: *snapshot.conf*");
    g_test_expect_message(NULL, G_LOG_LEVEL_MESSAGE, "*Foreign' does not belong to this service*");
    g_assert_cmpuint(store_sweep_snapshots(f->store), ==, 2);
    g_test_assert_expected_messages();
    g_assert_cmpuint(count(f), ==, 2);
    g_assert_true(g_file_test(whole->dir, G_FILE_TEST_IS_DIR));
    g_assert_true(g_file_test(foreign, G_FILE_TEST_IS_DIR));
    g_assert_cmpuint(store_sweep_snapshots(f->store), ==, 0);
}

/* --- a full disk --- */

static void
test_full(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) base = make_base(f);
    g_autofree char *folder = g_build_filename(f->store->state, "snapshots", NULL), *fill = NULL;
    g_autoptr(GError) error = NULL;

    mount_small(folder, "size=256k,mode=0710");
    {
        g_autoptr(Snapshot) staged = stage(f, ID);

        fill = fill_up(folder);
        g_assert_false(snapshot_commit(staged, base, &error));
        g_assert_nonnull(strstr(error->message, "No space left on device"));
        g_assert_false(g_file_test(staged->dir, G_FILE_TEST_EXISTS));
        snapshot_discard(staged);
        g_assert_cmpint(g_unlink(fill), ==, 0);
        g_assert_cmpuint(count(f), ==, 0);
    }
    unmount(folder);
}

#define ADD(name, data, function)                                                                  \
    g_test_add("/snapshot/" name, Fixture, data, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("life", NULL, test_life);
    ADD("modes", NULL, test_modes);
    ADD("removed", NULL, test_removed);
    ADD("discard", NULL, test_discard);
    ADD("bad-capture", NULL, test_bad_capture);
    ADD("missing/conf", "snapshot.conf", test_missing);
    ADD("missing/state", SNAPSHOT_STATE, test_missing);
    ADD("missing/disk", SNAPSHOT_DISK, test_missing);
    ADD("other-size", NULL, test_other_size);
    ADD("other-content/state", SNAPSHOT_STATE, test_other_content);
    ADD("other-content/disk", SNAPSHOT_DISK, test_other_content);
    ADD("values", NULL, test_values);
    ADD("sweep", NULL, test_sweep);
    ADD("full", NULL, test_full);
    return g_test_run();
}
