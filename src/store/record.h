/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record: what is known of a sandbox, written before its machine is claimed. */
#pragma once

#include "store.h"

typedef struct {
    char *id, *name, *template;
    char *template_key; /* of the version its machine runs from; NULL: a service that did not write
                           keys wrote this record */
    guint32 owner;
    gint64 created_us; /* time of day */
    gint64 born_us;    /* like the deadline, in CLOCK_BOOTTIME of one boot */
    gint64 deadline_us;
    char *boot_id;         /* of that boot */
    char **metadata;       /* key, value, key, value, … */
    char *idempotency_key; /* NULL: none */
    char *request;         /* the options, which a second call with that key must repeat */
    char **languages;
    char *user; /* in the guest */
    guint vcpus;
    guint64 memory_mib, disk_mib;
    guint32 machine_uid;  /* 0: libvirt chose the user */
    gboolean is_one_shot; /* the sandbox ends with the call that created it */
} Record;

/* Writes it atomically: a reader finds the old or the new record. */
gboolean record_write(const Store *store, const Record *record, GError **error);
/* NULL with an error that names the file and the invalid value. */
Record *record_read(const Store *store, const char *id, GError **error);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)
void record_remove(const Store *store, const char *id);
