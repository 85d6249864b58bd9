/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * records: the answers of the agent's built-in tasks (src/agent/builtin.h).
 *
 * They come from a hostile guest. They are read record by record, and a malformed record ends the
 * reading. Text is converted to valid UTF-8.
 */
#pragma once

#include <glib.h>

typedef struct {
    const guint8 *data;
    gsize left;
    gboolean failed;   /* a record was malformed */
    gboolean has_more; /* the last record was empty: there are more than were requested */
} GuestRecords;

void guest_records_init(GuestRecords *records, GBytes *answer);

typedef struct {
    GBytes *path, *target;
    guint32 mode, uid, gid;
    char *user, *group; /* UTF-8, "" for none */
    guint64 size, links, inode;
    gint64 modified_us, accessed_us, changed_us; /* since 1970 */
} GuestFile;

typedef struct {
    guint32 pid, parent, uid;
    char *user;
    char **argv;
    guint32 state;
    guint64 started_ms, memory_kib, processor_us, group;
} GuestProgram;

typedef struct {
    guint32 port;
    char *address;
    guint32 pid;
    char *program;
} GuestListener;

/* A process that was started with START_KEEP. */
typedef struct {
    char *tag;
    guint32 pid;
    guint64 started_ms;
    char **argv, **environment;
} GuestKept;

/* Each reads one record, to be cleared by the caller. FALSE: there is none, or it is malformed. */
gboolean guest_records_next_file(GuestRecords *records, GuestFile *ret);
gboolean guest_records_next_program(GuestRecords *records, GuestProgram *ret);
gboolean guest_records_next_listener(GuestRecords *records, GuestListener *ret);
gboolean guest_records_next_kept(GuestRecords *records, GuestKept *ret);
void guest_file_clear(GuestFile *file);
void guest_program_clear(GuestProgram *program);
void guest_listener_clear(GuestListener *listener);
void guest_kept_clear(GuestKept *kept);
