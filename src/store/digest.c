/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * digest: a digest of the content of a sparse file, computed without reading its holes.
 *
 * GChecksum takes eight times as long as OpenSSL on processors with SHA instructions, and a
 * template has gigabytes.
 */
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

#define BLOCK_SIZE (64u * 1024)

typedef struct {
    int in, out; /* out -1: no copy */
    EVP_MD_CTX *hash;
    guint8 *block;
    guint64 size;
} Pass;

static gboolean
is_zero(const guint8 *block, gsize size)
{
    return size == 0 || (block[0] == 0 && memcmp(block, block + 1, size - 1) == 0);
}

static gboolean
take_block(Pass *pass, guint64 offset, gsize size)
{
    guint64 offset_le = GUINT64_TO_LE(offset);

    if (is_zero(pass->block, size))
        return TRUE;
    EVP_DigestUpdate(pass->hash, &offset_le, sizeof(offset_le));
    EVP_DigestUpdate(pass->hash, pass->block, size);
    return pass->out < 0 || pwrite(pass->out, pass->block, size, (off_t)offset) == (gssize)size;
}

/* The start of the first block that has data at or after `offset`, or the size of the file. */
static guint64
skip_hole(const Pass *pass, guint64 offset)
{
    off_t data = lseek(pass->in, (off_t)offset, SEEK_DATA);

    if (data < 0)
        return errno == ENXIO ? pass->size : offset;
    return (guint64)data / BLOCK_SIZE * BLOCK_SIZE;
}

static gboolean
run_pass(Pass *pass)
{
    guint64 offset = 0;

    while ((offset = MAX(offset, skip_hole(pass, offset))) < pass->size) {
        gsize size = (gsize)MIN(BLOCK_SIZE, pass->size - offset);
        gssize n = pread(pass->in, pass->block, size, (off_t)offset);

        if (n >= 0 && n != (gssize)size)
            errno = EIO; /* the file shrank while it was read */
        if (n != (gssize)size || !take_block(pass, offset, size))
            return FALSE;
        offset += size;
    }
    return pass->out < 0 || ftruncate(pass->out, (off_t)pass->size) == 0;
}

static char *
hash_finish(EVP_MD_CTX *hash)
{
    guint8 sum[EVP_MAX_MD_SIZE];
    guint length = 0;
    GString *hex = g_string_new(NULL);

    EVP_DigestFinal_ex(hash, sum, &length);
    for (guint i = 0; i < length; i++)
        g_string_append_printf(hex, "%02x", sum[i]);
    return g_string_free(hex, FALSE);
}

static gboolean
open_files(Pass *pass, const char *path, const char *copy, GError **error)
{
    struct stat st;

    pass->in = open(path, O_RDONLY | O_CLOEXEC);
    if (pass->in < 0 || fstat(pass->in, &st) < 0)
        return util_set_errno(error, errno, "Cannot read '%s'", path);
    pass->size = (guint64)st.st_size;
    if (!copy)
        return TRUE;
    pass->out = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (pass->out < 0)
        return util_set_errno(error, errno, "Cannot write '%s'", copy);
    return TRUE;
}

gboolean
file_digest_copy(const char *path, const char *copy, FileDigest *ret_digest, GError **error)
{
    Pass pass = {.in = -1, .out = -1};
    gboolean ok = open_files(&pass, path, copy, error);

    if (ok) {
        pass.block = g_malloc(BLOCK_SIZE);
        pass.hash = EVP_MD_CTX_new();
        EVP_DigestInit_ex(pass.hash, EVP_sha256(), NULL);
        ok = run_pass(&pass);
        if (!ok && copy)
            util_set_errno(error, errno, "Cannot copy '%s' to '%s'", path, copy);
        else if (!ok)
            util_set_errno(error, errno, "Cannot read '%s'", path);
    }
    if (ok) {
        ret_digest->size = pass.size;
        ret_digest->sha256 = hash_finish(pass.hash);
    } else if (pass.out >= 0) {
        unlink(copy);
    }
    EVP_MD_CTX_free(pass.hash);
    g_free(pass.block);
    if (pass.in >= 0)
        close(pass.in);
    if (pass.out >= 0)
        close(pass.out);
    return ok;
}

gboolean
file_digest(const char *path, FileDigest *ret_digest, GError **error)
{
    return file_digest_copy(path, /* copy= */ NULL, ret_digest, error);
}

gboolean
file_digest_check(const char *path, const FileDigest *found, const FileDigest *expected,
                  GError **error)
{
    const char *what = found->size != expected->size                     ? "size"
                       : g_strcmp0(found->sha256, expected->sha256) != 0 ? "content"
                                                                         : NULL;

    if (!what)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED,
                "'%s' is damaged: its %s is not what was stored", path, what);
    return FALSE;
}

void
file_digest_clear(FileDigest *digest)
{
    g_clear_pointer(&digest->sha256, g_free);
}
