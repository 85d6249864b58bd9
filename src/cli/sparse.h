/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sparse: a file with holes as a tar stream of one member, in which the holes take no room.
 *
 * The file methods of a sandbox carry every byte, so that a hole of gigabytes would be sent, and
 * filled.
 */
#pragma once

#include <sys/stat.h>

#include "stream.h"

/* Holes that are smaller in all are not worth an archive. */
#define SPARSE_MIN (64 * 1024)

typedef struct {
    int fd;
    gint64 start;       /* what is before it is not copied */
    struct stat status; /* its size; the mode, owner and time that the copy gets */
    char *name;         /* what the member is called */
} SparseFile;

/*
 * TRUE for a regular file with holes behind the descriptor's offset; then ret_file is set but for
 * the name. The descriptor stays the caller's, its offset may change.
 */
gboolean sparse_open(int fd, SparseFile *ret_file);

/* A TransferWork with a SparseFile as data. Errors are of G_FILE_ERROR, or G_IO_ERROR_CANCELLED. */
gboolean sparse_pack(Stream *stream, gpointer file, GError **error);

typedef struct {
    int fd;           /* what is written, which is empty */
    const char *path; /* names it in errors */
} SparseTarget;

/*
 * A TransferWork with a SparseTarget as data: the bytes of the stream's first member, whatever it
 * is called. The stream is a sandbox's, and hostile. Errors as above.
 */
gboolean sparse_unpack(Stream *stream, gpointer target, GError **error);
