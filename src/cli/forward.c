/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * forward: TCP ports of this machine that are forwarded to a sandbox.
 *
 * A connection that the sandbox refuses is closed with a message; all others continue. The verb
 * ends when the sandbox ends.
 */
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "forward-address.h"
#include "guest.h"
#include "relay.h"
#include "verbs.h"

typedef struct {
    Cli *cli;
    const char *id;
    Guest guest;
    GPtrArray *services; /* one for each address: GLib loses connections if one service has two */
    GMainLoop *loop;
    GError *end; /* why it ended */
} Forwarding;

/* A connection that the sandbox has not accepted yet. */
typedef struct {
    Forwarding *forwarding;
    GSocketConnection *client;
    guint16 port;
} Knock;

static void
knock_free(Knock *knock)
{
    g_object_unref(knock->client);
    g_free(knock);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Knock, knock_free)

static void
end(Forwarding *forwarding, GError *error)
{
    if (forwarding->end == NULL)
        forwarding->end = error;
    else
        g_error_free(error);
    g_main_loop_quit(forwarding->loop);
}

/* --- connections --- */

/* Ends one connection, or all of them if the sandbox or the service is gone. */
static void
refuse(const Knock *knock, GError *error)
{
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX) ||
        error->domain != CLOCHE_ERROR) {
        end(knock->forwarding, error);
        return;
    }
    client_tidy_error(error);
    cli_note("a connection to port %u was closed: %s", knock->port, error->message);
    g_error_free(error);
}

static GSocketConnection *
connection_from_fd(int fd, GError **error)
{
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);

    if (socket == NULL) {
        close(fd);
        return NULL;
    }
    return g_socket_connection_factory_create_connection(socket);
}

static void
on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Knock) knock = data;
    g_autoptr(GVariant) handle = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GSocketConnection) guest = NULL;
    GError *error = NULL;
    int fd = -1;

    if (cloche_sandbox_call_open_port_finish(CLOCHE_SANDBOX(source), &handle, &fds, result, &error))
        fd = guest_take_fd(handle, fds, &error);
    if (fd >= 0)
        guest = connection_from_fd(fd, &error);
    if (guest != NULL)
        relay_start(knock->client, guest);
    else
        refuse(knock, error);
}

static gboolean
on_incoming(GSocketService *service, GSocketConnection *client, GObject *source, gpointer data)
{
    Forwarding *forwarding = data;
    GVariantDict options;
    Knock *knock = g_new(Knock, 1);

    *knock = (Knock){
        .forwarding = forwarding,
        .client = g_object_ref(client),
        .port = GPOINTER_TO_UINT(g_object_get_data(source, "guest-port")),
    };
    g_variant_dict_init(&options, /* from= */ NULL);
    cloche_sandbox_call_open_port(forwarding->guest.sandbox, knock->port,
                                  g_variant_dict_end(&options), CLIENT_CALL, /* fds= */ NULL,
                                  forwarding->cli->interrupted, on_opened, knock);
    return TRUE;
}

/* --- listening --- */

static void
tell(const Forwarding *forwarding, GInetSocketAddress *address, guint16 guest_port)
{
    GSocketConnectable *connectable = G_SOCKET_CONNECTABLE(address);
    g_autofree char *text = g_socket_connectable_to_string(connectable);
    JsonObject *object;

    if (!forwarding->cli->json) {
        printf("Forwarding %s to port %u of %s\n", text, guest_port, forwarding->id);
        return;
    }
    object = json_object_new();
    json_object_set_string_member(object, "address", text);
    json_object_set_int_member(object, "port", g_inet_socket_address_get_port(address));
    json_object_set_int_member(object, "guest-port", guest_port);
    cli_print_object(object);
}

static gboolean
listen_on(Forwarding *forwarding, const char *word, GError **error)
{
    GSocketService *service = g_socket_service_new();
    g_auto(ForwardAddress) place = {0};
    g_autoptr(GSocketAddress) address = NULL, effective = NULL;
    g_autoptr(GObject) source = g_object_new(G_TYPE_OBJECT, NULL);

    g_ptr_array_add(forwarding->services, service);
    g_signal_connect(service, "incoming", G_CALLBACK(on_incoming), forwarding);
    if (!forward_address_parse(word, &place, error))
        return FALSE;
    address = g_inet_socket_address_new_from_string(place.host, place.port);
    g_object_set_data(source, "guest-port", GUINT_TO_POINTER((guint)place.guest_port));
    if (!g_socket_listener_add_address(G_SOCKET_LISTENER(service), address, G_SOCKET_TYPE_STREAM,
                                       G_SOCKET_PROTOCOL_TCP, source, &effective, error)) {
        g_prefix_error(error, "cannot listen on '%s': ", word);
        return FALSE;
    }
    tell(forwarding, G_INET_SOCKET_ADDRESS(effective), place.guest_port);
    return TRUE;
}

static gboolean
check_arguments(Cli *cli, GError **error)
{
    for (char **word = cli->arguments + 1; *word != NULL; word++) {
        g_auto(ForwardAddress) place = {0};

        if (!forward_address_parse(*word, &place, error))
            return FALSE;
    }
    return TRUE;
}

/* --- the end --- */

static void
on_removed(ClocheManager *manager, const char *id, const char *path, const char *reason,
           gpointer data)
{
    Forwarding *forwarding = data;

    if (g_str_equal(id, forwarding->id))
        end(forwarding, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                                    "the sandbox '%s' ended: %s", id, reason));
}

static void
on_interrupted(GCancellable *interrupted, gpointer data)
{
    Forwarding *forwarding = data;

    end(forwarding,
        g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "the forwarding was interrupted"));
}

static gboolean
serve(Forwarding *forwarding, GError **error)
{
    Cli *cli = forwarding->cli;
    gulong removed =
        g_signal_connect(cli->manager, "sandbox-removed", G_CALLBACK(on_removed), forwarding);
    gulong interrupted;
    gboolean is_good = TRUE;

    for (char **word = cli->arguments + 1; *word != NULL && is_good; word++)
        is_good = listen_on(forwarding, *word, error);
    if (is_good && cli_flush()) {
        interrupted = g_cancellable_connect(cli->interrupted, G_CALLBACK(on_interrupted),
                                            forwarding, /* destroy= */ NULL);
        g_main_loop_run(forwarding->loop);
        g_cancellable_disconnect(cli->interrupted, interrupted);
        g_propagate_error(error, g_steal_pointer(&forwarding->end));
    }
    g_signal_handler_disconnect(cli->manager, removed);
    return FALSE;
}

static int
run(Cli *cli, char **argv)
{
    Forwarding forwarding = {.cli = cli};
    g_autoptr(GError) error = NULL;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 2, /* max= */ G_MAXUINT,
                             &status))
        return status;
    if (!check_arguments(cli, &error))
        return cli_usage(cli, "%s", error->message);
    forwarding.id = cli->arguments[0];
    forwarding.loop = g_main_loop_new(/* context= */ NULL, /* is_running= */ FALSE);
    forwarding.services = g_ptr_array_new_with_free_func(g_object_unref);
    if (guest_open(&forwarding.guest, cli, forwarding.id, &error))
        serve(&forwarding, &error);
    status = error != NULL ? cli_fail(cli, error) : CLI_FAILED;
    g_ptr_array_unref(forwarding.services);
    g_main_loop_unref(forwarding.loop);
    guest_clear(&forwarding.guest);
    return status;
}

const Verb verb_forward = {
    .name = "forward",
    .synopsis = "ID [HOST:]PORT[:GUESTPORT]...",
    .summary = "Forward TCP ports of this machine to a sandbox.",
    .description =
        "Listens on HOST (default: 127.0.0.1; IPv6 as [::1]) until it is interrupted or the\n"
        "sandbox ends, and connects to GUESTPORT in the sandbox, or to the port of the same\n"
        "number. PORT 0 is any free port, which is printed.\n"
        "\n"
        "Examples:\n"
        "  cloche forward $id 8080\n"
        "  cloche forward $id 8080:80 [::1]:0:5432",
    .run = run,
};
