/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp-upload: into a sandbox. A file's descriptor is given to the service, which reads it itself. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp.h"
#include "meter.h"
#include "transfer.h"
#include "tree.h"

static gboolean
fail(GError **error, int code, const char *path)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "'%s': %s", path,
                g_strerror(code));
    return FALSE;
}

/* --- where to --- */

/* What is at the path. FALSE: nothing is, or an error is set. */
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

/* The path itself, or in it when it is a directory; NULL with an error. */
static char *
place_in(Cli *cli, const Guest *guest, const char *path, const char *source, GError **error)
{
    g_autofree char *name = place_base_name(source);
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

/* The service reads where we would: the descriptor's offset is shared. */
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
    if (cp_is_root_in(guest))
        g_variant_dict_insert(&options, "owner", "s", owner);
    return g_variant_dict_end(&options);
}

/* As touch(1) reads it: a decimal number, whose sign is that of its fraction as well. */
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

/* No file method sets times: the sandbox's touch(1) does. */
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
        cli_note("'%s' was copied, but does not have its time", path);
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
    if (!send_file(cli, guest, fd, status, final, ret_bytes, error))
        return FALSE;
    set_time(cli, guest, final, status);
    return TRUE;
}

/* --- a directory --- */

static guint64
count_stream(gpointer stream)
{
    return stream_moved(stream);
}

/* Unpacks what comes from `fd`, which is taken. */
static gboolean
call_upload(Cli *cli, const Guest *guest, const char *path, int fd, GError **error)
{
    GUnixFDList *fds = g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(GAsyncResult) reply = NULL;
    GVariantDict options;

    guest_init_options(guest, &options);
    cloche_sandbox_call_upload(guest->sandbox, path, g_variant_new_handle(0),
                               g_variant_dict_end(&options), CLIENT_CALL, fds, cli->interrupted,
                               cli_on_reply, &reply);
    g_object_unref(fds); /* so that nobody but the service has it */
    cli_await(&reply);
    return cloche_sandbox_call_upload_finish(guest->sandbox, /* ret_fds= */ NULL, reply, error);
}

static gboolean
send_directory(Cli *cli, const Guest *guest, Tree *tree, const char *path, guint64 *ret_bytes,
               GError **error)
{
    g_autoptr(GError) packing = NULL, unpacking = NULL;
    g_autoptr(Meter) meter = NULL;
    Stream stream = {0};
    Transfer *transfer;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(error, errno, tree->directory);
    g_unix_set_fd_nonblocking(ends[0], TRUE, /* error= */ NULL);
    stream.fd = ends[0];
    meter = meter_new(path, /* size= */ 0, count_stream, &stream);
    transfer = transfer_start(cli, &stream, tree_pack, tree);
    call_upload(cli, guest, path, ends[1], &unpacking);
    transfer_finish(transfer, &packing);
    *ret_bytes = stream_moved(&stream);
    if (unpacking != NULL && g_error_matches(packing, G_FILE_ERROR, G_FILE_ERROR_PIPE))
        g_clear_error(&packing); /* it is nobody's fault here that nothing more was taken */
    if (packing == NULL && unpacking == NULL)
        return TRUE;
    g_propagate_error(error,
                      packing != NULL ? g_steal_pointer(&packing) : g_steal_pointer(&unpacking));
    return FALSE;
}

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
        return fail(error, errno, source);
    tree.with_attributes = !look_at(cli, guest, final, &is_directory, &problem);
    if (problem != NULL) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (!tree.with_attributes && !is_directory) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_A_DIRECTORY,
                    "'%s' is no directory in the sandbox", final);
        return FALSE;
    }
    return send_directory(cli, guest, &tree, final, ret_bytes, error);
}

gboolean
cp_upload(Cli *cli, const Guest *guest, const char *source, const char *path, guint64 *ret_bytes,
          GError **error)
{
    /* A FIFO would not open before somebody writes to it. */
    int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    gboolean is_done;

    if (fd < 0)
        return fail(error, errno, source);
    if (fstat(fd, &status) < 0) {
        is_done = fail(error, errno, source);
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
