/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record: the properties of a sandbox, in a key file.
 *
 * A record is written atomically, but not synced to disk: no machine survives a crash of the host.
 * The service wrote all records itself, but still checks each value when it reads one.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "error.h"
#include "names.h"
#include "record-network.h"
#include "record.h"
#include "util.h"

#define SECTION "Sandbox"
#define NETWORK "Network"
#define NETWORK_BASE "Network.Template"
#define NEW_SUFFIX ".new"

static char *
record_path(const Store *store, const char *id)
{
    return g_build_filename(store->state, "sandboxes", id, NULL);
}

static void
set_strv(GKeyFile *file, const char *key, char **values)
{
    g_key_file_set_string_list(file, SECTION, key, (const char *const *)values,
                               g_strv_length(values));
}

static GKeyFile *
fill_file(const Record *record)
{
    GKeyFile *file = g_key_file_new();

    g_key_file_set_string(file, SECTION, "Id", record->id);
    g_key_file_set_string(file, SECTION, "Name", record->name);
    g_key_file_set_string(file, SECTION, "Template", record->template);
    if (record->template_key)
        g_key_file_set_string(file, SECTION, "TemplateKey", record->template_key);
    if (record->snapshot)
        g_key_file_set_string(file, SECTION, "Snapshot", record->snapshot);
    g_key_file_set_uint64(file, SECTION, "Owner", record->owner);
    g_key_file_set_int64(file, SECTION, "Created", record->created_us);
    g_key_file_set_int64(file, SECTION, "Born", record->born_us);
    g_key_file_set_int64(file, SECTION, "Deadline", record->deadline_us);
    g_key_file_set_uint64(file, SECTION, "TimeoutSec", record->timeout_s);
    g_key_file_set_int64(file, SECTION, "PausedSince", record->paused_since_us);
    g_key_file_set_int64(file, SECTION, "Paused", record->paused_us);
    g_key_file_set_uint64(file, SECTION, "PausesOnTimeout", record->pauses_on_timeout ? 1 : 0);
    g_key_file_set_uint64(file, SECTION, "ResumesForCalls", record->resumes_for_calls ? 1 : 0);
    g_key_file_set_string(file, SECTION, "Boot", record->boot_id);
    set_strv(file, "Metadata", record->metadata);
    if (record->idempotency_key)
        g_key_file_set_string(file, SECTION, "IdempotencyKey", record->idempotency_key);
    if (record->request_digest)
        g_key_file_set_string(file, SECTION, "RequestDigest", record->request_digest);
    set_strv(file, "Languages", record->languages);
    g_key_file_set_string(file, SECTION, "User", record->user);
    g_key_file_set_uint64(file, SECTION, "Vcpus", record->vcpus);
    g_key_file_set_uint64(file, SECTION, "MemoryMiB", record->memory_mib);
    g_key_file_set_uint64(file, SECTION, "DiskMiB", record->disk_mib);
    g_key_file_set_uint64(file, SECTION, "MachineUid", record->machine_uid);
    g_key_file_set_uint64(file, SECTION, "OneShot", record->is_one_shot ? 1 : 0);
    if (record->deaths > 0)
        g_key_file_set_uint64(file, SECTION, "Deaths", record->deaths);
    if (record->network)
        record_network_write(file, NETWORK, record->network);
    if (record->network_base)
        record_network_write(file, NETWORK_BASE, record->network_base);
    if (record->network_closed)
        g_key_file_set_string(file, SECTION, "NetworkClosed", record->network_closed);
    return file;
}

void
record_gate_init(RecordGate *gate)
{
    g_mutex_init(&gate->mutex);
    gate->is_shut = FALSE;
}

void
record_gate_clear(RecordGate *gate)
{
    g_mutex_clear(&gate->mutex);
}

/* Puts the new file in the place of the old one, unless the gate is shut. */
static gboolean
put_in_place(const char *fresh, const char *path, RecordGate *gate, GError **error)
{
    int r = 0, errnum = 0;

    if (gate)
        g_mutex_lock(&gate->mutex);
    if (gate && gate->is_shut)
        unlink(fresh);
    else
        r = g_rename(fresh, path);
    errnum = errno;
    if (gate)
        g_mutex_unlock(&gate->mutex);
    return r == 0 || util_set_errno(error, errnum, "Cannot write the record '%s'", path);
}

gboolean
record_write(const Store *store, const Record *record, RecordGate *gate, GError **error)
{
    g_autoptr(GKeyFile) file = fill_file(record);
    g_autofree char *path = record_path(store, record->id);
    g_autofree char *fresh = g_strconcat(path, NEW_SUFFIX, NULL);
    gsize length;
    g_autofree char *text = g_key_file_to_data(file, &length, NULL);

    if (g_file_set_contents_full(fresh, text, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600,
                                 error) &&
        put_in_place(fresh, path, gate, error))
        return TRUE;
    unlink(fresh);
    return FALSE;
}

/* --- reading --- */

typedef struct {
    GKeyFile *file;
    const char *path;
    GError **error;
    gboolean failed;
} RecordReader;

static void
check(RecordReader *reader, const char *key, const GError *cause)
{
    if (cause && !reader->failed)
        g_set_error(reader->error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "%s: %s: %s", reader->path,
                    key, cause->message);
    reader->failed = reader->failed || cause;
}

static char *
get_text(RecordReader *reader, const char *key)
{
    g_autoptr(GError) cause = NULL;
    char *text = g_key_file_get_string(reader->file, SECTION, key, &cause);

    check(reader, key, cause);
    return text;
}

static char **
get_strv(RecordReader *reader, const char *key)
{
    g_autoptr(GError) cause = NULL;
    char **values = g_key_file_get_string_list(reader->file, SECTION, key, NULL, &cause);

    check(reader, key, cause);
    return values;
}

static guint64
get_number(RecordReader *reader, const char *key, guint64 max)
{
    g_autoptr(GError) cause = NULL;
    guint64 value = g_key_file_get_uint64(reader->file, SECTION, key, &cause);

    if (!cause && value > max)
        cause = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                            "%" G_GUINT64_FORMAT " is more than %" G_GUINT64_FORMAT, value, max);
    check(reader, key, cause);
    return value;
}

/* Earlier versions did not write it: 0. */
static guint64
get_later_number(RecordReader *reader, const char *key, guint64 max)
{
    return g_key_file_has_key(reader->file, SECTION, key, /* error= */ NULL)
               ? get_number(reader, key, max)
               : 0;
}

static void
check_texts(RecordReader *reader, const Record *record, const char *id)
{
    g_autoptr(GError) cause = NULL;

    if (reader->failed)
        return;
    if (!g_str_equal(record->id, id))
        cause = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                    "it is the id of another sandbox");
    check(reader, "Id", cause);
    if (!cause && g_strv_length(record->metadata) % 2 != 0)
        cause = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "a key without a value");
    check(reader, "Metadata", cause);
    if (!cause && record->template_key &&
        (!image_name_is_valid(record->template) || !template_key_is_valid(record->template_key)))
        cause = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                    "it cannot be the key of a template");
    check(reader, "TemplateKey", cause);
    if (!cause && record->snapshot && !record_id_is_valid(record->snapshot))
        cause = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                    "it cannot be the id of a snapshot");
    check(reader, "Snapshot", cause);
}

/* A policy that this version does not accept closes the network, and is no reason to end the
 * sandbox. */
static void
read_network(const RecordReader *reader, Record *record)
{
    g_autoptr(GError) cause = NULL;

    record->network_closed = g_key_file_get_string(reader->file, SECTION, "NetworkClosed", NULL);
    record->network = record_network_read(reader->file, NETWORK, &cause);
    if (!cause)
        record->network_base = record_network_read(reader->file, NETWORK_BASE, &cause);
    if (!cause)
        return;
    g_clear_pointer(&record->network, net_policy_free);
    g_free(record->network_closed);
    record->network_closed = g_strdup_printf("its record is invalid: %s", cause->message);
}

static void
read_fields(RecordReader *reader, Record *record)
{
    record->id = get_text(reader, "Id");
    record->name = get_text(reader, "Name");
    record->template = get_text(reader, "Template");
    record->template_key = g_key_file_get_string(reader->file, SECTION, "TemplateKey", NULL);
    record->snapshot = g_key_file_get_string(reader->file, SECTION, "Snapshot", NULL);
    record->owner = (guint32)get_number(reader, "Owner", G_MAXUINT32);
    record->created_us = (gint64)get_number(reader, "Created", G_MAXINT64);
    record->born_us = (gint64)get_number(reader, "Born", G_MAXINT64);
    record->deadline_us = (gint64)get_number(reader, "Deadline", G_MAXINT64);
    record->timeout_s = get_later_number(reader, "TimeoutSec", G_MAXINT64);
    record->paused_since_us = (gint64)get_later_number(reader, "PausedSince", G_MAXINT64);
    record->paused_us = (gint64)get_later_number(reader, "Paused", G_MAXINT64);
    record->pauses_on_timeout = get_later_number(reader, "PausesOnTimeout", 1) == 1;
    record->resumes_for_calls = get_later_number(reader, "ResumesForCalls", 1) == 1;
    record->boot_id = get_text(reader, "Boot");
    record->metadata = get_strv(reader, "Metadata");
    record->idempotency_key = g_key_file_get_string(reader->file, SECTION, "IdempotencyKey", NULL);
    record->request_digest = g_key_file_get_string(reader->file, SECTION, "RequestDigest", NULL);
    record->has_request = g_key_file_has_key(reader->file, SECTION, "Request", NULL);
    record->languages = get_strv(reader, "Languages");
    record->user = get_text(reader, "User");
    record->vcpus = (guint)get_number(reader, "Vcpus", G_MAXUINT32);
    record->memory_mib = get_number(reader, "MemoryMiB", G_MAXUINT32);
    record->disk_mib = get_number(reader, "DiskMiB", G_MAXUINT32);
    record->machine_uid = (guint32)get_number(reader, "MachineUid", G_MAXUINT32);
    record->is_one_shot = get_number(reader, "OneShot", 1) == 1;
    record->deaths = (guint)get_later_number(reader, "Deaths", G_MAXUINT16);
    read_network(reader, record);
}

Record *
record_read(const Store *store, const char *id, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *path = record_path(store, id);
    g_autoptr(Record) record = g_new0(Record, 1);
    g_autoptr(GError) cause = NULL;
    RecordReader reader = {.file = file, .path = path, .error = error};

    if (!record_id_is_valid(id) ||
        !g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &cause)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "%s: %s", path,
                    cause ? cause->message : "the file name is not an id");
        return NULL;
    }
    read_fields(&reader, record);
    check_texts(&reader, record, id);
    return reader.failed ? NULL : g_steal_pointer(&record);
}

Record *
record_copy(const Record *record)
{
    Record *copy = g_new(Record, 1);

    *copy = *record;
    copy->id = g_strdup(record->id);
    copy->name = g_strdup(record->name);
    copy->template = g_strdup(record->template);
    copy->template_key = g_strdup(record->template_key);
    copy->snapshot = g_strdup(record->snapshot);
    copy->boot_id = g_strdup(record->boot_id);
    copy->metadata = g_strdupv(record->metadata);
    copy->idempotency_key = g_strdup(record->idempotency_key);
    copy->request_digest = g_strdup(record->request_digest);
    copy->languages = g_strdupv(record->languages);
    copy->user = g_strdup(record->user);
    copy->network = record->network ? net_policy_copy(record->network) : NULL;
    copy->network_base = record->network_base ? net_policy_copy(record->network_base) : NULL;
    copy->network_closed = g_strdup(record->network_closed);
    return copy;
}

void
record_free(Record *record)
{
    if (!record)
        return;
    g_free(record->id);
    g_free(record->name);
    g_free(record->template);
    g_free(record->template_key);
    g_free(record->snapshot);
    g_free(record->boot_id);
    g_strfreev(record->metadata);
    g_free(record->idempotency_key);
    g_free(record->request_digest);
    g_strfreev(record->languages);
    g_free(record->user);
    net_policy_free(record->network);
    net_policy_free(record->network_base);
    g_free(record->network_closed);
    g_free(record);
}

void
record_remove(const Store *store, const char *id, RecordGate *gate)
{
    g_autofree char *path = record_path(store, id);

    if (gate) {
        g_mutex_lock(&gate->mutex);
        gate->is_shut = TRUE;
    }
    unlink(path);
    if (gate)
        g_mutex_unlock(&gate->mutex);
}

gboolean
record_exists(const Store *store, const char *id)
{
    g_autofree char *path = record_path(store, id);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}
