/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gallery: what results have besides text: shown on a terminal that can, saved to a folder.
 *
 * What is shown goes to standard output, what is told about it to standard error, where --json
 * leaves it out.
 */
#pragma once

#include "cli.h"
#include "picture.h"
#include "stream.h"

/* Bytes that are saved of one execution, a file being 4 KiB at least: a guest does not fill our
 * disk. */
#define GALLERY_SAVE_MAX (256u * 1024 * 1024)

typedef struct {
    Cli *cli;
    ClocheSandbox *sandbox; /* that the results are of */
    const char *directory;  /* NULL: nothing is saved */
    gboolean stays;         /* the sandbox, so that files in it can be had later */
    guint next_number;      /* of the files */
    guint64 saved;          /* bytes; set to 0 for each execution */
    PictureProtocol protocol;
    gboolean knows_protocol;
    gboolean has_failed; /* something could not be saved */
} Gallery;

/* Before any code runs: makes the folder. Results that cannot be saved are no use. */
gboolean gallery_prepare(const Gallery *gallery, GError **error);

/*
 * Shows and saves data of a result, or tells of a picture that nothing was done with. TRUE when it
 * is a picture, which needs no words.
 */
gboolean gallery_take(Gallery *gallery, Stream *out, const char *mime, GBytes *bytes);

/* Saves what is in a file of the sandbox because it is too large to be sent, or tells where it is.
 */
void gallery_fetch(Gallery *gallery, const char *mime, const char *path, GCancellable *interrupted);
