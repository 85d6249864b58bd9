/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sparse-copy: files with holes into a sandbox and out of it, with tar(1) of the sandbox.
 *
 * If the sandbox has no tar, or tar fails, the file is copied like any other, including its holes.
 */
#pragma once

#include "guest.h"
#include "sparse.h"

typedef enum {
    SPARSE_COPIED,
    SPARSE_FAILED, /* an error is set */
    SPARSE_UNABLE, /* the file must be copied like any other */
} SparseResult;

/*
 * Creates or replaces the file at the path as WriteFile() does: when all data has arrived, and
 * following a symbolic link. mode: -1 for that of the existing file, or 644. with_owner: preserves
 * the owner.
 */
SparseResult sparse_send(Cli *cli, const Guest *guest, const SparseFile *file, const char *path,
                         gint mode, gboolean with_owner, GError **error);

/* Writes the file of this entry to a descriptor of an empty file. */
SparseResult sparse_receive(Cli *cli, const Guest *guest, GVariant *entry, int fd, GError **error);
