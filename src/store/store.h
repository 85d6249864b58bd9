/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store: what lasts on disk, and where.
 *
 *   STATE/images/NAME → NAME-DIGEST    made by build-image (vm-images/README.md)
 *   STATE/templates/NAME-KEY/          template.conf, ram, state, disk.qcow2; unused, since when
 *   STATE/machines/NAME/               a machine's overlay; removed with it
 *   STATE/sandboxes/ID                 a record per sandbox
 *   RAM/NAME-KEY                       a template's RAM, on tmpfs, mapped by its machines
 *   RUN/machines/NAME/                 a machine's sockets and console
 *
 * Machines' users reach what they need through the folders' group, and their own files by access.h.
 * A store locks STATE: what lies there without a sandbox that lives is the remains of a daemon that
 * is dead.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    char *state, *ram, *run; /* absolute */
    gid_t gid;               /* of the machines' users; (gid_t)-1: they are ours */
    int lock;                /* on `state`, while it is open */
} Store;

/* Makes the folders, or makes those that another configuration left fit this one, with the records
 * of sandboxes; images and templates follow when they are loaded. CLOCHE_ERROR_NOT_PERMITTED says
 * what an administrator has to do first. `group` (NULL: machines run as we do) is the machines'
 * users'. An error when another store is open in `state`, in this process or any other. */
Store *store_open(const char *state, const char *ram, const char *run, const char *group,
                  GError **error);
void store_free(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)

/* Makes a folder that the machines' group may search. */
gboolean store_make_folder(const Store *store, const char *path, GError **error);
/* Lets the machines' group and us read a part of an image, which need not be ours. FALSE only when
 * somebody has to change it first: CLOCHE_ERROR_NOT_PERMITTED. */
gboolean store_fit_readable(const Store *store, const char *path, mode_t type, GError **error);

/* Removes the records and folders of machines whose id is not in `keep`, unfinished templates, and
 * RAM files of templates that are not installed and whose version (NAME-KEY) is not in `in_use`.
 * Returns how many. What cannot be removed is logged, as is what has a name that this service does
 * not use: that stays. */
guint store_sweep(const Store *store, const char *const *keep, const char *const *in_use);
/* Gives the memory of all RAM files back: no machine maps one any more. */
void store_clear_ram(const Store *store);

/* Whether it may be the name of an image: [a-z][a-z0-9-]{0,31}. */
gboolean image_name_is_valid(const char *name);
/* The names of the installed images, sorted. */
char **image_list(const Store *store);

/* --- records: what is known of a sandbox, written before anybody hears of it --- */

typedef struct {
    char *id, *name, *template;
    char *template_key; /* of the version its machine runs from; NULL: a service that did not write
                           keys wrote this record */
    guint32 owner;
    gint64 created_us; /* time of day */
    gint64 born_us;    /* the same, and the deadline: CLOCK_BOOTTIME of one boot */
    gint64 deadline_us;
    char *boot_id;         /* which boot that is */
    char **metadata;       /* key, value, key, value, … */
    char *idempotency_key; /* NULL: none */
    char *request;         /* what a second call with that key is compared with */
    char **languages;
    char *user; /* in the guest */
    guint vcpus;
    guint64 memory_mib, disk_mib;
    guint32 machine_uid;  /* 0: none of its own */
    gboolean is_one_shot; /* it ends with the call that made it */
} Record;

/* Writes it atomically: a reader finds the old or the new one. */
gboolean record_write(const Store *store, const Record *record, GError **error);
/* NULL with an error that names the file and what is wrong with it. */
Record *record_read(const Store *store, const char *id, GError **error);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)
/* [a-z0-9]{1,64}: it may name a sandbox, and its folders. */
gboolean record_id_is_valid(const char *id);
/* The ids of all that there are. */
char **record_list(const Store *store);
void record_remove(const Store *store, const char *id);
