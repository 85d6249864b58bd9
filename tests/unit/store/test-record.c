/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-record: a record is read as it was written, or refused with an error that names its file. */
#include <glib/gstdio.h>
#include <string.h>

#include "error.h"
#include "fixture.h"
#include "record.h"

static char *
path_of(Fixture *f, const char *name)
{
    return g_build_filename(f->dir, "state/sandboxes", name, NULL);
}

#define S(text) ((char *)(text))

static char *no_words[] = {NULL};
static char *odd_metadata[] = {S("key;=[]"), S("value\n\t\\s \xc3\xa9"), S("empty"), S(""), NULL};
static char *two_languages[] = {S("python"), S("bash"), NULL};

/* The least, and the most, that a record may hold. */
static const Record smallest = {
    .id = S("a"),
    .name = S(""),
    .template = S("box"),
    .boot_id = S(""),
    .metadata = no_words,
    .languages = no_words,
    .user = S("user"),
};
static const Record largest = {
    .id = S("abcdefghijklmnop"),
    .name = S(" a name;\nof two lines "),
    .template = S("box"),
    .template_key = S("0123456789abcdef"),
    .owner = G_MAXUINT32,
    .created_us = G_MAXINT64,
    .born_us = G_MAXINT64,
    .deadline_us = G_MAXINT64,
    .timeout_s = G_MAXINT64,
    .paused_since_us = G_MAXINT64,
    .paused_us = G_MAXINT64,
    .pauses_on_timeout = TRUE,
    .resumes_for_calls = TRUE,
    .boot_id = S("8c4b6e0a-0000-4000-8000-000000000000"),
    .metadata = odd_metadata,
    .idempotency_key = S(";key"),
    .request_digest = S("0123456789abcdef"),
    .languages = two_languages,
    .user = S("user"),
    .vcpus = G_MAXUINT32,
    .memory_mib = G_MAXUINT32,
    .disk_mib = G_MAXUINT32,
    .machine_uid = 1900000000,
    .is_one_shot = TRUE,
};

static void
assert_same(const Record *a, const Record *b)
{
    g_assert_cmpstr(a->id, ==, b->id);
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->template, ==, b->template);
    g_assert_cmpstr(a->template_key, ==, b->template_key);
    g_assert_cmpuint(a->owner, ==, b->owner);
    g_assert_cmpint(a->created_us, ==, b->created_us);
    g_assert_cmpint(a->born_us, ==, b->born_us);
    g_assert_cmpint(a->deadline_us, ==, b->deadline_us);
    g_assert_cmpuint(a->timeout_s, ==, b->timeout_s);
    g_assert_cmpint(a->paused_since_us, ==, b->paused_since_us);
    g_assert_cmpint(a->paused_us, ==, b->paused_us);
    g_assert_cmpint(a->pauses_on_timeout, ==, b->pauses_on_timeout);
    g_assert_cmpint(a->resumes_for_calls, ==, b->resumes_for_calls);
    g_assert_cmpstr(a->boot_id, ==, b->boot_id);
    g_assert_cmpstrv(a->metadata, b->metadata);
    g_assert_cmpstr(a->idempotency_key, ==, b->idempotency_key);
    g_assert_cmpstr(a->request_digest, ==, b->request_digest);
    g_assert_cmpstrv(a->languages, b->languages);
    g_assert_cmpstr(a->user, ==, b->user);
    g_assert_cmpuint(a->vcpus, ==, b->vcpus);
    g_assert_cmpuint(a->memory_mib, ==, b->memory_mib);
    g_assert_cmpuint(a->disk_mib, ==, b->disk_mib);
    g_assert_cmpuint(a->machine_uid, ==, b->machine_uid);
    g_assert_cmpint(a->is_one_shot, ==, b->is_one_shot);
}

static void
write_record(Fixture *f, const Record *record)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(record_write(f->store, record, /* gate= */ NULL, &error));
    g_assert_no_error(error);
}

static void
assert_read(Fixture *f, const Record *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Record) found = record_read(f->store, expected->id, &error);

    g_assert_no_error(error);
    assert_same(found, expected);
}

static void
test_same(Fixture *f, gconstpointer data)
{
    write_record(f, &smallest);
    write_record(f, &largest);
    assert_read(f, &smallest);
    assert_read(f, &largest);
}

static void
test_written_again(Fixture *f, gconstpointer data)
{
    Record record = largest;

    write_record(f, &record);
    record.deadline_us = 3;
    write_record(f, &record);
    assert_read(f, &record);
}

static void
test_list(Fixture *f, gconstpointer data)
{
    g_autofree char *unfinished = path_of(f, "b.new");
    g_auto(GStrv) none = store_list_records(f->store), one = NULL, gone = NULL;

    g_assert_cmpuint(g_strv_length(none), ==, 0);
    write_record(f, &smallest);
    g_assert_true(g_file_set_contents(unfinished, "[Sand", -1, NULL));
    one = store_list_records(f->store);
    g_assert_cmpuint(g_strv_length(one), ==, 1);
    g_assert_cmpstr(one[0], ==, "a");
    record_remove(f->store, "a", /* gate= */ NULL);
    gone = store_list_records(f->store);
    g_assert_cmpuint(g_strv_length(gone), ==, 0);
}

/* --- what is no record --- */

static void
assert_refused(Fixture *f, const char *id, const char *what)
{
    g_autofree char *path = path_of(f, id);
    g_autoptr(GError) error = NULL;

    g_assert_null(record_read(f->store, id, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, what));
}

/* Writes a good one with a key that is replaced, or removed. */
static void
write_with(Fixture *f, const char *key, const char *value)
{
    g_autofree char *path = path_of(f, largest.id);
    g_autoptr(GKeyFile) file = g_key_file_new();

    write_record(f, &largest);
    g_assert_true(g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL));
    if (value)
        g_key_file_set_value(file, "Sandbox", key, value);
    else
        g_assert_true(g_key_file_remove_key(file, "Sandbox", key, NULL));
    g_assert_true(g_key_file_save_to_file(file, path, NULL));
}

static void
test_missing_keys(Fixture *f, gconstpointer data)
{
    static const char *const optional[] = {"IdempotencyKey",  "RequestDigest",   "TemplateKey",
                                           "TimeoutSec",      "PausedSince",     "Paused",
                                           "PausesOnTimeout", "ResumesForCalls", NULL};
    g_autofree char *path = path_of(f, largest.id);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_auto(GStrv) keys = NULL;

    write_record(f, &largest);
    g_assert_true(g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL));
    keys = g_key_file_get_keys(file, "Sandbox", NULL, NULL);
    for (char **key = keys; *key; key++) {
        write_with(f, *key, NULL);
        if (!g_strv_contains(optional, *key))
            assert_refused(f, largest.id, *key);
    }
}

/* As an earlier version of the service wrote it. */
static void
test_no_template_key(Fixture *f, gconstpointer data)
{
    Record record = largest;

    record.template_key = NULL;
    write_with(f, "TemplateKey", NULL);
    assert_read(f, &record);
}

/* The same for a pause: the sandbox runs, and its timeout ends it. */
static void
test_no_pause(Fixture *f, gconstpointer data)
{
    static const char *const keys[] = {"TimeoutSec", "PausedSince", "Paused", "PausesOnTimeout",
                                       "ResumesForCalls"};
    g_autofree char *path = path_of(f, largest.id);
    g_autoptr(GKeyFile) file = g_key_file_new();
    Record record = largest;

    write_record(f, &largest);
    g_assert_true(g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        g_assert_true(g_key_file_remove_key(file, "Sandbox", keys[i], NULL));
    g_assert_true(g_key_file_save_to_file(file, path, NULL));
    record.timeout_s = 0;
    record.paused_since_us = record.paused_us = 0;
    record.pauses_on_timeout = record.resumes_for_calls = FALSE;
    assert_read(f, &record);
}

/* An earlier version wrote the request itself: that is reported, so that it is replaced. */
static void
test_request(Fixture *f, gconstpointer data)
{
    g_autoptr(Record) record = NULL, good = NULL;

    write_with(f, "Request", "box\\n\\nTOKEN=secret");
    record = record_read(f->store, largest.id, NULL);
    g_assert_true(record->has_request);
    write_record(f, &largest);
    good = record_read(f->store, largest.id, NULL);
    g_assert_false(good->has_request);
}

/* A record that was removed while it was being written does not come back. */
static void
test_gate(Fixture *f, gconstpointer data)
{
    g_autofree char *path = path_of(f, "a"), *fresh = path_of(f, "a.new");
    RecordGate gate;

    record_gate_init(&gate);
    g_assert_true(record_write(f->store, &smallest, &gate, NULL));
    assert_read(f, &smallest);
    record_remove(f->store, "a", &gate);
    g_assert_true(record_write(f->store, &smallest, &gate, NULL));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(fresh, G_FILE_TEST_EXISTS));
    record_gate_clear(&gate);
}

static void
test_wrong_values(Fixture *f, gconstpointer data)
{
    static const char *const cases[][2] = {
        {"Id", "abcdefghijklmnoq"},
        {"TemplateKey", ""},
        {"TemplateKey", "../box"},
        {"TemplateKey", "0123-4567"},
        {"Owner", "4294967296"},
        {"Owner", "-1"},
        {"Owner", "root"},
        {"Created", "9223372036854775808"},
        {"Born", "-1"},
        {"Deadline", "soon"},
        {"Deadline", "18446744073709551616"},
        {"Metadata", "key"},
        {"Metadata", "key;value;key;"},
        {"Vcpus", "4294967296"},
        {"MemoryMiB", "4294967296"},
        {"DiskMiB", "4294967296"},
        {"MachineUid", "4294967296"},
        {"OneShot", "2"},
        {"TimeoutSec", "-1"},
        {"PausedSince", "9223372036854775808"},
        {"Paused", "-1"},
        {"PausesOnTimeout", "2"},
        {"ResumesForCalls", "yes"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_with(f, cases[i][0], cases[i][1]);
        assert_refused(f, largest.id, cases[i][0]);
    }
}

static void
test_no_record(Fixture *f, gconstpointer data)
{
    g_autofree char *nonsense = path_of(f, "nonsense"), *folder = path_of(f, "folder");
    g_autofree char *empty = path_of(f, "empty");

    g_assert_true(g_file_set_contents(nonsense, "\x01\x02", -1, NULL));
    g_assert_true(g_file_set_contents(empty, "", -1, NULL));
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    assert_refused(f, "nonsense", "");
    assert_refused(f, "empty", "");
    assert_refused(f, "folder", "");
    assert_refused(f, "missing", "No such file");
}

/* The machine's folders have the id's name. */
static void
test_no_id(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"..", "A", "a.b", "a b", "a/../a"};
    g_autofree char *longest = g_strnfill(64, 'a'), *longer = g_strnfill(65, 'a');
    Record record = smallest;

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        assert_refused(f, names[i], "the file name is not an id");
    record.id = longest;
    write_record(f, &record);
    assert_read(f, &record);
    assert_refused(f, longer, "the file name is not an id");
}

/* --- a full disk --- */

/* Nothing half-written stays, what was there is there, and with room all goes on. */
static void
test_full_disk(Fixture *f, gconstpointer data)
{
    g_autofree char *sandboxes = path_of(f, ""), *filling = NULL;
    g_autofree char *unfinished = path_of(f, "abcdefghijklmnop.new");
    Record renewed = smallest;
    g_autoptr(GError) fresh = NULL, again = NULL;

    mount_small(sandboxes, "size=64k");
    write_record(f, &smallest);
    filling = fill_up(sandboxes);

    g_assert_false(record_write(f->store, &largest, /* gate= */ NULL, &fresh));
    g_assert_nonnull(strstr(fresh->message, "abcdefghijklmnop"));
    g_assert_nonnull(strstr(fresh->message, "No space left on device"));
    g_assert_false(g_file_test(unfinished, G_FILE_TEST_EXISTS));
    renewed.deadline_us = 7;
    g_assert_false(record_write(f->store, &renewed, /* gate= */ NULL, &again));
    assert_read(f, &smallest);

    g_assert_cmpint(g_unlink(filling), ==, 0);
    write_record(f, &largest);
    assert_read(f, &largest);
    unmount(sandboxes);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/record/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("same", test_same);
    ADD("written-again", test_written_again);
    ADD("list", test_list);
    ADD("missing-keys", test_missing_keys);
    ADD("no-template-key", test_no_template_key);
    ADD("no-pause", test_no_pause);
    ADD("request", test_request);
    ADD("gate", test_gate);
    ADD("wrong-values", test_wrong_values);
    ADD("no-record", test_no_record);
    ADD("no-id", test_no_id);
    ADD("full-disk", test_full_disk);
    return g_test_run();
}
