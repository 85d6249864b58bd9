/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tree-unpack: each member is checked here, and a second time by libarchive.
 *
 * In the program's locale, "C", libarchive keeps names as bytes, and only warns about it.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define BLOCK (128 * 1024)

typedef struct {
    Stream *stream;
    Tree *tree;
    int read_error; /* negative errno */
    struct archive *from, *to;
    struct archive_entry *folder; /* the directory's own member, or NULL */
    char block[BLOCK];
} TreeUnpacking;

static void
set_problem(GError **error, const TreeUnpacking *unpacking, struct archive *at, const char *name)
{
    const char *text = archive_error_string(at);

    if (unpacking->read_error < 0)
        stream_set_error(error, unpacking->read_error, unpacking->tree->directory);
    else
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "'%s': %s", name,
                    text != NULL ? text : "not a tar archive");
}

static void
note_left_out(Tree *tree, const char *name, const char *why)
{
    if (tree->left_out++ == 0)
        tree->first_left_out = g_strdup_printf("'%s': %s", name, why);
}

/* --- members --- */

static gboolean
stays_below(const char *path)
{
    g_auto(GStrv) names = NULL;

    if (path == NULL || *path == '\0' || *path == '/')
        return FALSE;
    names = g_strsplit(path, "/", /* max= */ -1);
    return !g_strv_contains((const char *const *)names, "..");
}

static gboolean
check_member(struct archive_entry *member, GError **error)
{
    const char *path = archive_entry_pathname(member);
    const char *link = archive_entry_hardlink(member);

    if (stays_below(path) && (link == NULL || stays_below(link)))
        return TRUE;
    g_set_error(
        error, G_FILE_ERROR, G_FILE_ERROR_PERM,
        "the sandbox sent '%s'%s%s, which is outside of the directory; nothing more was copied",
        path != NULL ? path : "", link != NULL ? " as a link to " : "", link != NULL ? link : "");
    return FALSE;
}

static gboolean
is_the_folder(const char *path)
{
    return strspn(path, "./") == strlen(path);
}

static gboolean
is_wanted(Tree *tree, struct archive_entry *member)
{
    const char *path = archive_entry_pathname(member);

    if (archive_entry_hardlink(member) != NULL)
        return TRUE;
    switch (archive_entry_filetype(member)) {
    case AE_IFREG:
    case AE_IFDIR:
    case AE_IFLNK:
    case AE_IFIFO:
        return TRUE;
    default:
        note_left_out(tree, path, "it is a device");
        return FALSE;
    }
}

/* libarchive would write the contents of a hard link, and set its mode, through a symbolic link. */
static void
disarm(struct archive_entry *member)
{
    if (archive_entry_hardlink(member) != NULL)
        archive_entry_unset_size(member);
    archive_entry_set_perm(member, archive_entry_perm(member) & (S_ISVTX | 0777));
    archive_entry_set_fflags(member, 0, 0);
    archive_entry_xattr_clear(member);
    archive_entry_acl_clear(member);
}

/* A member could not be written. libarchive seeks beyond the maximum size of a file, and reports
 * that as an invalid argument. */
static void
set_write_problem(GError **error, const TreeUnpacking *unpacking, const char *name)
{
    int code = archive_errno(unpacking->to);

    if (code != EFBIG && code != EINVAL) {
        set_problem(error, unpacking, unpacking->to, name);
        return;
    }
    unlink(name); /* none of its bytes is there */
    stream_set_error(error, -EFBIG, name);
}

static gboolean
unpack_data(TreeUnpacking *unpacking, const char *name, GError **error)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    int r;

    while ((r = archive_read_data_block(unpacking->from, &block, &size, &offset)) == ARCHIVE_OK) {
        if (archive_write_data_block(unpacking->to, block, size, offset) < ARCHIVE_WARN) {
            set_write_problem(error, unpacking, name);
            return FALSE;
        }
    }
    if (r == ARCHIVE_EOF)
        return TRUE;
    set_problem(error, unpacking, unpacking->from, name);
    return FALSE;
}

static gboolean
unpack_member(TreeUnpacking *unpacking, struct archive_entry *member, GError **error)
{
    g_autofree char *name = NULL;
    int r;

    if (!check_member(member, error))
        return FALSE;
    if (is_the_folder(archive_entry_pathname(member))) {
        g_clear_pointer(&unpacking->folder, archive_entry_free);
        unpacking->folder = archive_entry_clone(member);
        return TRUE;
    }
    if (!is_wanted(unpacking->tree, member))
        return TRUE;
    name = g_strdup(archive_entry_pathname(member));
    disarm(member);
    r = archive_write_header(unpacking->to, member);
    if (r >= ARCHIVE_WARN && archive_entry_hardlink(member) == NULL) {
        if (!unpack_data(unpacking, name, error))
            return FALSE;
        r = archive_write_finish_entry(unpacking->to);
        if (r < ARCHIVE_WARN) {
            set_write_problem(error, unpacking, name);
            return FALSE;
        }
    }
    if (r < ARCHIVE_WARN)
        set_problem(error, unpacking, unpacking->to, name);
    else if (r == ARCHIVE_WARN)
        note_left_out(unpacking->tree, name, archive_error_string(unpacking->to));
    return r >= ARCHIVE_WARN;
}

/* --- the stream --- */

static la_ssize_t
on_read(struct archive *archive, void *data, const void **ret_block)
{
    TreeUnpacking *unpacking = data;
    gssize n = stream_read(unpacking->stream, unpacking->block, BLOCK);

    *ret_block = unpacking->block;
    if (n >= 0)
        return n;
    unpacking->read_error = (int)n;
    archive_set_error(archive, (int)-n, "%s", g_strerror((int)-n));
    return ARCHIVE_FATAL;
}

static gboolean
unpack_members(TreeUnpacking *unpacking, GError **error)
{
    struct archive_entry *member;
    int r;

    while ((r = archive_read_next_header(unpacking->from, &member)) == ARCHIVE_OK ||
           r == ARCHIVE_WARN) {
        if (!unpack_member(unpacking, member, error))
            return FALSE;
    }
    if (r == ARCHIVE_EOF)
        return TRUE;
    set_problem(error, unpacking, unpacking->from, unpacking->tree->directory);
    return FALSE;
}

/* Called last, because new members change the directory's time. libarchive sets attributes only of
 * directories that it has created. */
static gboolean
set_attributes(const TreeUnpacking *unpacking, GError **error)
{
    struct archive_entry *folder = unpacking->folder;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

    if (folder == NULL || !unpacking->tree->with_attributes ||
        archive_entry_filetype(folder) != AE_IFDIR)
        return TRUE;
    if (archive_entry_mtime_is_set(folder))
        times[1] = (struct timespec){archive_entry_mtime(folder), archive_entry_mtime_nsec(folder)};
    if ((!unpacking->tree->with_owners ||
         chown(".", (uid_t)archive_entry_uid(folder), (gid_t)archive_entry_gid(folder)) == 0) &&
        chmod(".", archive_entry_perm(folder) & (S_ISVTX | 0777)) == 0 &&
        utimensat(AT_FDCWD, ".", times, /* flags= */ 0) == 0)
        return TRUE;
    stream_set_error(error, -errno, unpacking->tree->directory);
    return FALSE;
}

/* Reads beyond the archive's end: only the end of the stream shows whether it was cut off. */
static gboolean
read_to_end(TreeUnpacking *unpacking, GError **error)
{
    gssize n;

    do
        n = stream_read(unpacking->stream, unpacking->block, BLOCK);
    while (n > 0);
    if (n < 0)
        stream_set_error(error, (int)n, unpacking->tree->directory);
    return n == 0;
}

static gboolean
open_archives(TreeUnpacking *unpacking, GError **error)
{
    int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SPARSE |
                ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

    if (unpacking->tree->with_owners)
        flags |= ARCHIVE_EXTRACT_OWNER;
    archive_write_disk_set_options(unpacking->to, flags);
    archive_read_support_format_tar(unpacking->from);
    archive_read_support_format_empty(unpacking->from);
    if (archive_read_open(unpacking->from, unpacking, /* open= */ NULL, on_read,
                          /* close= */ NULL) == ARCHIVE_OK)
        return TRUE;
    set_problem(error, unpacking, unpacking->from, unpacking->tree->directory);
    return FALSE;
}

gboolean
tree_unpack(Stream *stream, gpointer data, GError **error)
{
    g_autofree TreeUnpacking *unpacking = g_new0(TreeUnpacking, 1);
    Tree *tree = data;
    gboolean is_done;

    if (chdir(tree->directory) < 0) {
        stream_set_error(error, -errno, tree->directory);
        return FALSE;
    }
    unpacking->stream = stream;
    unpacking->tree = tree;
    unpacking->from = archive_read_new();
    unpacking->to = archive_write_disk_new();
    is_done = open_archives(unpacking, error) && unpack_members(unpacking, error) &&
              read_to_end(unpacking, error);
    if (archive_write_close(unpacking->to) < ARCHIVE_WARN && is_done) {
        set_problem(error, unpacking, unpacking->to, tree->directory);
        is_done = FALSE;
    }
    is_done = is_done && set_attributes(unpacking, error);
    archive_entry_free(unpacking->folder);
    archive_write_free(unpacking->to);
    archive_read_free(unpacking->from);
    return is_done;
}
