/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store: the files that outlive the service, and their folders.
 *
 *   STATE/images/NAME → NAME-DIGEST    made by build-image (vm-images/README.md)
 *   STATE/templates/NAME-KEY/          template.conf, ram, state, disk.qcow2; unused: since when
 *   STATE/machines/NAME/               a machine's overlay; removed with the machine
 *   STATE/sandboxes/ID                 the record of a sandbox
 *   RAM/NAME-KEY                       a template's RAM, on tmpfs, mapped by its machines
 *   RUN/machines/NAME/                 a machine's sockets and console
 *
 * The folders' group gives machines' users access to shared files, and access.h to their own files.
 * A store locks STATE, so files there that belong to no running sandbox were left by a daemon that
 * has ended.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    char *state, *ram, *run; /* absolute */
    gid_t gid;               /* of the machines' users; (gid_t)-1: machines run as this process */
    int lock;                /* descriptor of `state`, locked; -1: none */
} Store;

/* Makes the folders. Adapts folders and records that another configuration left; images and
 * templates are adapted when they are loaded. CLOCHE_ERROR_NOT_PERMITTED says what an administrator
 * has to do first. `group` is the group of the machines' users; NULL: machines run as this process.
 * It is an error if another store is open in `state`, in this process or another one. */
Store *store_open(const char *state, const char *ram, const char *run, const char *group,
                  GError **error);
void store_free(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)

/* Makes a folder that the machines' group can search. */
gboolean store_make_folder(const Store *store, const char *path, GError **error);
/* Makes a part of an image readable for the machines' group and us; its owner does not change.
 * FALSE only when an administrator has to act first: CLOCHE_ERROR_NOT_PERMITTED. */
gboolean store_make_readable(const Store *store, const char *path, mode_t type, GError **error);

/* Removes the records and machine folders whose id is not in `keep`, unfinished templates, and RAM
 * files of templates that are not installed and whose version (NAME-KEY) is not in `in_use`.
 * Returns how many were removed. Entries that cannot be removed are logged. Entries whose name this
 * service cannot have given are logged and kept. */
guint store_sweep(const Store *store, const char *const *keep, const char *const *in_use);
/* Removes all RAM files, when no machine maps one any more. */
void store_clear_ram(const Store *store);

/* Whether an image can have this name: [a-z][a-z0-9-]{0,31}. */
gboolean image_name_is_valid(const char *name);
/* The names of the installed images, sorted. */
char **image_list(const Store *store);

/* --- records: the properties of a sandbox, written before the caller gets it --- */

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
/* Whether a sandbox, and its folders, can have this id: [a-z0-9]{1,64}. */
gboolean record_id_is_valid(const char *id);
/* The ids of all records. */
char **record_list(const Store *store);
void record_remove(const Store *store, const char *id);
