/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-conf: the facts of a snapshot, in a key file. */
#include <string.h>

#include "error.h"
#include "names.h"
#include "record-network.h"
#include "snapshot-private.h"

#define SECTION "Snapshot"
#define NETWORK "Network"

GKeyFile *
snapshot_fill_conf(const Snapshot *snapshot)
{
    GKeyFile *conf = g_key_file_new();

    g_key_file_set_string(conf, SECTION, "Id", snapshot->id);
    g_key_file_set_string(conf, SECTION, "Name", snapshot->name);
    g_key_file_set_string(conf, SECTION, "Description", snapshot->description);
    g_key_file_set_uint64(conf, SECTION, "Owner", snapshot->owner);
    g_key_file_set_int64(conf, SECTION, "Created", snapshot->created_us);
    g_key_file_set_string(conf, SECTION, "Sandbox", snapshot->sandbox);
    if (snapshot->parent)
        g_key_file_set_string(conf, SECTION, "Parent", snapshot->parent);
    g_key_file_set_uint64(conf, SECTION, "Depth", snapshot->depth);
    g_key_file_set_string(conf, SECTION, "Template", snapshot->template);
    g_key_file_set_string(conf, SECTION, "TemplateKey", snapshot->key);
    g_key_file_set_string(conf, SECTION, "Image", snapshot->image);
    g_key_file_set_string(conf, SECTION, "Accelerator", snapshot->accelerator);
    g_key_file_set_string(conf, SECTION, "User", snapshot->user);
    g_key_file_set_string_list(conf, SECTION, "Languages", (const char *const *)snapshot->languages,
                               g_strv_length(snapshot->languages));
    g_key_file_set_uint64(conf, SECTION, "Vcpus", snapshot->vcpus);
    g_key_file_set_uint64(conf, SECTION, "MemoryMiB", snapshot->memory_mib);
    g_key_file_set_uint64(conf, SECTION, "DiskMiB", snapshot->disk_mib);
    if (snapshot->network)
        record_network_write(conf, NETWORK, snapshot->network);
    return conf;
}

/* What is read, and the first fault. */
typedef struct {
    GKeyFile *conf;
    GError *fault;
} Reader;

static char *
get_text(Reader *reader, const char *key)
{
    return reader->fault ? NULL : g_key_file_get_string(reader->conf, SECTION, key, &reader->fault);
}

static guint64
get_number(Reader *reader, const char *key, guint64 max)
{
    guint64 number =
        reader->fault ? 0 : g_key_file_get_uint64(reader->conf, SECTION, key, &reader->fault);

    if (!reader->fault && number > max)
        reader->fault = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                    "%s: %" G_GUINT64_FORMAT " is more than %" G_GUINT64_FORMAT,
                                    key, number, max);
    return number;
}

static void
check(Reader *reader, gboolean is_valid, const char *key)
{
    if (!reader->fault && !is_valid)
        reader->fault =
            g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "%s: it has an invalid value", key);
}

static void
read_origin(Reader *reader, Snapshot *snapshot)
{
    g_autofree char *id = get_text(reader, "Id");

    check(reader, g_strcmp0(id, snapshot->id) == 0, "Id");
    snapshot->sandbox = get_text(reader, "Sandbox");
    check(reader, snapshot->sandbox && record_id_is_valid(snapshot->sandbox), "Sandbox");
    snapshot->parent = g_key_file_get_string(reader->conf, SECTION, "Parent", NULL);
    check(reader, !snapshot->parent || record_id_is_valid(snapshot->parent), "Parent");
    snapshot->depth = (guint)get_number(reader, "Depth", SNAPSHOT_DEPTH_MAX);
    snapshot->owner = (guint32)get_number(reader, "Owner", G_MAXUINT32);
    snapshot->created_us = (gint64)get_number(reader, "Created", G_MAXINT64);
}

static void
read_base(Reader *reader, Snapshot *snapshot)
{
    snapshot->template = get_text(reader, "Template");
    check(reader, snapshot->template && image_name_is_valid(snapshot->template), "Template");
    snapshot->key = get_text(reader, "TemplateKey");
    check(reader, snapshot->key && template_key_is_valid(snapshot->key), "TemplateKey");
    snapshot->image = get_text(reader, "Image");
    check(reader, snapshot->image && !strchr(snapshot->image, '/'), "Image");
    snapshot->accelerator = get_text(reader, "Accelerator");
}

static void
read_machine(Reader *reader, Snapshot *snapshot)
{
    snapshot->name = get_text(reader, "Name");
    snapshot->description = get_text(reader, "Description");
    snapshot->user = get_text(reader, "User");
    if (!reader->fault)
        snapshot->languages =
            g_key_file_get_string_list(reader->conf, SECTION, "Languages", NULL, &reader->fault);
    snapshot->vcpus = (guint)get_number(reader, "Vcpus", G_MAXUINT16);
    snapshot->memory_mib = get_number(reader, "MemoryMiB", G_MAXUINT32);
    snapshot->disk_mib = get_number(reader, "DiskMiB", G_MAXUINT32);
    if (!reader->fault)
        snapshot->network = record_network_read(reader->conf, NETWORK, &reader->fault);
}

gboolean
snapshot_read_conf(Snapshot *snapshot, GKeyFile *conf, GError **error)
{
    Reader reader = {.conf = conf};

    read_origin(&reader, snapshot);
    read_base(&reader, snapshot);
    read_machine(&reader, snapshot);
    if (!reader.fault)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s/" SNAPSHOT_CONF ": %s",
                snapshot->dir, reader.fault->message);
    g_error_free(reader.fault);
    return FALSE;
}
