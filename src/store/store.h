/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store: the files that outlive the service, and their folders.
 *
 *   STATE/images/NAME → NAME-DIGEST    made by build-image (vm-images/README.md)
 *   STATE/templates/NAME-KEY/          template.conf, ram, state, disk.qcow2; unused: since when
 *   STATE/machines/NAME/               a machine's overlay; removed with the machine
 *   STATE/sandboxes/ID                 the record of a sandbox
 *   STATE/snapshots/ID/                see snapshot.h
 *   RAM/NAME-KEY                       a template's RAM, on tmpfs, mapped by its machines
 *   RUN/machines/NAME/                 a machine's socket, if it is not cloche-vm's (vmd-files.h)
 *   RUN/crashed                        the service has crashed, and was not killed
 *   RUN/request-key                    see keyed-digest.h
 *
 * The folders' group gives machines' users access to shared files, and access.h to their own files.
 * A store locks STATE, so files there that belong to no running sandbox were left by a daemon that
 * has ended.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define STORE_KEY_SIZE 32

typedef struct {
    char *state, *ram, *run; /* absolute */
    gid_t gid;               /* of the machines' users; (gid_t)-1: machines run as this process */
    int lock;                /* descriptor of `state`, locked; -1: none */
    guint8 key[STORE_KEY_SIZE];
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
/* Removes unfinished snapshots, and those that snapshot_load() refuses, which are logged, while no
 * snapshot is being made. Logs and returns as store_sweep(). */
guint store_sweep_snapshots(const Store *store);
/* Removes all RAM files, when no machine maps one any more. */
void store_clear_ram(const Store *store);

/* Path of a file in RUN that exists when an instance of the service has crashed: a new string. */
char *store_crash_path(const Store *store);
/* Whether it exists; removes it. */
gboolean store_take_crash(const Store *store);

/* The names of the installed images, sorted. */
char **image_list(const Store *store);
/* The ids of all records, including those that record_read() refuses. */
char **store_list_records(const Store *store);
