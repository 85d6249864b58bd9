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

/* Removes records, and folders of machines, whose id is not in `keep`, unfinished templates, and
 * RAM files of templates that are no more. Returns how many. What cannot be removed is logged, and
 * so is what has no name that this service gives: it stays. */
guint store_sweep(const Store *store, const char *const *keep);
/* Gives the memory of all RAM files back: no machine maps one any more. */
void store_clear_ram(const Store *store);

/* --- images --- */

typedef struct {
    char *name, *description, *digest, *user, *kernel_release;
    char *dir;
    char **languages;     /* of code that it runs; the first is the default */
    char **runners;       /* those of them whose runner is started before the snapshot */
    GHashTable *startup;  /* language → code that is executed once, before the snapshot */
    GHashTable *exercise; /* language → code that is executed in each machine, and forgotten */
    guint vcpus;
    guint64 memory_mib;
    guint64 disk_mib; /* that its disk may grow to */
    int lock;
} Image;

/* The newest image of that name, kept from removal until it is freed. Never NULL: with an error,
 * which is CLOCHE_ERROR_TEMPLATE_DAMAGED or says that it cannot be read, nothing but the name is
 * known of it. */
Image *image_load(const Store *store, const char *name, GError **error);
void image_free(Image *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Image, image_free)
/* The names of the installed images, sorted. */
char **image_list(const Store *store);
/* A file of the image: "kernel", "initrd" or "disk.ext4". */
char *image_path(const Image *image, const char *part);
/* Reads all parts and compares them with image.conf. Blocks: for worker threads. */
gboolean image_verify(const Image *image, GError **error);

/* Whether it may name an image: [a-z][a-z0-9-]{0,31}. */
gboolean image_name_is_valid(const char *name);

/* --- templates: an image that was booted and snapshotted --- */

typedef struct {
    const Store *store;
    char *name, *key;          /* the key covers all that the state depends on */
    char *image, *accelerator; /* two parts of that: the image's digest, and how machines run */
    char *dir;                 /* of the stored parts */
    char *staging;             /* of the parts while they are made */
    char *ram;                 /* the RAM file that machines map, on tmpfs */
} Template;

/* Names the places; reads and writes nothing. */
Template *template_new(const Store *store, const char *name, const char *key, const char *image,
                       const char *accelerator);
void template_free(Template *template);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_free)
/* A part in `dir`, or in `staging`: "state", "disk.qcow2", "blank.qcow2". */
char *template_path(const Template *template, const char *part);
char *template_staging_path(const Template *template, const char *part);
gboolean template_exists(const Template *template);
/* Bytes that it takes on disk. */
guint64 template_disk_usage(const Template *template);

/* The calls below block: for worker threads. */

/* Begins to make it: an empty staging folder, and a RAM file of that size. */
gboolean template_stage(const Template *template, guint64 memory_mib, GError **error);
/* Keeps what was made: copies the RAM file, writes digests, and puts the folder in its place at
 * once. */
gboolean template_commit(const Template *template, GError **error);
/* Undoes template_stage(). */
void template_discard(const Template *template);
/* Makes the parts fit the configuration, verifies each against its digest, and fills the RAM file
 * from the store. One that is there, is ours, and is what was stored stays: machines of an earlier
 * life may map it. */
gboolean template_load(const Template *template, GError **error);
/* Removes every other version of this template, but for one: that of the same image and another
 * accelerator is kept for a week, since the accelerator may come back. Its RAM file is not. */
gboolean template_remove_others(const Template *template, GError **error);

/* --- records: what is known of a sandbox, written before anybody hears of it --- */

typedef struct {
    char *id, *name, *template;
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
