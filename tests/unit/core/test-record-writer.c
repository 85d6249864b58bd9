/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-record-writer: of several writes the last one wins, each caller gets an answer, and nothing
 * brings a removed record back. */
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record-writer.h"
#include "scratch-host.h"
#include "util.h"

#define ID "abcdefghijklmnop"
#define ROUNDS 300

typedef struct {
    ScratchHost scratch;
    RecordWriter *writer;
    guint answers, failures;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    scratch_host_init(&f->scratch);
    f->writer = record_writer_new(&f->scratch.host);
}

static void
finish_all(Fixture *f)
{
    while (f->scratch.host.count > 0)
        g_main_context_iteration(NULL, TRUE);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    finish_all(f);
    record_writer_free(f->writer);
    scratch_host_clear(&f->scratch);
}

static void
on_written(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *f = data;
    g_autoptr(GError) error = NULL;

    if (!record_writer_write_finish(result, &error))
        f->failures++;
    f->answers++;
}

static void
write_record(Fixture *f, const char *id, gint64 deadline_us)
{
    static char *none[] = {NULL};
    const Record record = {.id = (char *)id,
                           .name = (char *)"",
                           .template = (char *)"box",
                           .deadline_us = deadline_us,
                           .boot_id = (char *)"",
                           .metadata = none,
                           .languages = none,
                           .user = (char *)"user"};

    record_writer_write_async(f->writer, &record, on_written, f);
}

static gint64
deadline_of(Fixture *f, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Record) record = record_read(f->scratch.store, id, &error);

    g_assert_no_error(error);
    return record->deadline_us;
}

static void
test_order(Fixture *f, gconstpointer data)
{
    for (guint round = 1; round <= ROUNDS; round++) {
        for (gint64 n = 1; n <= 4; n++) {
            write_record(f, ID, round * 10 + n);
            write_record(f, "other", round * 10 + n);
            if (n % 2 == 0)
                g_main_context_iteration(NULL, FALSE);
        }
        finish_all(f);
        g_assert_cmpint(deadline_of(f, ID), ==, round * 10 + 4);
        g_assert_cmpint(deadline_of(f, "other"), ==, round * 10 + 4);
    }
    g_assert_cmpuint(f->answers, ==, 8 * ROUNDS);
    g_assert_cmpuint(f->failures, ==, 0);
}

/* At any moment of a write, and with another one behind it. */
static void
test_remove(Fixture *f, gconstpointer data)
{
    for (guint round = 0; round < ROUNDS; round++) {
        g_auto(GStrv) ids = NULL;

        write_record(f, ID, 1);
        write_record(f, ID, 2);
        g_usleep(round);
        record_writer_remove(f->writer, ID);
        ids = store_list_records(f->scratch.store);
        g_assert_cmpuint(g_strv_length(ids), ==, 0); /* at once */
        finish_all(f);
        g_strfreev(ids);
        ids = store_list_records(f->scratch.store);
        g_assert_cmpuint(g_strv_length(ids), ==, 0);
    }
    g_assert_cmpuint(f->answers, ==, 2 * ROUNDS);
}

/* All callers of a write that failed get its error, and the old record stays. */
static void
test_failure(Fixture *f, gconstpointer data)
{
    g_autofree char *blocker = g_build_filename(f->scratch.dir, "state/sandboxes/" ID ".new", NULL);

    write_record(f, ID, 1);
    finish_all(f);
    g_assert_cmpint(g_mkdir_with_parents(blocker, 0700), ==, 0); /* where the new file would be */
    for (gint64 n = 2; n <= 4; n++)
        write_record(f, ID, n);
    finish_all(f);
    g_assert_cmpuint(f->failures, ==, 3);
    g_assert_cmpint(deadline_of(f, ID), ==, 1);
    g_assert_cmpint(rmdir(blocker), ==, 0);
    write_record(f, ID, 5);
    finish_all(f);
    g_assert_cmpint(deadline_of(f, ID), ==, 5);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/core/record-writer/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("order", test_order);
    ADD("remove", test_remove);
    ADD("failure", test_failure);
#undef ADD
    return g_test_run();
}
