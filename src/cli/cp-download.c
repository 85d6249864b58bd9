/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp-download: out of a sandbox. A file has a temporary name until it is complete. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp.h"
#include "meter.h"
#include "sparse-copy.h"
#include "transfer.h"
#include "tree.h"

#define BLOCK (64 * 1024)

static guint64
count(gpointer stream)
{
    return stream_moved(stream);
}

/* Returns the target, or a path in it if it is a directory. */
static char *
place_in(const char *target, const char *path)
{
    g_autofree char *name = guest_path_base_name(path);

    if (name != NULL && g_file_test(target, G_FILE_TEST_IS_DIR))
        return g_build_filename(target, name, NULL);
    return g_strdup(target);
}

static gboolean
receive(Cli *cli, Stream *stream, const char *what, guint64 size, TransferWork work, gpointer data,
        GError **error)
{
    g_autoptr(Meter) meter = meter_new(what, size, count, stream);

    return transfer_finish(transfer_start(cli, stream, work, data), error);
}

/* --- a file --- */

typedef struct {
    const char *path; /* in the sandbox */
    char *target;     /* on this machine */
    char *temporary;
    int fd;
    guint32 mode;
    struct timespec times[2];
} File;

static void
file_clear(File *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->temporary != NULL)
        unlink(file->temporary);
    g_free(file->temporary);
    g_free(file->target);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(File, file_clear)

/* A block of zeros becomes a hole. */
static int
write_block(const File *file, const char *bytes, gsize size, gint64 offset)
{
    static const char zeros[BLOCK];

    if (memcmp(bytes, zeros, size) == 0)
        return 0;
    while (size > 0) {
        gssize n = pwrite(file->fd, bytes, size, offset);

        if (n < 0 && errno != EINTR)
            return -errno;
        n = MAX(n, 0);
        bytes += n;
        size -= n;
        offset += n;
    }
    return 0;
}

static gboolean
write_file(Stream *stream, gpointer data, GError **error)
{
    const File *file = data;
    char bytes[BLOCK];
    gint64 offset = 0;
    gssize n;
    int r = 0;

    while (r == 0 && (n = stream_read(stream, bytes, sizeof(bytes))) > 0) {
        r = write_block(file, bytes, n, offset);
        offset += n;
    }
    if (r < 0)
        return stream_set_error(error, r, file->target);
    if (n < 0) {
        stream_set_error(error, (int)n, file->path);
        return FALSE;
    }
    return ftruncate(file->fd, offset) == 0 || stream_set_error(error, -errno, file->target);
}

static gboolean
set_attributes(const File *file, GError **error)
{
    return (fchmod(file->fd, file->mode & 0777) == 0 && futimens(file->fd, file->times) == 0) ||
           stream_set_error(error, -errno, file->target);
}

/* If the target is a symbolic link, the file that it leads to is replaced. */
static gboolean
open_temporary(File *file, const char *target, GError **error)
{
    g_autofree char *real = realpath(target, NULL), *directory = NULL;
    struct stat status;

    file->target = g_strdup(real != NULL ? real : target);
    if (g_stat(file->target, &status) == 0 && !S_ISREG(status.st_mode))
        return stream_set_error(error, S_ISDIR(status.st_mode) ? -EISDIR : -EEXIST, target);
    if (g_str_has_suffix(target, "/"))
        return stream_set_error(error, -ENOTDIR, target);
    directory = g_path_get_dirname(file->target);
    file->temporary = g_build_filename(directory, ".cloche-XXXXXX", NULL);
    file->fd = g_mkstemp_full(file->temporary, O_RDWR | O_CLOEXEC, 0600);
    if (file->fd >= 0)
        return TRUE;
    g_clear_pointer(&file->temporary, g_free);
    return stream_set_error(error, -errno, target);
}

/* Sets the owner that the file has in the sandbox. */
static gboolean
set_owner(const File *file, const Guest *guest, GVariant *entry, GError **error)
{
    guint32 uid = 0, gid = 0;

    if (!guest_is_root(guest) || geteuid() != 0)
        return TRUE;
    g_variant_lookup(entry, "uid", "u", &uid);
    g_variant_lookup(entry, "gid", "u", &gid);
    return fchown(file->fd, uid, gid) == 0 || stream_set_error(error, -errno, file->target);
}

static struct timespec
entry_time(GVariant *entry, const char *key)
{
    gint64 us = guest_entry_time(entry, key);
    gint64 rest = us % G_USEC_PER_SEC + (us % G_USEC_PER_SEC < 0 ? G_USEC_PER_SEC : 0);

    return (struct timespec){.tv_sec = (time_t)((us - rest) / G_USEC_PER_SEC),
                             .tv_nsec = (long)(rest * 1000)};
}

static gboolean
download_file(Cli *cli, const Guest *guest, const char *path, GVariant *entry, const char *target,
              guint64 *ret_bytes, GError **error)
{
    g_autofree char *final = place_in(target, path);
    g_auto(File) file = {.path = path, .fd = -1};
    Stream stream = {0};
    guint64 size = 0;

    file.times[0] = entry_time(entry, "accessed");
    file.times[1] = entry_time(entry, "modified");
    g_variant_lookup(entry, "mode", "u", &file.mode);
    g_variant_lookup(entry, "size", "t", &size);
    if (!open_temporary(&file, final, error) || !set_owner(&file, guest, entry, error))
        return FALSE;
    switch (sparse_receive(cli, guest, entry, file.fd, error)) {
    case SPARSE_COPIED:
        *ret_bytes = size;
        break;
    case SPARSE_FAILED:
        return FALSE;
    default:
        stream.fd = guest_read_file(guest, cli, path, error);
        if (stream.fd < 0 || !receive(cli, &stream, path, size, write_file, &file, error))
            return FALSE;
        *ret_bytes = stream_moved(&stream);
    }
    if (!set_attributes(&file, error))
        return FALSE;
    if (rename(file.temporary, file.target) < 0)
        return stream_set_error(error, -errno, file.target);
    g_clear_pointer(&file.temporary, g_free);
    return TRUE;
}

/* --- a directory --- */

static void
note_left_out(const Tree *tree)
{
    if (tree->left_out == 1)
        cli_note("not copied completely: %s", tree->first_left_out);
    else if (tree->left_out > 1)
        cli_note("not copied completely: %s, and %u more", tree->first_left_out,
                 tree->left_out - 1);
}

static gboolean
download_directory(Cli *cli, const Guest *guest, const char *path, const char *target,
                   guint64 *ret_bytes, GError **error)
{
    g_autofree char *final = place_in(target, path);
    Tree tree = {.directory = final, .with_owners = guest_is_root(guest) && geteuid() == 0};
    Stream stream = {.fd = guest_download(guest, cli, path, error)};
    gboolean is_done;

    if (stream.fd < 0)
        return FALSE;
    tree.with_attributes = mkdir(final, 0700) == 0;
    if (!g_file_test(final, G_FILE_TEST_IS_DIR)) {
        close(stream.fd);
        return stream_set_error(error, -errno, final);
    }
    is_done = receive(cli, &stream, path, /* size= */ 0, tree_unpack, &tree, error);
    *ret_bytes = stream_moved(&stream);
    note_left_out(&tree);
    g_free(tree.first_left_out);
    return is_done;
}

gboolean
cp_download(Cli *cli, const Guest *guest, const char *path, const char *target, guint64 *ret_bytes,
            GError **error)
{
    g_autoptr(GVariant) entry = guest_stat(guest, cli, path, error);
    const char *type = "";

    if (entry == NULL)
        return FALSE;
    g_variant_lookup(entry, "type", "&s", &type);
    if (g_str_equal(type, "directory"))
        return download_directory(cli, guest, path, target, ret_bytes, error);
    return download_file(cli, guest, path, entry, target, ret_bytes, error);
}
