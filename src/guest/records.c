/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* records: each is its length and then fields as in wire.h. */
#include "records.h"

#include "wire.h"

#define STRING_MAX 65536u
#define ARGV_MAX 4096u

void
guest_records_init(GuestRecords *records, GBytes *answer)
{
    *records = (GuestRecords){0};
    records->data = g_bytes_get_data(answer, &records->left);
}

/* The fields of the next record. FALSE: there is none. */
static gboolean
next(GuestRecords *records, WireReader *fields)
{
    WireReader r;
    guint32 size;

    if (records->left == 0 || records->failed || records->has_more)
        return FALSE;
    wire_reader_init(&r, records->data, records->left);
    size = wire_get_u32(&r);
    records->failed = r.failed || size > r.left;
    if (records->failed)
        return FALSE;
    records->has_more = size == 0;
    wire_reader_init(fields, r.data, size);
    records->data = r.data + size;
    records->left = r.left - size;
    return size > 0;
}

static char *
get_text(WireReader *r)
{
    g_autofree char *text = wire_get_string(r, STRING_MAX);

    return text ? g_utf8_make_valid(text, -1) : NULL;
}

static GBytes *
get_bytes(WireReader *r)
{
    gsize size = 0;
    const guint8 *data = wire_get_bytes(r, &size);

    return g_bytes_new(data, data ? size : 0);
}

static char **
get_strings(WireReader *r)
{
    char **strings = wire_get_strv(r, ARGV_MAX, STRING_MAX);

    for (char **string = strings; string && *string; string++) {
        char *valid = g_utf8_make_valid(*string, -1);

        g_free(*string);
        *string = valid;
    }
    return strings;
}

/* In microseconds, rounded down. */
static gint64
get_time(WireReader *r)
{
    guint64 ns = wire_get_u64(r);

    return WIRE_TIME_IS_NEGATIVE(ns) ? -(gint64)((-ns + 999) / 1000) : (gint64)(ns / 1000);
}

/* A time in milliseconds since 1970. A later one than the protocol knows has no meaning, and would
 * not fit when it is converted. */
static guint64
get_start(WireReader *r)
{
    guint64 ms = wire_get_u64(r);

    return MIN(ms, (guint64)WIRE_TIME_MAX_S * 1000);
}

static gboolean
ended(GuestRecords *records, const WireReader *r)
{
    records->failed = wire_reader_end(r) < 0;
    return !records->failed;
}

gboolean
guest_records_next_file(GuestRecords *records, GuestFile *ret)
{
    WireReader r;

    if (!next(records, &r))
        return FALSE;
    *ret = (GuestFile){.path = get_bytes(&r), .target = get_bytes(&r)};
    ret->mode = wire_get_u32(&r);
    ret->uid = wire_get_u32(&r);
    ret->gid = wire_get_u32(&r);
    ret->user = get_text(&r);
    ret->group = get_text(&r);
    ret->size = wire_get_u64(&r);
    ret->links = wire_get_u64(&r);
    ret->inode = wire_get_u64(&r);
    ret->modified_us = get_time(&r);
    ret->accessed_us = get_time(&r);
    ret->changed_us = get_time(&r);
    if (ended(records, &r))
        return TRUE;
    guest_file_clear(ret);
    return FALSE;
}

gboolean
guest_records_next_program(GuestRecords *records, GuestProgram *ret)
{
    WireReader r;

    if (!next(records, &r))
        return FALSE;
    *ret = (GuestProgram){.pid = wire_get_u32(&r)};
    ret->parent = wire_get_u32(&r);
    ret->uid = wire_get_u32(&r);
    ret->user = get_text(&r);
    ret->argv = get_strings(&r);
    ret->state = wire_get_u32(&r);
    ret->started_ms = get_start(&r);
    ret->memory_kib = wire_get_u64(&r);
    ret->processor_us = wire_get_u64(&r);
    ret->group = wire_get_u64(&r);
    if (ended(records, &r))
        return TRUE;
    guest_program_clear(ret);
    return FALSE;
}

gboolean
guest_records_next_listener(GuestRecords *records, GuestListener *ret)
{
    WireReader r;

    if (!next(records, &r))
        return FALSE;
    *ret = (GuestListener){.port = wire_get_u32(&r)};
    ret->address = get_text(&r);
    ret->pid = wire_get_u32(&r);
    ret->program = get_text(&r);
    if (ended(records, &r) && ret->port <= G_MAXUINT16)
        return TRUE;
    records->failed = TRUE;
    guest_listener_clear(ret);
    return FALSE;
}

gboolean
guest_records_next_kept(GuestRecords *records, GuestKept *ret)
{
    WireReader r;

    if (!next(records, &r))
        return FALSE;
    *ret = (GuestKept){.tag = get_text(&r)};
    ret->pid = wire_get_u32(&r);
    ret->started_ms = get_start(&r);
    ret->argv = get_strings(&r);
    ret->environment = get_strings(&r);
    if (ended(records, &r))
        return TRUE;
    guest_kept_clear(ret);
    return FALSE;
}

void
guest_file_clear(GuestFile *file)
{
    g_clear_pointer(&file->path, g_bytes_unref);
    g_clear_pointer(&file->target, g_bytes_unref);
    g_clear_pointer(&file->user, g_free);
    g_clear_pointer(&file->group, g_free);
}

void
guest_program_clear(GuestProgram *program)
{
    g_clear_pointer(&program->user, g_free);
    g_clear_pointer(&program->argv, g_strfreev);
}

void
guest_listener_clear(GuestListener *listener)
{
    g_clear_pointer(&listener->address, g_free);
    g_clear_pointer(&listener->program, g_free);
}

void
guest_kept_clear(GuestKept *kept)
{
    g_clear_pointer(&kept->tag, g_free);
    g_clear_pointer(&kept->argv, g_strfreev);
    g_clear_pointer(&kept->environment, g_strfreev);
}
