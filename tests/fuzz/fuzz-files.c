/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-files: the service's readers of its configuration and of its records survive any content.
 *
 * An error names the file. A record that was read can be written, and is the same when it is read
 * again.
 */
#include <glib/gstdio.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "conf-file.h"
#include "record.h"

#define ID "aaaaaaaaaaaaaaaa"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gboolean
on_assignment(const char *section, const char *key, const char *value, const char *place,
              gpointer data, GError **error)
{
    guint *count = data;

    g_assert_true(g_str_has_prefix(place, "file:"));
    g_assert_true(*key != '\0' && section && !strchr(value, '\n'));
    (*count)++;
    return TRUE;
}

static void
read_configuration(const char *text, gsize size)
{
    g_autoptr(GError) error = NULL;
    guint count = 0;
    gboolean is_good = conf_file_parse("file", text, size, on_assignment, &count, &error);

    g_assert_cmpint(is_good, ==, error == NULL);
    g_assert_true(is_good || strstr(error->message, "file"));
    g_assert_cmpuint(count, <=, size);
}

static void
assert_same(const Record *a, const Record *b)
{
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpuint(a->owner, ==, b->owner);
    g_assert_cmpint(a->deadline_us, ==, b->deadline_us);
    g_assert_true(g_strv_equal((const char *const *)a->metadata, (const char *const *)b->metadata));
    g_assert_cmpuint(a->memory_mib, ==, b->memory_mib);
}

static void
read_record(const Store *in, const char *text, gsize size)
{
    g_autofree char *path = g_build_filename(in->state, "sandboxes", ID, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Record) record = NULL, again = NULL;

    g_file_set_contents_full(path, text, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
    record = record_read(in, ID, &error);
    g_assert_true((record != NULL) == (error == NULL));
    if (!record)
        return;
    record_write(in, record, /* gate= */ NULL, &error);
    g_assert_no_error(error);
    again = record_read(in, ID, &error);
    g_assert_no_error(error);
    assert_same(record, again);
}

/* The folder is made once. */
static Store store;

static void
open_store(void)
{
    g_autofree char *folder = NULL;

    if (store.state)
        return;
    store.state = g_dir_make_tmp("fuzz-files-XXXXXX", NULL);
    folder = g_build_filename(store.state, "sandboxes", NULL);
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
}

__attribute__((destructor)) static void
remove_store(void)
{
    g_autofree char *folder = store.state ? g_build_filename(store.state, "sandboxes", NULL) : NULL;

    if (!folder)
        return;
    g_rmdir(folder);
    g_rmdir(store.state);
    g_free(store.state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *path = NULL;

    open_store();
    path = g_build_filename(store.state, "sandboxes", ID, NULL);
    read_configuration((const char *)data, size);
    read_record(&store, (const char *)data, size);
    g_unlink(path);
    return 0;
}
