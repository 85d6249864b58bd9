/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store: what is kept on disk, and where.
 *
 *   STATE/images/NAME → NAME-DIGEST    made by build-image (vm-images/README.md)
 *   STATE/templates/NAME-KEY/          template.conf, ram, state, disk.qcow2; unused, since when
 *   STATE/machines/NAME/               a machine's overlay; removed with it
 *   STATE/sandboxes/ID                 a record per sandbox
 *   RAM/NAME-KEY                       a template's RAM, on tmpfs, mapped by its machines
 *   RUN/machines/NAME/                 a machine's sockets and console
 *
 * Machines' users can read what they need through the folders' group, and their own files through
 * access lists (access.h). A store locks STATE, so files there that belong to no running sandbox
 * are left from a previous instance of the daemon.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    char *state, *ram, *run; /* absolute */
    gid_t gid; /* of the machines' users; (gid_t)-1: machines run as this process does */
    int lock;  /* descriptor of `state` */
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

/* The names of the installed images, sorted. */
char **image_list(const Store *store);
/* The ids of all records, which record_read() may refuse. */
char **store_list_records(const Store *store);
