/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record: the properties of a sandbox, written before its machine is claimed. */
#pragma once

#include "store.h"

typedef struct {
    char *id, *name, *template;
    char *template_key; /* of the version its machine runs from; NULL: a service that did not write
                           keys wrote this record */
    guint32 owner;
    gint64 created_us; /* time of day */
    gint64 born_us;    /* creation and deadline: CLOCK_BOOTTIME of one boot */
    gint64 deadline_us;
    char *boot_id;         /* of that boot */
    char **metadata;       /* key, value, key, value, … */
    char *idempotency_key; /* NULL: none */
    char *request;         /* compared with the request of a second call with this key */
    char **languages;
    char *user; /* in the guest */
    guint vcpus;
    guint64 memory_mib, disk_mib;
    guint32 machine_uid;  /* 0: the machine has no uid of its own */
    gboolean is_one_shot; /* the sandbox ends with the call that created it */
} Record;

/* Writes the record atomically: a reader finds the old or the new one. */
gboolean record_write(const Store *store, const Record *record, GError **error);
/* NULL on failure; the error names the file and the fault. */
Record *record_read(const Store *store, const char *id, GError **error);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)
void record_remove(const Store *store, const char *id);
