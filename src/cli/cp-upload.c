/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp-upload: into a sandbox. The service gets the descriptor of a file, and reads it itself. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp.h"
#include "meter.h"
#include "sparse-copy.h"
#include "tree.h"

/* --- the target --- */

/* Looks at a path. Returns FALSE if nothing is there, or with an error. */
static gboolean
look_at(Cli *cli, const Guest *guest, const char *path, gboolean *ret_is_directory, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GVariant) entry = guest_stat(guest, cli, path, &problem);
    const char *type = "";

    *ret_is_directory = FALSE;
    if (entry == NULL) {
        if (!g_error_matches(problem, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_FILE))
            g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    g_variant_lookup(entry, "type", "&s", &type);
    *ret_is_directory = g_str_equal(type, "directory");
    return TRUE;
}

/* Returns the path, or a path in it if it is a directory. NULL with an error. */
static char *
place_in(Cli *cli, const Guest *guest, const char *path, const char *source, GError **error)
{
    g_autofree char *name = guest_path_base_name(source);
    GError *problem = NULL;
    gboolean is_directory;

    look_at(cli, guest, path, &is_directory, &problem);
    if (problem != NULL) {
        g_propagate_error(error, problem);
        return NULL;
    }
    if (is_directory && name != NULL)
        return g_build_filename(path, name, NULL);
    return g_strdup(path);
}

/* --- a file --- */

/* The service shares the descriptor's offset, so the offset shows its progress. */
static guint64
count_file(gpointer fd)
{
    off_t offset = lseek(*(int *)fd, 0, SEEK_CUR);

    return offset >= 0 ? (guint64)offset : 0;
}

static GVariant *
file_options(const Guest *guest, const struct stat *status)
{
    g_autofree char *owner = g_strdup_printf("%u:%u", status->st_uid, status->st_gid);
    GVariantDict options;

    guest_init_options(guest, &options);
    g_variant_dict_insert(&options, "mode", "u", (guint32)(status->st_mode & 07777));
    if (guest_is_root(guest))
        g_variant_dict_insert(&options, "owner", "s", owner);
    return g_variant_dict_end(&options);
}

/* Formats a time for touch(1): a decimal number, whose sign applies to its fraction as well. */
static char *
time_word(const struct timespec *time)
{
    gint64 seconds = time->tv_sec;
    long rest = time->tv_nsec;
    gboolean is_negative = seconds < 0;

    if (is_negative && rest > 0) {
        seconds++;
        rest = 1000000000 - rest;
    }
    return g_strdup_printf("--date=@%s%" G_GINT64_FORMAT ".%09ld", is_negative ? "-" : "",
                           ABS(seconds), rest);
}

/* No method sets the time of a file, so touch(1) of the sandbox does. */
static void
set_time(Cli *cli, const Guest *guest, const char *path, const struct stat *status)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autofree char *date = time_word(&status->st_mtim);
    g_autofree char *file = g_strconcat(g_path_is_absolute(path) ? "" : "./", path, NULL);
    const char *argv[] = {"touch", "--no-create", date, file, NULL};
    GVariantDict options;
    int exit_status = -1;

    guest_init_options(guest, &options);
    cloche_sandbox_call_run(guest->sandbox, argv, g_variant_dict_end(&options), CLIENT_CALL,
                            cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    cloche_sandbox_call_run_finish(guest->sandbox, &exit_status, /* ret_stdout= */ NULL,
                                   /* ret_stderr= */ NULL, /* ret_details= */ NULL, reply,
                                   /* error= */ NULL);
    if (exit_status != 0)
        cli_note("'%s' was copied, but its time could not be set", path);
}

static gboolean
send_file(Cli *cli, const Guest *guest, int fd, const struct stat *status, const char *path,
          guint64 *ret_bytes, GError **error)
{
    g_autoptr(GUnixFDList) fds = guest_give_fd(fd, error);
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(Meter) meter = NULL;

    if (fds == NULL)
        return FALSE;
    meter = meter_new(path, (guint64)status->st_size, count_file, &fd);
    cloche_sandbox_call_write_file(guest->sandbox, path, g_variant_new_handle(0),
                                   file_options(guest, status), CLIENT_CALL, fds, cli->interrupted,
                                   cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_write_file_finish(guest->sandbox, ret_bytes, /* ret_fds= */ NULL,
                                                 reply, error);
}

static SparseResult
send_sparse_file(Cli *cli, const Guest *guest, int fd, const char *path, guint64 *ret_bytes,
                 GError **error)
{
    SparseFile file;

    if (!sparse_open(fd, &file))
        return SPARSE_UNABLE;
    *ret_bytes = (guint64)file.status.st_size;
    return sparse_send(cli, guest, &file, path, (gint)(file.status.st_mode & 07777),
                       guest_is_root(guest), error);
}

static gboolean
upload_file(Cli *cli, const Guest *guest, int fd, const struct stat *status, const char *source,
            const char *path, guint64 *ret_bytes, GError **error)
{
    g_autofree char *final = place_in(cli, guest, path, source, error);

    if (final == NULL)
        return FALSE;
    if (g_str_has_suffix(final, "/")) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_DIRECTORY,
                    "There is no directory '%s' in the sandbox", final);
        return FALSE;
    }
    switch (send_sparse_file(cli, guest, fd, final, ret_bytes, error)) {
    case SPARSE_COPIED:
        return TRUE;
    case SPARSE_FAILED:
        return FALSE;
    default:
        break;
    }
    if (!send_file(cli, guest, fd, status, final, ret_bytes, error))
        return FALSE;
    set_time(cli, guest, final, status);
    return TRUE;
}

/* --- a directory --- */

static gboolean
upload_directory(Cli *cli, const Guest *guest, const char *source, const char *path,
                 guint64 *ret_bytes, GError **error)
{
    g_autofree char *final = place_in(cli, guest, path, source, error);
    g_autofree char *directory = realpath(source, NULL);
    Tree tree = {.directory = directory};
    gboolean is_directory;
    GError *problem = NULL;

    if (final == NULL)
        return FALSE;
    if (directory == NULL)
        return stream_set_error(error, -errno, source);
    tree.with_attributes = !look_at(cli, guest, final, &is_directory, &problem);
    if (problem != NULL) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (!tree.with_attributes && !is_directory) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_A_DIRECTORY,
                    "'%s' is not a directory in the sandbox", final);
        return FALSE;
    }
    return guest_upload(guest, cli, final, tree_pack, &tree, cli->interrupted, ret_bytes, error);
}

gboolean
cp_upload(Cli *cli, const Guest *guest, const char *source, const char *path, guint64 *ret_bytes,
          GError **error)
{
    /* O_NONBLOCK: opening a FIFO would wait for a writer. */
    int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    gboolean is_done;

    if (fd < 0)
        return stream_set_error(error, -errno, source);
    if (fstat(fd, &status) < 0) {
        is_done = stream_set_error(error, -errno, source);
    } else if (S_ISDIR(status.st_mode)) {
        is_done = upload_directory(cli, guest, source, path, ret_bytes, error);
    } else if (S_ISREG(status.st_mode)) {
        is_done = upload_file(cli, guest, fd, &status, source, path, ret_bytes, error);
    } else {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "'%s' is neither a file nor a directory", source);
        is_done = FALSE;
    }
    close(fd);
    return is_done;
}
