/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest: calls of several verbs. */
#include "guest.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <sys/socket.h>

#include "meter.h"
#include "options.h"
#include "sandbox.h"

void
guest_clear(Guest *guest)
{
    g_clear_object(&guest->sandbox);
    g_free(guest->user);
}

GOptionEntry
guest_user_entry(Guest *guest)
{
    return (GOptionEntry){"user",
                          'u',
                          0,
                          G_OPTION_ARG_FILENAME,
                          &guest->user,
                          "A user of the sandbox, by name or number",
                          "USER"};
}

gboolean
guest_open(Guest *guest, Cli *cli, const char *id, GError **error)
{
    if (cli->manager == NULL && !cli_connect(cli, error))
        return FALSE;
    g_clear_object(&guest->sandbox);
    guest->sandbox = sandbox_find(cli, id, error);
    return guest->sandbox != NULL;
}

void
guest_init_options(const Guest *guest, GVariantDict *options)
{
    g_variant_dict_init(options, /* from= */ NULL);
    options_add_text(options, "user", guest->user);
}

gboolean
guest_is_root(const Guest *guest)
{
    return g_strcmp0(guest->user, "root") == 0 || g_strcmp0(guest->user, "0") == 0;
}

GVariant *
guest_stat(const Guest *guest, Cli *cli, const char *path, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    GVariantDict options;
    GVariant *entry;

    guest_init_options(guest, &options);
    cloche_sandbox_call_stat(guest->sandbox, path, g_variant_dict_end(&options), CLIENT_CALL,
                             cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_stat_finish(guest->sandbox, &entry, reply, error) ? entry : NULL;
}

gint64
guest_entry_time(GVariant *entry, const char *key)
{
    guint64 since = 0;
    gint64 us = 0;

    if (g_variant_lookup(entry, key, "t", &since))
        us = (gint64)MIN(since, G_MAXINT64);
    else
        g_variant_lookup(entry, key, "x", &us);
    return us;
}

int
guest_read_file(const Guest *guest, Cli *cli, const char *path, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) handle = NULL;
    GVariantDict options;

    guest_init_options(guest, &options);
    cloche_sandbox_call_read_file(guest->sandbox, path, g_variant_dict_end(&options), CLIENT_CALL,
                                  /* fds= */ NULL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_read_file_finish(guest->sandbox, &handle, &fds, reply, error))
        return -1;
    return guest_take_fd(handle, fds, error);
}

int
guest_download(const Guest *guest, Cli *cli, const char *path, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) handle = NULL;
    GVariantDict options;

    guest_init_options(guest, &options);
    cloche_sandbox_call_download(guest->sandbox, path, g_variant_dict_end(&options), CLIENT_CALL,
                                 /* fds= */ NULL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_download_finish(guest->sandbox, &handle, &fds, reply, error))
        return -1;
    return guest_take_fd(handle, fds, error);
}

/* Unpacks what arrives on `fd`, which is taken. */
static gboolean
call_upload(const Guest *guest, const char *path, int fd, GCancellable *cancellable, GError **error)
{
    GUnixFDList *fds = g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(GAsyncResult) reply = NULL;
    GVariantDict options;

    guest_init_options(guest, &options);
    cloche_sandbox_call_upload(guest->sandbox, path, g_variant_new_handle(0),
                               g_variant_dict_end(&options), CLIENT_CALL, fds, cancellable,
                               cli_on_reply, &reply);
    g_object_unref(fds); /* so that only the service has the descriptor */
    cli_await(&reply);
    return cloche_sandbox_call_upload_finish(guest->sandbox, /* ret_fds= */ NULL, reply, error);
}

static guint64
count_stream(gpointer stream)
{
    return stream_moved(stream);
}

gboolean
guest_upload(const Guest *guest, Cli *cli, const char *path, TransferWork pack, gpointer data,
             GCancellable *cancellable, guint64 *ret_bytes, GError **error)
{
    g_autoptr(GError) packing = NULL, unpacking = NULL;
    g_autoptr(Meter) meter = NULL;
    Stream stream = {0};
    TransferThread *transfer;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        stream_set_error(error, -errno, path);
        return FALSE;
    }
    g_unix_set_fd_nonblocking(ends[0], TRUE, /* error= */ NULL);
    stream.fd = ends[0];
    meter = meter_new(path, /* size= */ 0, count_stream, &stream);
    transfer = transfer_start(cli, &stream, pack, data);
    call_upload(guest, path, ends[1], cancellable, &unpacking);
    transfer_finish(transfer, &packing);
    *ret_bytes = stream_moved(&stream);
    if (unpacking != NULL && g_error_matches(packing, G_FILE_ERROR, G_FILE_ERROR_PIPE))
        g_clear_error(&packing); /* the other error tells why the sandbox stopped reading */
    if (packing == NULL && unpacking == NULL)
        return TRUE;
    g_propagate_error(error,
                      packing != NULL ? g_steal_pointer(&packing) : g_steal_pointer(&unpacking));
    return FALSE;
}

int
guest_take_fd(GVariant *handle, GUnixFDList *fds, GError **error)
{
    int index = g_variant_get_handle(handle);

    if (fds != NULL && index >= 0 && index < g_unix_fd_list_get_length(fds))
        return g_unix_fd_list_get(fds, index, error);
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                        "the service returned no descriptor");
    return -1;
}

GUnixFDList *
guest_give_fd(int fd, GError **error)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();

    return g_unix_fd_list_append(fds, fd, error) == 0 ? g_steal_pointer(&fds) : NULL;
}
