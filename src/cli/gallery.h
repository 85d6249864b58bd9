/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gallery: pictures and documents of results: shows them on a terminal, saves them to a folder.
 *
 * Pictures are written to standard output, and lines about them to standard error. With --json
 * there are no such lines, except for errors.
 */
#pragma once

#include "cli.h"
#include "picture.h"
#include "stream.h"

/* Bytes of results that are saved per execution, so that a guest cannot fill the disk. Each file
 * counts as at least 4 KiB. */
#define GALLERY_SAVE_MAX (256u * 1024 * 1024)

typedef struct {
    Cli *cli;
    ClocheSandbox *sandbox; /* that executes the code */
    const char *directory;  /* NULL: nothing is saved */
    gboolean stays;         /* the sandbox continues to run: its files can be read later */
    guint next_number;      /* of the next file */
    guint64 saved;          /* bytes; set to 0 for each execution */
    PictureProtocol protocol;
    gboolean knows_protocol;
    gboolean has_failed; /* something could not be saved */
} Gallery;

/* Creates the folder. Called before any code runs, so that no results are lost if this fails. */
gboolean gallery_prepare(const Gallery *gallery, GError **error);

/*
 * Shows and saves data of a result, or reports a picture that is neither shown nor saved. Returns
 * TRUE for a picture: the text of the result is then not needed.
 */
gboolean gallery_take(Gallery *gallery, Stream *out, const char *mime, GBytes *bytes);

/* Saves data that is in a file of the sandbox because it is too large to be sent, or reports where
 * it is.
 */
void gallery_fetch(Gallery *gallery, const char *mime, const char *path, GCancellable *interrupted);
