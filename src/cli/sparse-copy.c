/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sparse-copy: the archive is unpacked under a temporary name beside the target, and then replaces
 * it. An empty file is created under that name first, so that errors are those of WriteFile().
 */
#include "sparse-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "exit-status.h"
#include "meter.h"
#include "transfer.h"

#define NAME_LENGTH 200 /* of the target's name, in the temporary one */

static guint64
count(gpointer stream)
{
    return stream_moved(stream);
}

/* --- into a sandbox --- */

/* Also creates parent directories. Signals do not interrupt it, so the caller knows what to remove.
 */
static gboolean
write_nothing(const Guest *guest, const char *path, GError **error)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(GUnixFDList) fds = guest_give_fd(fd, error);
    g_autoptr(GAsyncResult) reply = NULL;
    GVariantDict options;

    close(fd);
    if (fds == NULL)
        return FALSE;
    guest_init_options(guest, &options);
    g_variant_dict_insert(&options, "mode", "u", (guint32)0600);
    cloche_sandbox_call_write_file(guest->sandbox, path, g_variant_new_handle(0),
                                   g_variant_dict_end(&options), CLIENT_CALL, fds,
                                   /* cancellable= */ NULL, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_write_file_finish(guest->sandbox, /* ret_written= */ NULL,
                                                 /* ret_fds= */ NULL, reply, error);
}

/* A file that may not be written must not be replaced. Appends nothing, so the file does not
 * change. */
static gboolean
check_writable(Cli *cli, const Guest *guest, const char *path, GError **error)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(GUnixFDList) fds = guest_give_fd(fd, error);
    g_autoptr(GAsyncResult) reply = NULL;
    GVariantDict options;

    close(fd);
    if (fds == NULL)
        return FALSE;
    guest_init_options(guest, &options);
    cloche_sandbox_call_append(guest->sandbox, path, g_variant_new_handle(0),
                               g_variant_dict_end(&options), CLIENT_CALL, fds, cli->interrupted,
                               cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_append_finish(guest->sandbox, /* ret_written= */ NULL,
                                             /* ret_fds= */ NULL, reply, error);
}

static gboolean
replace(Cli *cli, const Guest *guest, const char *path, const char *target, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    GVariantDict options;

    guest_init_options(guest, &options);
    cloche_sandbox_call_move(guest->sandbox, path, target, g_variant_dict_end(&options),
                             CLIENT_CALL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_move_finish(guest->sandbox, reply, error);
}

/* Also after a signal. */
static void
remove_quietly(const Guest *guest, const char *path)
{
    GVariantDict options;

    guest_init_options(guest, &options);
    cloche_sandbox_call_remove_sync(guest->sandbox, path, g_variant_dict_end(&options), CLIENT_CALL,
                                    /* cancellable= */ NULL, /* error= */ NULL);
}

/* Returns the path with links resolved, or NULL if it is not UTF-8. */
static const char *
real_path(GVariant *entry)
{
    const char *path = "";
    g_autoptr(GVariant) bytes = g_variant_lookup_value(entry, "path-bytes", /* type= */ NULL);

    g_variant_lookup(entry, "path", "&s", &path);
    return bytes == NULL ? path : NULL;
}

/* Sets the mode and owner that WriteFile() would set. */
static void
set_attributes(SparseFile *file, GVariant *entry, gint mode, gboolean with_owner)
{
    guint32 old_mode = 0644, uid = 0, gid = 0;

    if (entry != NULL) {
        g_variant_lookup(entry, "mode", "u", &old_mode);
        g_variant_lookup(entry, "uid", "u", &uid);
        g_variant_lookup(entry, "gid", "u", &gid);
    }
    file->status.st_mode = mode >= 0 ? (mode_t)mode : old_mode;
    if (with_owner)
        return;
    file->status.st_uid = uid;
    file->status.st_gid = gid;
}

static gboolean
send_beside(Cli *cli, const Guest *guest, SparseFile *file, const char *target, gboolean is_new,
            GError **error)
{
    g_autofree char *directory = g_path_get_dirname(target);
    g_autofree char *base = g_path_get_basename(target);
    g_autofree char *path = NULL;
    guint64 bytes;
    gboolean is_done;

    file->name = g_strdup_printf(".%.*s.%08x", NAME_LENGTH, base, g_random_int());
    path = g_build_filename(directory, file->name, NULL);
    is_done =
        (is_new || check_writable(cli, guest, target, error)) && write_nothing(guest, path, error);
    if (is_done) {
        is_done = guest_upload(guest, cli, directory, sparse_pack, file, /* cancellable= */ NULL,
                               &bytes, error) &&
                  replace(cli, guest, path, target, error);
        if (!is_done)
            remove_quietly(guest, path);
    }
    g_free(file->name);
    return is_done;
}

SparseResult
sparse_send(Cli *cli, const Guest *guest, const SparseFile *given, const char *path, gint mode,
            gboolean with_owner, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GVariant) entry = guest_stat(guest, cli, path, &problem);
    const char *target = entry != NULL ? real_path(entry) : path;
    SparseFile file = *given;

    if (target == NULL || g_str_has_suffix(target, "/") ||
        (entry == NULL && !g_error_matches(problem, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_FILE)))
        return SPARSE_UNABLE;
    g_clear_error(&problem);
    set_attributes(&file, entry, mode, with_owner);
    if (send_beside(cli, guest, &file, target, entry == NULL, &problem))
        return SPARSE_COPIED;
    if (g_error_matches(problem, CLOCHE_ERROR, CLOCHE_ERROR_FAILED)) {
        lseek(given->fd, given->start, SEEK_SET); /* the next reader shares the offset */
        return SPARSE_UNABLE;
    }
    g_propagate_error(error, g_steal_pointer(&problem));
    return SPARSE_FAILED;
}

/* --- out of one --- */

/* Stat() does not report holes. */
static gboolean
has_holes(Cli *cli, const Guest *guest, const char *path, guint64 size)
{
    const char *argv[] = {"stat", "--format=%b", "--", path, NULL};
    g_autoptr(GAsyncResult) reply = NULL;
    g_autofree char *out = NULL;
    GVariantDict options;
    int status = -1;
    guint64 blocks;

    if (size < SPARSE_MIN)
        return FALSE;
    guest_init_options(guest, &options);
    cloche_sandbox_call_run(guest->sandbox, argv, g_variant_dict_end(&options), CLIENT_CALL,
                            cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_run_finish(guest->sandbox, &status, &out, /* ret_stderr= */ NULL,
                                        /* ret_details= */ NULL, reply, /* error= */ NULL) ||
        status != 0)
        return FALSE;
    g_strchomp(out);
    return g_ascii_string_to_unsigned(out, 10, 0, G_MAXINT64 / 512, &blocks, /* error= */ NULL) &&
           size >= SPARSE_MIN + blocks * 512;
}

/* Returns the output of tar, or -1 if it does not start. Its standard error is discarded. */
static int
start_tar(Cli *cli, const Guest *guest, const char *path, ClocheProcess **ret_process)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *name = g_strconcat("./", base, NULL);
    const char *argv[] = {
        "sh", "-c", "exec tar --create --sparse --format=posix --file=- -- \"$1\" 2>/dev/null",
        "sh", name, NULL};
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) input = NULL, output = NULL, problem = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autofree char *object = NULL;
    GVariantDict options;

    guest_init_options(guest, &options);
    g_variant_dict_insert(&options, "cwd", "s", directory);
    g_variant_dict_insert(&options, "no-stdin", "b", TRUE);
    cloche_sandbox_call_start(guest->sandbox, argv, g_variant_dict_end(&options), CLIENT_CALL,
                              /* fds= */ NULL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_start_finish(guest->sandbox, &object, &input, &output, &problem, &fds,
                                          reply, /* error= */ NULL))
        return -1;
    *ret_process = client_process(cli->manager, object, /* error= */ NULL);
    return *ret_process != NULL ? guest_take_fd(output, fds, /* error= */ NULL) : -1;
}

/* tar exits with 1 if the file changed while it was read. */
static gboolean
tar_is_content(Cli *cli, ClocheProcess *process, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autofree char *how = NULL;
    int status;

    cloche_process_call_wait(process, CLIENT_CALL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_process_call_wait_finish(process, &status, &how, /* ret_usage= */ NULL, reply,
                                           error) &&
           exit_status_from(how, status) <= 1;
}

SparseResult
sparse_receive(Cli *cli, const Guest *guest, GVariant *entry, int fd, GError **error)
{
    const char *path = real_path(entry);
    SparseTarget target = {.fd = fd, .path = path};
    g_autoptr(ClocheProcess) process = NULL;
    g_autoptr(Meter) meter = NULL;
    g_autoptr(GError) unpacking = NULL, ending = NULL;
    Stream stream = {0};
    guint64 size = 0;
    gboolean is_content;

    g_variant_lookup(entry, "size", "t", &size);
    if (path == NULL || !has_holes(cli, guest, path, size))
        return SPARSE_UNABLE;
    stream.fd = start_tar(cli, guest, path, &process);
    if (stream.fd < 0)
        return SPARSE_UNABLE;
    meter = meter_new(path, /* size= */ 0, count, &stream);
    transfer_finish(transfer_start(cli, &stream, sparse_unpack, &target), &unpacking);
    is_content = tar_is_content(cli, process, &ending);
    if (ending != NULL)
        g_propagate_error(error, g_steal_pointer(&ending));
    else if (is_content && unpacking != NULL)
        g_propagate_error(error, g_steal_pointer(&unpacking));
    if (*error != NULL)
        return SPARSE_FAILED;
    if (is_content)
        return SPARSE_COPIED;
    return ftruncate(fd, 0) == 0 ? SPARSE_UNABLE : SPARSE_FAILED;
}
