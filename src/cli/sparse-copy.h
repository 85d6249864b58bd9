/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sparse-copy: files with holes into a sandbox and out of it, with tar(1) there.
 *
 * A sandbox without tar, and one whose tar refuses, is served as all files are, hole by hole.
 */
#pragma once

#include "guest.h"
#include "sparse.h"

typedef enum {
    SPARSE_COPIED,
    SPARSE_FAILED, /* an error is set */
    SPARSE_UNABLE, /* it has to be copied as any other file */
} SparseResult;

/*
 * Makes or replaces the file at the path as WriteFile() does: when all has come, and where a
 * symbolic link leads. mode: -1 for that which it had, or 644. with_owner: the file's is kept.
 */
SparseResult sparse_send(Cli *cli, const Guest *guest, const SparseFile *file, const char *path,
                         gint mode, gboolean with_owner, GError **error);

/* Writes the file of that entry, which is a file's, to a descriptor whose file is empty. */
SparseResult sparse_receive(Cli *cli, const Guest *guest, GVariant *entry, int fd, GError **error);
