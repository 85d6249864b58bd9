/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tree: directories as tar streams, packed for a sandbox and unpacked from a sandbox.
 *
 * A stream from a sandbox is hostile. A member whose name or hard link leads out of the directory
 * or through a symbolic link ends the unpacking with an error. Devices are omitted, and no member
 * gets a set-user-id or set-group-id bit.
 */
#pragma once

#include "stream.h"

typedef struct {
    const char *directory;
    gboolean with_attributes; /* also set mode and times of the directory itself */
    gboolean with_owners;     /* when unpacking: set the owners of all members, by number */
    guint left_out;           /* when unpacking: devices, and members with missing attributes */
    char *first_left_out;     /* with the reason; freed by the caller */
} Tree;

/* Both are a TransferWork, with a Tree as data. Errors are of G_FILE_ERROR, or
 * G_IO_ERROR_CANCELLED. */
gboolean tree_pack(Stream *stream, gpointer tree, GError **error);

/* Reads the stream to its end, which shows whether it was complete. The directory must exist.
 * Changes the working directory. */
gboolean tree_unpack(Stream *stream, gpointer tree, GError **error);
