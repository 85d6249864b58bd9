/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * digest: what a stored file holds, without reading its holes.
 *
 * SHA-256 over, for each 64 KiB block (the last may be short) that is not all zero, in order: its
 * offset as u64 little-endian, then its bytes. So it does not depend on which zeros are stored.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 size;
    char *sha256; /* 64 hex digits */
} FileDigest;

void file_digest_clear(FileDigest *digest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FileDigest, file_digest_clear)

/* Reads the file. Blocks: for worker threads. */
gboolean file_digest(const char *path, FileDigest *ret_digest, GError **error);
/* The same, and writes a sparse copy to the new file `copy` on the way. */
gboolean file_digest_copy(const char *path, const char *copy, FileDigest *ret_digest,
                          GError **error);

/* CLOCHE_ERROR_TEMPLATE_DAMAGED, naming the file, unless the two are equal. */
gboolean file_digest_check(const char *path, const FileDigest *found, const FileDigest *expected,
                           GError **error);
