/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * template-files: what one version of a template has on disk.
 *
 * A version is named by its key, which covers everything that the saved state depends on. Each
 * version has a folder in the store and a RAM file on tmpfs, both named NAME-KEY.
 */
#pragma once

#include "store.h"

typedef struct {
    const Store *store;
    char *name, *key;
    char *image, *accelerator; /* the image's digest, and how machines run; both are in the key */
    char *version;             /* NAME-KEY */
    char *dir;                 /* of the stored parts */
    char *staging;             /* of the parts while they are being made */
    char *ram;                 /* the RAM file that machines map, on tmpfs */
} TemplateFiles;

/* Sets the paths; reads and writes nothing. */
TemplateFiles *template_files_new(const Store *store, const char *name, const char *key,
                                  const char *image, const char *accelerator);
void template_files_free(TemplateFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TemplateFiles, template_files_free)
/* The path of a part in `dir` or in `staging`: "state", "disk.qcow2", "blank.qcow2". */
char *template_files_path(const TemplateFiles *files, const char *part);
char *template_files_staging_path(const TemplateFiles *files, const char *part);
gboolean template_files_exists(const TemplateFiles *files);
/* Bytes that the stored parts take on disk. */
guint64 template_files_disk_usage(const TemplateFiles *files);
/* What its template.conf says of the image's digest and of the accelerator: new strings.
 * CLOCHE_ERROR_TEMPLATE_DAMAGED. */
gboolean template_files_read_conf(const TemplateFiles *files, char **ret_image,
                                  char **ret_accelerator, GError **error);
/* A descriptor that keeps the image below the stored disk from removal until it is closed; -1:
 * there is no such image. */
int template_files_keep_image(const TemplateFiles *files);

/* The functions below block: for worker threads. `in_use` lists versions (NAME-KEY). */

/* Creates an empty staging folder, and a RAM file of this size. */
gboolean template_files_stage(const TemplateFiles *files, guint64 memory_mib, GError **error);
/* Stores what was made: copies the RAM file, writes the digests, and renames the staging folder to
 * `dir`. */
gboolean template_files_commit(const TemplateFiles *files, GError **error);
/* Removes what template_files_stage() created. */
void template_files_discard(const TemplateFiles *files);
/* Makes the parts fit the configuration, verifies each against its digest, and fills the RAM file
 * from the store. A RAM file that exists, is ours, and has the right content stays: machines that
 * the previous instance of the service started may map it. */
gboolean template_files_load(const TemplateFiles *files, GError **error);
/* Removes all other versions of this template that are not in use. The stored parts of one version
 * are kept for a week: that of the same image and another accelerator, because the accelerator may
 * come back. */
gboolean template_files_remove_others(const TemplateFiles *files, const char *const *in_use,
                                      GError **error);
/* Removes this version. */
gboolean template_files_remove(const TemplateFiles *files, GError **error);
