/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image: a recipe that build-image has built; input for a template. */
#pragma once

#include "policy.h"
#include "store.h"

typedef struct {
    char *name, *description, *digest, *user, *kernel_release;
    char *dir;
    char **languages;     /* of code that it runs; the first is the default */
    char **runners;       /* languages whose runner is started before the snapshot */
    GHashTable *startup;  /* language → code that is executed once, before the snapshot */
    GHashTable *exercise; /* language → code that is executed in each machine, without a trace */
    NetPolicy *network;   /* the most that its sandboxes may reach, and what they get without a
                             request; NULL: nothing is said */
    guint vcpus;
    guint64 memory_mib;
    guint64 disk_mib; /* the maximum size of its disk */
    int lock;
} Image;

/* The newest image of that name. build-image does not remove an image until image_free(). Never
 * NULL: after an error (CLOCHE_ERROR_TEMPLATE_DAMAGED, or a reason why the image cannot be read)
 * only the name is set. */
Image *image_load(const Store *store, const char *name, GError **error);
void image_free(Image *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Image, image_free)
/* A descriptor that keeps the image from removal until it is closed; -1 with an error. */
int image_keep(const Image *image, GError **error);
/* The path of a file of the image: "kernel", "initrd" or "disk.ext4". */
char *image_path(const Image *image, const char *part);
/* Reads all parts and compares them with image.conf. Blocks: for worker threads. */
gboolean image_verify(const Image *image, GError **error);
