/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sparse: a file with holes as a tar stream of one member, in which holes take no space.
 *
 * The file methods of the service transfer every byte, so a hole of gigabytes would be sent and
 * filled.
 */
#pragma once

#include <sys/stat.h>

#include "stream.h"

/* The minimum size of all holes for which an archive is used. */
#define SPARSE_MIN (64 * 1024)

typedef struct {
    int fd;
    gint64 start;       /* the copy begins at this offset */
    struct stat status; /* the size; and mode, owner and time of the copy */
    char *name;         /* of the member */
} SparseFile;

/*
 * Returns TRUE for a regular file with holes after the descriptor's offset, and sets ret_file
 * except for the name. The descriptor remains the caller's, but its offset may change.
 */
gboolean sparse_open(int fd, SparseFile *ret_file);

/* A TransferWork with a SparseFile as data. Errors are of G_FILE_ERROR, or G_IO_ERROR_CANCELLED. */
gboolean sparse_pack(Stream *stream, gpointer file, GError **error);

typedef struct {
    int fd;           /* an empty file */
    const char *path; /* names it in errors */
} SparseTarget;

/*
 * A TransferWork with a SparseTarget as data: writes the contents of the stream's first member. The
 * stream comes from a sandbox and is hostile. Errors as above.
 */
gboolean sparse_unpack(Stream *stream, gpointer target, GError **error);
