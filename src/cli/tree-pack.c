/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tree-pack: writes a pax archive for GNU tar, without the holes of sparse files. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "tree.h"

#define BLOCK (64 * 1024)

typedef struct {
    Stream *stream;
    const Tree *tree;
    int write_error; /* negative errno */
    struct archive *from, *to;
    struct archive_entry_linkresolver *links;
} TreePacking;

/* --- errors --- */

static gboolean
fail_reading(const TreePacking *packing, const char *path, GError **error)
{
    const char *text = archive_error_string(packing->from);

    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "'%s': %s", path,
                text != NULL ? text : "it cannot be read");
    return FALSE;
}

static gboolean
fail_writing(const TreePacking *packing, const char *path, GError **error)
{
    if (packing->write_error < 0)
        stream_set_error(error, packing->write_error, packing->tree->directory);
    else
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "'%s': %s", path,
                    archive_error_string(packing->to));
    return FALSE;
}

/* --- members --- */

static gboolean
write_all(TreePacking *packing, const void *bytes, gsize size)
{
    for (const guint8 *rest = bytes; size > 0;) {
        la_ssize_t n = archive_write_data(packing->to, rest, size);

        if (n <= 0)
            return FALSE;
        rest += n;
        size -= n;
    }
    return TRUE;
}

/* The writer skips the bytes of holes. */
static gboolean
write_hole(TreePacking *packing, guint64 size)
{
    static const guint8 zeros[BLOCK];

    for (; size > 0; size -= MIN(size, BLOCK)) {
        if (!write_all(packing, zeros, MIN(size, BLOCK)))
            return FALSE;
    }
    return TRUE;
}

static gboolean
pack_data(TreePacking *packing, struct archive_entry *member, const char *path, GError **error)
{
    gint64 done = 0, all = archive_entry_size(member);
    const void *block;
    size_t size;
    la_int64_t offset;
    int r;

    while ((r = archive_read_data_block(packing->from, &block, &size, &offset)) == ARCHIVE_OK) {
        size = MIN((gint64)size, MAX(all - offset, 0)); /* the file may grow in the meantime */
        if (size == 0)
            continue;
        if (!write_hole(packing, offset - done) || !write_all(packing, block, size))
            return fail_writing(packing, path, error);
        done = offset + size;
    }
    if (r != ARCHIVE_EOF)
        return fail_reading(packing, path, error);
    return write_hole(packing, all - done) || fail_writing(packing, path, error);
}

/* "/x/folder/a" is "./a" in the archive. */
static void
set_member_name(const TreePacking *packing, struct archive_entry *member)
{
    const char *path = archive_entry_pathname(member) + strlen(packing->tree->directory);
    g_autofree char *name = g_strconcat(".", *path == '/' || *path == '\0' ? "" : "/", path, NULL);

    archive_entry_copy_pathname(member, name);
}

static gboolean
is_wanted(const TreePacking *packing, struct archive_entry *member)
{
    if (archive_entry_filetype(member) == AE_IFSOCK)
        return FALSE;
    return packing->tree->with_attributes ||
           !g_str_equal(archive_entry_pathname(member), packing->tree->directory);
}

static gboolean
pack_member(TreePacking *packing, struct archive_entry *member, GError **error)
{
    g_autofree char *path = g_strdup(archive_entry_sourcepath(member));
    struct archive_entry *deferred = NULL; /* always NULL for tar */

    set_member_name(packing, member);
    archive_entry_linkify(packing->links, &member, &deferred);
    if (archive_write_header(packing->to, member) < ARCHIVE_WARN)
        return fail_writing(packing, path, error);
    if (archive_entry_size(member) > 0 && !pack_data(packing, member, path, error))
        return FALSE;
    return archive_write_finish_entry(packing->to) >= ARCHIVE_WARN ||
           fail_writing(packing, path, error);
}

static gboolean
pack_members(TreePacking *packing, GError **error)
{
    struct archive_entry *member = archive_entry_new();
    gboolean is_good = TRUE;
    int r = ARCHIVE_OK;

    while (is_good && (r = archive_read_next_header2(packing->from, member)) == ARCHIVE_OK) {
        archive_read_disk_descend(packing->from);
        if (is_wanted(packing, member))
            is_good = pack_member(packing, member, error);
        archive_entry_clear(member);
    }
    if (is_good && r != ARCHIVE_EOF)
        is_good = fail_reading(packing, packing->tree->directory, error);
    archive_entry_free(member);
    return is_good;
}

/* --- the stream --- */

static la_ssize_t
on_write(struct archive *archive, void *data, const void *bytes, size_t size)
{
    TreePacking *packing = data;

    if (packing->write_error == 0)
        packing->write_error = stream_write(packing->stream, bytes, size);
    if (packing->write_error == 0)
        return (la_ssize_t)size;
    archive_set_error(archive, -packing->write_error, "%s", g_strerror(-packing->write_error));
    return ARCHIVE_FATAL;
}

/* In the locale "C", names are written as bytes. Owners are written by number. */
static gboolean
open_archives(TreePacking *packing, GError **error)
{
    archive_write_set_format_pax(packing->to);
    archive_read_disk_set_symlink_hybrid(packing->from);
    archive_read_disk_set_behavior(packing->from, ARCHIVE_READDISK_NO_XATTR |
                                                      ARCHIVE_READDISK_NO_ACL |
                                                      ARCHIVE_READDISK_NO_FFLAGS);
    archive_entry_linkresolver_set_strategy(packing->links, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
    if (archive_write_open(packing->to, packing, /* open= */ NULL, on_write, /* close= */ NULL) <
        ARCHIVE_WARN)
        return fail_writing(packing, packing->tree->directory, error);
    return archive_read_disk_open(packing->from, packing->tree->directory) == ARCHIVE_OK ||
           fail_reading(packing, packing->tree->directory, error);
}

gboolean
tree_pack(Stream *stream, gpointer data, GError **error)
{
    TreePacking packing = {
        .stream = stream,
        .tree = data,
        .from = archive_read_disk_new(),
        .to = archive_write_new(),
        .links = archive_entry_linkresolver_new(),
    };
    gboolean is_done = open_archives(&packing, error) && pack_members(&packing, error);

    if (!is_done)
        packing.write_error = -EPIPE; /* without an end, so that it does not look complete */
    if (archive_write_close(packing.to) < ARCHIVE_WARN && is_done)
        is_done = fail_writing(&packing, packing.tree->directory, error);
    archive_entry_linkresolver_free(packing.links);
    archive_write_free(packing.to);
    archive_read_free(packing.from);
    return is_done;
}
