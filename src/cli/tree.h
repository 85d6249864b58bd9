/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tree: folders as tar streams: packed for a sandbox, unpacked from one.
 *
 * What comes from a sandbox is hostile. A member whose name or hard link leads out of the folder,
 * or through a symbolic link, ends the unpacking with an error; devices are left out; nothing gets
 * a set-user-id or set-group-id bit.
 */
#pragma once

#include "stream.h"

typedef struct {
    const char *directory;
    gboolean with_attributes; /* the directory's own mode and times, too */
    gboolean with_owners;     /* when unpacking: of all members, by number */
    guint left_out;           /* when unpacking: devices, and what could not be given all it has */
    char *first_left_out;     /* and why; for the caller to free */
} Tree;

/* Both are a TransferWork, with a Tree as data. Errors are of G_FILE_ERROR, or
 * G_IO_ERROR_CANCELLED. */
gboolean tree_pack(Stream *stream, gpointer tree, GError **error);

/* Reads the stream to its end, which tells whether it was whole. The directory has to exist.
 * Changes the working directory. */
gboolean tree_unpack(Stream *stream, gpointer tree, GError **error);
