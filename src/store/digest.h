/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * digest: a digest of the content of a sparse file, computed without reading its holes.
 *
 * The SHA-256 covers, in order, each 64 KiB block (the last may be shorter) that is not all zero:
 * its offset as u64 little-endian, then its bytes. So it does not depend on where the file has
 * holes.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 size;
    char *sha256; /* 64 hex digits */
} FileDigest;

void file_digest_clear(FileDigest *digest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FileDigest, file_digest_clear)

/* Reads the file. Blocks, so call it in a worker thread. */
gboolean file_digest(const char *path, FileDigest *ret_digest, GError **error);
/* The same, and writes a sparse copy to the new file `copy`. */
gboolean file_digest_copy(const char *path, const char *copy, FileDigest *ret_digest,
                          GError **error);

/* Compares two digests. If they differ, the error is CLOCHE_ERROR_TEMPLATE_DAMAGED and names the
 * file.
 */
gboolean file_digest_check(const char *path, const FileDigest *found, const FileDigest *expected,
                           GError **error);
