/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer-methods: the methods of org.cloche1.Sandbox that give or take a stream of a file's
 * bytes, of a tar archive, of events, or of a port. */
#include "error.h"
#include "handlers.h"
#include "transfer.h"

#define FILE_OPTIONS {"user", "s"}, {"path-bytes", "ay"}

/* tar exits with 1 when a file changed while it was read. */
#define PACK "tar --create --sparse --format=posix --file=- . ; [ $? -le 1 ]"

/* A path may begin with a dash. Members come in any order, so the times of directories are set
 * last. */
#define UNPACK                                                                                     \
    "case $1 in /*) p=$1 ;; *) p=./$1 ;; esac; mkdir -p \"$p\" && cd \"$p\" && "                   \
    "exec tar --extract --preserve-permissions --delay-directory-restore "                         \
    "--warning=no-unknown-keyword --file=-"

/* --- methods that return a descriptor --- */

static void
on_given(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    int fd = core_transfer_fd_finish(result, &error);

    if (error)
        call_fail(call, error);
    else
        call_answer_with_fds(call, g_variant_new("(h)", 0),
                             g_unix_fd_list_new_from_array(&fd, 1)); /* takes it */
}

static void
give(Call *call, TransferRequest *request)
{
    g_variant_lookup(call->options, "user", "&s", &request->start.user);
    core_transfer_out_async(call->sandbox, request, on_given, call);
}

const Option sandbox_read_file_options[] = {
    FILE_OPTIONS, {"offset", "t"}, {"length", "t"}, {NULL, NULL}};

void
sandbox_read_file(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters), *offset = NULL, *length = NULL;

    if (!path)
        return;
    offset = options_number(call->options, "offset");
    length = options_number(call->options, "length");
    give(call,
         &(TransferRequest){
             .start.argv = (const char *[]){"read", path, *offset ? offset : "0", length, NULL},
             .start.flags = START_BUILTIN,
             .path = path,
         });
}

const Option sandbox_watch_options[] = {FILE_OPTIONS, {"recursive", "b"}, {NULL, NULL}};

void
sandbox_watch(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters);

    if (!path)
        return;
    give(call,
         &(TransferRequest){
             .start.argv = (const char *[]){"watch", path,
                                            options_flag(call->options, "recursive", FALSE), NULL},
             .start.flags = START_BUILTIN,
             .path = path,
         });
}

void
sandbox_download(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters);

    if (!path)
        return;
    give(call, &(TransferRequest){
                   .start.argv = (const char *[]){"/bin/sh", "-c", PACK, NULL},
                   .start.cwd = path,
                   .path = path,
               });
}

const Option sandbox_open_port_options[] = {{"address", "s"}, {NULL, NULL}};

void
sandbox_open_port(Call *call, GVariant *parameters)
{
    g_autofree char *text = NULL;
    const char *address = "";
    TransferRequest request = {.start.flags = START_BUILTIN};
    guint16 port;

    g_variant_get(parameters, "(q@a{sv})", &port, NULL);
    if (port == 0) {
        call_fail(call, g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                                            "port: it must be 1 to 65535, not 0"));
        return;
    }
    g_variant_lookup(call->options, "address", "&s", &address);
    text = g_strdup_printf("%u", port);
    request.start.argv = (const char *[]){"connect", text, address, NULL};
    request.path = text;
    core_transfer_both_async(call->sandbox, &request, on_given, call);
}

/* --- methods that take a descriptor --- */

static void
on_written(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    guint64 size;

    if (core_transfer_in_finish(result, &size, &error))
        call_answer(call, g_variant_new("(t)", size));
    else
        call_fail(call, error);
}

static void
on_uploaded(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    guint64 size;

    if (core_transfer_in_finish(result, &size, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

/* Passes what the caller's descriptor, the second argument, delivers. */
static void
take(Call *call, GVariant *parameters, TransferRequest *request, GAsyncReadyCallback callback)
{
    GError *error = NULL;
    int index, fd;

    g_variant_get_child(parameters, 1, "h", &index);
    fd = call_dup_fd(call, index, &error);
    if (fd < 0) {
        call_fail(call, error);
        return;
    }
    g_variant_lookup(call->options, "user", "&s", &request->start.user);
    core_transfer_in_async(call->sandbox, request, fd, call->peer->left, callback, call);
}

const Option sandbox_write_file_options[] = {FILE_OPTIONS,  {"mode", "u"},   {"owner", "s"},
                                             {"size", "t"}, {"atomic", "b"}, {NULL, NULL}};

void
sandbox_write_file(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters), *mode = NULL, *size = NULL;
    const char *owner = "";
    GError *error = NULL;

    if (!path)
        return;
    mode = options_mode(call->options, "mode", &error);
    if (!mode) {
        call_fail(call, error);
        return;
    }
    size = options_number(call->options, "size");
    g_variant_lookup(call->options, "owner", "&s", &owner);
    take(call, parameters,
         &(TransferRequest){
             .start.argv = (const char *[]){"write", path, mode, owner, size,
                                            options_flag(call->options, "atomic", TRUE), NULL},
             .start.flags = START_BUILTIN,
             .path = path,
         },
         on_written);
}

const Option sandbox_append_options[] = {FILE_OPTIONS, {"mode", "u"}, {NULL, NULL}};

void
sandbox_append(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters), *mode = NULL;
    GError *error = NULL;

    if (!path)
        return;
    mode = options_mode(call->options, "mode", &error);
    if (!mode) {
        call_fail(call, error);
        return;
    }
    take(call, parameters,
         &(TransferRequest){
             .start.argv = (const char *[]){"append", path, mode, NULL},
             .start.flags = START_BUILTIN,
             .path = path,
         },
         on_written);
}

void
sandbox_upload(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters);

    if (!path)
        return;
    take(call, parameters,
         &(TransferRequest){
             .start.argv = (const char *[]){"/bin/sh", "-c", UNPACK, "sh", path, NULL},
             .path = path,
         },
         on_uploaded);
}
