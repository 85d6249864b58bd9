/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer-methods: the methods of org.cloche1.Sandbox that give or take a stream of a file's
 * bytes, of a tar archive, of events, or of a port. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"
#include "complete-stream.h"
#include "error.h"
#include "inlet.h"
#include "options.h"
#include "reply.h"
#include "util.h"

#define FILE_OPTIONS {"user", "s"}, {"path-bytes", "ay"}

/* 1 is said of what changed while it was read. */
#define PACK "tar --create --sparse --format=posix --file=- . ; [ $? -le 1 ]"

/* A path may begin with a dash. Members come in any order: the times of directories are set last.
 */
#define UNPACK                                                                                     \
    "case $1 in /*) p=$1 ;; *) p=./$1 ;; esac; mkdir -p \"$p\" && cd \"$p\" && "                   \
    "exec tar --extract --preserve-permissions --delay-directory-restore "                         \
    "--warning=no-unknown-keyword --file=-"

/* --- what gives --- */

typedef struct {
    Call *call;
    int theirs;
} Giving;

static void
on_given(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Giving *giving = data;
    GUnixFDList *fds;
    GError *error = NULL;
    guint64 size;

    if (!core_transfer_finish(result, &size, &error)) {
        close(giving->theirs);
        call_fail(giving->call, error);
        return;
    }
    fds = g_unix_fd_list_new_from_array(&giving->theirs, 1); /* takes it */
    call_answer_with_fds(giving->call, g_variant_new("(h)", 0), fds);
}

static void
give(Call *call, TransferRequest *request, int theirs)
{
    Giving *giving = g_new0(Giving, 1);

    giving->call = call;
    giving->theirs = theirs;
    core_transfer_async(call->core, call->sandbox, request, call->peer->left, on_given, giving);
}

/* Gives the caller a complete stream, which `request` writes. */
static void
give_complete(Call *call, TransferRequest *request, GVariant *options)
{
    GError *error = NULL;
    int theirs;

    if (!complete_stream_open(&request->output, &theirs, &error)) {
        call_fail(call, error);
        return;
    }
    g_unix_set_fd_nonblocking(request->output, TRUE, NULL);
    g_variant_lookup(options, "user", "&s", &request->start.user);
    request->output_is_complete_stream = TRUE;
    request->input = -1;
    request->start.flags |= START_NO_STDIN;
    give(call, request, theirs);
}

void
sandbox_read_file(Call *call, GVariant *parameters)
{
    static const Option known[] = {FILE_OPTIONS, {"offset", "t"}, {"length", "t"}, {NULL, NULL}};
    g_autoptr(GVariant) options = NULL;
    g_autofree char *path = call_unpack_path(call, parameters, known, &options), *offset = NULL,
                    *length = NULL;

    if (!path)
        return;
    offset = options_number(options, "offset");
    length = options_number(options, "length");
    give_complete(
        call,
        &(TransferRequest){
            .start.argv = (const char *[]){"read", path, *offset ? offset : "0", length, NULL},
            .start.flags = START_BUILTIN,
            .path = path,
        },
        options);
}

void
sandbox_watch(Call *call, GVariant *parameters)
{
    static const Option known[] = {FILE_OPTIONS, {"recursive", "b"}, {NULL, NULL}};
    g_autoptr(GVariant) options = NULL;
    g_autofree char *path = call_unpack_path(call, parameters, known, &options);

    if (!path)
        return;
    give_complete(
        call,
        &(TransferRequest){
            .start.argv =
                (const char *[]){"watch", path, options_flag(options, "recursive", FALSE), NULL},
            .start.flags = START_BUILTIN,
            .path = path,
        },
        options);
}

void
sandbox_download(Call *call, GVariant *parameters)
{
    static const Option known[] = {FILE_OPTIONS, {NULL, NULL}};
    g_autoptr(GVariant) options = NULL;
    g_autofree char *path = call_unpack_path(call, parameters, known, &options);

    if (!path)
        return;
    give_complete(call,
                  &(TransferRequest){
                      .start.argv = (const char *[]){"/bin/sh", "-c", PACK, NULL},
                      .start.cwd = path,
                      .path = path,
                  },
                  options);
}

void
sandbox_open_port(Call *call, GVariant *parameters)
{
    static const Option known[] = {{"address", "s"}, {NULL, NULL}};
    g_autoptr(GVariant) options = NULL;
    g_autofree char *text = NULL;
    const char *address = "";
    TransferRequest request = {.start.flags = START_BUILTIN};
    GError *error = NULL;
    guint16 port;
    int ends[2];

    g_variant_get(parameters, "(q@a{sv})", &port, &options);
    if (port == 0)
        g_set_error_literal(&error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                            "port: it must be 1 to 65535, not 0");
    if (error || !options_check(options, known, &error)) {
        call_fail(call, error);
        return;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        util_set_errno(&error, errno, "Cannot make a socket");
        call_fail(call, error);
        return;
    }
    g_unix_set_fd_nonblocking(ends[0], TRUE, NULL);
    g_variant_lookup(options, "address", "&s", &address);
    text = g_strdup_printf("%u", port);
    request.start.argv = (const char *[]){"connect", text, address, NULL};
    request.path = text;
    request.output = ends[0];
    request.input = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
    give(call, &request, ends[1]);
}

/* --- what takes --- */

static void
on_taken(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    guint64 size;

    if (core_transfer_finish(result, &size, &error))
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

    if (core_transfer_finish(result, &size, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

/* What comes from the caller's descriptor, the second argument, goes to `request`. */
static void
take(Call *call, GVariant *parameters, GVariant *options, TransferRequest *request,
     GAsyncReadyCallback callback)
{
    GError *error = NULL;
    int index, fd;

    g_variant_get_child(parameters, 1, "h", &index);
    fd = call_dup_fd(call, index, &error);
    request->input = fd >= 0 ? inlet_from_stranger(fd, &error) : -1;
    if (request->input < 0) {
        call_fail(call, error);
        return;
    }
    g_variant_lookup(options, "user", "&s", &request->start.user);
    request->output = -1;
    request->is_awaited = TRUE;
    core_transfer_async(call->core, call->sandbox, request, call->peer->left, callback, call);
}

void
sandbox_write_file(Call *call, GVariant *parameters)
{
    static const Option known[] = {FILE_OPTIONS,  {"mode", "u"},   {"owner", "s"},
                                   {"size", "t"}, {"atomic", "b"}, {NULL, NULL}};
    g_autoptr(GVariant) options = NULL;
    g_autofree char *path = call_unpack_path(call, parameters, known, &options), *mode = NULL,
                    *size = NULL;
    const char *owner = "";
    GError *error = NULL;

    if (!path)
        return;
    mode = options_mode(options, "mode", &error);
    if (!mode) {
        call_fail(call, error);
        return;
    }
    size = options_number(options, "size");
    g_variant_lookup(options, "owner", "&s", &owner);
    take(call, parameters, options,
         &(TransferRequest){
             .start.argv = (const char *[]){"write", path, mode, owner, size,
                                            options_flag(options, "atomic", TRUE), NULL},
             .start.flags = START_BUILTIN,
             .path = path,
         },
         on_taken);
}

void
sandbox_append(Call *call, GVariant *parameters)
{
    static const Option known[] = {FILE_OPTIONS, {"mode", "u"}, {NULL, NULL}};
    g_autoptr(GVariant) options = NULL;
    g_autofree char *path = call_unpack_path(call, parameters, known, &options), *mode = NULL;
    GError *error = NULL;

    if (!path)
        return;
    mode = options_mode(options, "mode", &error);
    if (!mode) {
        call_fail(call, error);
        return;
    }
    take(call, parameters, options,
         &(TransferRequest){
             .start.argv = (const char *[]){"append", path, mode, NULL},
             .start.flags = START_BUILTIN,
             .path = path,
         },
         on_taken);
}

void
sandbox_upload(Call *call, GVariant *parameters)
{
    static const Option known[] = {FILE_OPTIONS, {NULL, NULL}};
    g_autoptr(GVariant) options = NULL;
    g_autofree char *path = call_unpack_path(call, parameters, known, &options);

    if (!path)
        return;
    take(call, parameters, options,
         &(TransferRequest){
             .start.argv = (const char *[]){"/bin/sh", "-c", UNPACK, "sh", path, NULL},
             .path = path,
         },
         on_uploaded);
}
