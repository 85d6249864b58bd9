/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record: the properties of a sandbox, written before its machine is claimed. */
#pragma once

#include "policy.h"
#include "store.h"

typedef struct {
    char *id, *name, *template;
    char *template_key; /* of the version its machine runs from; NULL: a service that did not write
                           keys wrote this record */
    char *snapshot; /* id of the one that its machine runs from; NULL: it runs from a template */
    guint32 owner;
    gint64 created_us; /* time of day */
    gint64 born_us;    /* creation and deadline: CLOCK_BOOTTIME of one boot */
    gint64 deadline_us;
    guint64 timeout_s;          /* 0: an earlier version wrote the record */
    gint64 paused_since_us;     /* CLOCK_BOOTTIME; 0: it is not paused */
    gint64 paused_us;           /* for how long it was paused before that */
    gboolean pauses_on_timeout; /* it ends otherwise */
    gboolean resumes_for_calls;
    char *boot_id;         /* of that boot */
    char **metadata;       /* key, value, key, value, … */
    char *idempotency_key; /* NULL: none */
    char *request_digest;  /* of the request that a second call with this key must repeat; NULL:
                              there  is no key, or an earlier version wrote the record */
    gboolean has_request;  /* an earlier version wrote the request itself, secrets included */
    char **languages;
    char *user; /* in the guest */
    guint vcpus;
    guint64 memory_mib, disk_mib;
    guint32 machine_uid;     /* 0: the machine has no uid of its own */
    gboolean is_one_shot;    /* the sandbox ends with the call that created it */
    guint deaths;            /* of the service, in a row, while it adopted the machine */
    NetPolicy *network;      /* NULL: it has none, or an earlier version wrote the record */
    NetPolicy *network_base; /* the template's; NULL: it has none */
    char *network_closed;    /* why it is closed until it is set again; NULL: it is not */
} Record;

/* Lets a record be removed by one thread while another one writes it. */
typedef struct {
    GMutex mutex;
    gboolean is_shut; /* the record was removed, and must not be written any more */
} RecordGate;

void record_gate_init(RecordGate *gate);
void record_gate_clear(RecordGate *gate);

/* Writes the record atomically: a reader finds the old or the new one. `gate` may be NULL. Does
 * nothing, without an error, when the gate is shut. */
gboolean record_write(const Store *store, const Record *record, RecordGate *gate, GError **error);
/* NULL on failure; the error names the file and the fault. */
Record *record_read(const Store *store, const char *id, GError **error);
Record *record_copy(const Record *record);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)
/* Shuts the gate, which may be NULL. */
void record_remove(const Store *store, const char *id, RecordGate *gate);
gboolean record_exists(const Store *store, const char *id);
