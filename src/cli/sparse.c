/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sparse: the file system reports which bytes are data (SEEK_DATA). */
#include "sparse.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <unistd.h>

#define BLOCK (64 * 1024)

gboolean
sparse_open(int fd, SparseFile *ret_file)
{
    off_t start = lseek(fd, 0, SEEK_CUR), hole;
    struct stat status;

    if (start < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        status.st_size - start < SPARSE_MIN ||
        (gint64)status.st_size - (gint64)status.st_blocks * 512 < SPARSE_MIN)
        return FALSE;
    hole = lseek(fd, start, SEEK_HOLE);
    lseek(fd, start, SEEK_SET);
    if (hole < 0 || hole >= status.st_size)
        return FALSE;
    *ret_file = (SparseFile){.fd = fd, .start = start, .status = status};
    return TRUE;
}

/* --- into an archive --- */

typedef struct {
    Stream *stream;
    const SparseFile *file;
    int write_error; /* negative errno */
    struct archive *to;
} SparsePacking;

static gboolean
fail_packing(const SparsePacking *packing, GError **error)
{
    const char *text = archive_error_string(packing->to);

    if (packing->write_error < 0)
        stream_set_error(error, packing->write_error, packing->file->name);
    else
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "'%s': %s", packing->file->name,
                    text != NULL ? text : "it cannot be read");
    return FALSE;
}

/* Adds the extents of data. Without data, an empty extent makes the member sparse. */
static void
add_extents(struct archive_entry *member, const SparseFile *file)
{
    off_t at = file->start, end = file->status.st_size;
    gboolean has_data = FALSE;

    while (at < end) {
        off_t data = lseek(file->fd, at, SEEK_DATA);
        off_t hole = data >= 0 && data < end ? lseek(file->fd, data, SEEK_HOLE) : -1;

        if (hole < 0)
            break;
        at = MIN(hole, end);
        archive_entry_sparse_add_entry(member, data - file->start, at - data);
        has_data = TRUE;
    }
    if (!has_data)
        archive_entry_sparse_add_entry(member, 0, 0);
}

static struct archive_entry *
make_member(const SparseFile *file)
{
    struct archive_entry *member = archive_entry_new();

    archive_entry_set_pathname(member, file->name);
    archive_entry_set_filetype(member, AE_IFREG);
    archive_entry_set_perm(member, file->status.st_mode & 07777);
    archive_entry_set_uid(member, file->status.st_uid);
    archive_entry_set_gid(member, file->status.st_gid);
    archive_entry_set_mtime(member, file->status.st_mtim.tv_sec, file->status.st_mtim.tv_nsec);
    archive_entry_set_size(member, file->status.st_size - file->start);
    add_extents(member, file);
    return member;
}

/* bytes: NULL for zeros. The writer skips bytes outside of the member's extents. */
static gboolean
write_bytes(SparsePacking *packing, const guint8 *bytes, gint64 size)
{
    static const guint8 zeros[BLOCK];

    while (size > 0) {
        la_ssize_t n = archive_write_data(packing->to, bytes != NULL ? bytes : zeros,
                                          (size_t)MIN(size, BLOCK));

        if (n <= 0)
            return FALSE;
        bytes = bytes != NULL ? bytes + n : NULL;
        size -= n;
    }
    return TRUE;
}

/* If the file has become shorter in the meantime, zeros follow, as with tar(1). */
static gboolean
pack_extent(SparsePacking *packing, gint64 at, gint64 size)
{
    guint8 block[BLOCK];

    while (size > 0) {
        ssize_t n = pread(packing->file->fd, block, (size_t)MIN(size, BLOCK), at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            archive_set_error(packing->to, errno, "%s", g_strerror(errno));
        if (n < 0 || (n == 0 ? !write_bytes(packing, NULL, size) : !write_bytes(packing, block, n)))
            return FALSE;
        if (n == 0)
            return TRUE;
        at += n;
        size -= n;
    }
    return TRUE;
}

static gboolean
pack_data(SparsePacking *packing, struct archive_entry *member)
{
    gint64 done = 0, all = archive_entry_size(member);
    la_int64_t offset, size;

    archive_entry_sparse_reset(member);
    while (archive_entry_sparse_next(member, &offset, &size) == ARCHIVE_OK) {
        if (!write_bytes(packing, NULL, offset - done) ||
            !pack_extent(packing, packing->file->start + offset, size))
            return FALSE;
        done = offset + size;
    }
    return write_bytes(packing, NULL, all - done) &&
           archive_write_finish_entry(packing->to) >= ARCHIVE_WARN;
}

static la_ssize_t
on_write(struct archive *archive, void *data, const void *bytes, size_t size)
{
    SparsePacking *packing = data;

    if (packing->write_error == 0)
        packing->write_error = stream_write(packing->stream, bytes, size);
    if (packing->write_error == 0)
        return (la_ssize_t)size;
    archive_set_error(archive, -packing->write_error, "%s", g_strerror(-packing->write_error));
    return ARCHIVE_FATAL;
}

gboolean
sparse_pack(Stream *stream, gpointer data, GError **error)
{
    SparsePacking packing = {.stream = stream, .file = data, .to = archive_write_new()};
    struct archive_entry *member = make_member(packing.file);
    gboolean is_done;

    archive_write_set_format_pax(packing.to);
    is_done = archive_write_open(packing.to, &packing, /* open= */ NULL, on_write,
                                 /* close= */ NULL) >= ARCHIVE_WARN &&
              archive_write_header(packing.to, member) >= ARCHIVE_WARN &&
              pack_data(&packing, member);
    if (!is_done) {
        fail_packing(&packing, error);
        packing.write_error = -EPIPE; /* without an end, so that it does not look complete */
    }
    if (archive_write_close(packing.to) < ARCHIVE_WARN && is_done)
        is_done = fail_packing(&packing, error);
    archive_entry_free(member);
    archive_write_free(packing.to);
    return is_done;
}

/* --- out of one --- */

typedef struct {
    Stream *stream;
    const SparseTarget *target;
    int read_error; /* negative errno */
    struct archive *from;
    char block[BLOCK];
} SparseUnpacking;

static gboolean
fail_reading(const SparseUnpacking *unpacking, GError **error)
{
    const char *text = archive_error_string(unpacking->from);

    if (unpacking->read_error < 0)
        stream_set_error(error, unpacking->read_error, unpacking->target->path);
    else
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "'%s' was cut off%s%s",
                    unpacking->target->path, text != NULL ? ": " : "", text != NULL ? text : "");
    return FALSE;
}

static gboolean
fail_writing(const SparseUnpacking *unpacking, int code, GError **error)
{
    stream_set_error(error, -code, unpacking->target->path);
    return FALSE;
}

static gboolean
write_at(const SparseUnpacking *unpacking, const guint8 *bytes, gsize size, gint64 offset,
         GError **error)
{
    while (size > 0) {
        ssize_t n = pwrite(unpacking->target->fd, bytes, size, offset);

        if (n < 0 && errno != EINTR)
            return fail_writing(unpacking, errno, error);
        n = MAX(n, 0);
        bytes += n;
        size -= n;
        offset += n;
    }
    return TRUE;
}

static gboolean
unpack_data(SparseUnpacking *unpacking, gint64 all, GError **error)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    int r;

    while ((r = archive_read_data_block(unpacking->from, &block, &size, &offset)) == ARCHIVE_OK) {
        if (!write_at(unpacking, block, size, offset, error))
            return FALSE;
    }
    if (r != ARCHIVE_EOF)
        return fail_reading(unpacking, error);
    return ftruncate(unpacking->target->fd, all) == 0 || fail_writing(unpacking, errno, error);
}

static la_ssize_t
on_read(struct archive *archive, void *data, const void **ret_block)
{
    SparseUnpacking *unpacking = data;
    gssize n = stream_read(unpacking->stream, unpacking->block, BLOCK);

    *ret_block = unpacking->block;
    if (n >= 0)
        return n;
    unpacking->read_error = (int)n;
    archive_set_error(archive, (int)-n, "%s", g_strerror((int)-n));
    return ARCHIVE_FATAL;
}

static gboolean
unpack(SparseUnpacking *unpacking, GError **error)
{
    struct archive_entry *member;
    int r;

    archive_read_support_format_tar(unpacking->from);
    if (archive_read_open(unpacking->from, unpacking, /* open= */ NULL, on_read,
                          /* close= */ NULL) != ARCHIVE_OK)
        return fail_reading(unpacking, error);
    r = archive_read_next_header(unpacking->from, &member);
    if ((r != ARCHIVE_OK && r != ARCHIVE_WARN) || archive_entry_filetype(member) != AE_IFREG ||
        !archive_entry_size_is_set(member))
        return fail_reading(unpacking, error);
    return unpack_data(unpacking, archive_entry_size(member), error);
}

gboolean
sparse_unpack(Stream *stream, gpointer target, GError **error)
{
    g_autofree SparseUnpacking *unpacking = g_new0(SparseUnpacking, 1);
    gboolean is_done;

    unpacking->stream = stream;
    unpacking->target = target;
    unpacking->from = archive_read_new();
    is_done = unpack(unpacking, error);
    while (is_done && stream_read(stream, unpacking->block, BLOCK) > 0)
        ; /* read to the end, so that the writer can finish */
    archive_read_free(unpacking->from);
    return is_done;
}
