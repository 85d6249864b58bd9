/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* deaf-client: a connection to the bus that sends calls and reads nothing until it is told to. */
#include "deaf-client.h"

#include <gio/gunixconnection.h>
#include <gio/gunixfdmessage.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define SERVICE "org.cloche1"
#define FILLING_CALLS 400

struct DeafClient {
    GSocket *socket;
    guint32 serial;
    GByteArray *read; /* an incomplete message */
    gboolean answers_pings;
};

/* --- bytes --- */

static void
send_all(DeafClient *client, const void *data, gsize size)
{
    const char *next = data;
    g_autoptr(GError) error = NULL;

    while (size > 0) {
        gssize sent = g_socket_send(client->socket, next, size, NULL, &error);

        g_assert_no_error(error);
        next += sent;
        size -= (gsize)sent;
    }
}

/* Appends what arrives; returns the number of descriptors that came with it. */
static guint
receive(DeafClient *client)
{
    static char chunk[65536];
    char control[CMSG_SPACE(sizeof(int) * 64)];
    struct iovec bytes = {chunk, sizeof chunk};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t size;
    guint fds = 0;

    g_assert_true(
        g_socket_condition_timed_wait(client->socket, G_IO_IN, 30 * G_USEC_PER_SEC, NULL, NULL));
    size = recvmsg(g_socket_get_fd(client->socket), &message, MSG_CMSG_CLOEXEC);
    g_assert_cmpint(size, >, 0);
    g_byte_array_append(client->read, (const guint8 *)chunk, (guint)size);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        int *all = (int *)CMSG_DATA(c);
        guint count = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (guint i = 0; i < count; i++)
            close(all[i]);
        fds += count;
    }
    return fds;
}

/* --- messages --- */

static guint32
send_message(DeafClient *client, GDBusMessage *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree guchar *blob = NULL;
    gsize size;

    g_dbus_message_set_serial(message, ++client->serial);
    blob = g_dbus_message_to_blob(message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
    g_assert_no_error(error);
    send_all(client, blob, size);
    return client->serial;
}

static guint32
call_bus(DeafClient *client, const char *method, GVariant *arguments)
{
    g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(
        BUS, BUS_PATH, strchr(method, '.') ? BUS ".Introspectable" : BUS,
        strchr(method, '.') ? strchr(method, '.') + 1 : method);

    if (arguments)
        g_dbus_message_set_body(message, arguments);
    return send_message(client, message);
}

/* Returns the next message, and its size. */
static GDBusMessage *
next_message(DeafClient *client, DeafCount *count, gsize *ret_size)
{
    g_autoptr(GError) error = NULL;
    GDBusMessage *message;
    gssize needed;

    while (client->read->len < 16 ||
           (needed = g_dbus_message_bytes_needed(client->read->data, client->read->len, NULL)) >
               (gssize)client->read->len)
        count->fds += receive(client);
    message = g_dbus_message_new_from_blob(client->read->data, (gsize)needed,
                                           G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
    g_assert_no_error(error);
    g_byte_array_remove_range(client->read, 0, (guint)needed);
    *ret_size = (gsize)needed;
    return message;
}

void
deaf_client_answer_pings(DeafClient *client)
{
    client->answers_pings = TRUE;
}

static void
answer_ping(DeafClient *client, GDBusMessage *ping)
{
    g_autoptr(GDBusMessage) answer = g_dbus_message_new_method_reply(ping);

    send_message(client, answer);
}

/* Reads up to the answer of the bus with this serial, which is returned. */
static GDBusMessage *
read_to(DeafClient *client, guint32 serial, DeafCount *count)
{
    for (;;) {
        gsize size;
        g_autoptr(GDBusMessage) message = next_message(client, count, &size);
        GDBusMessageType type = g_dbus_message_get_message_type(message);
        gboolean is_of_bus = g_strcmp0(g_dbus_message_get_sender(message), BUS) == 0;

        if (is_of_bus && g_dbus_message_get_reply_serial(message) == serial)
            return g_steal_pointer(&message);
        if (is_of_bus)
            continue;
        if (type == G_DBUS_MESSAGE_TYPE_METHOD_CALL && client->answers_pings)
            answer_ping(client, message);
        count->bytes += size;
        count->answers += type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN;
        count->errors += type == G_DBUS_MESSAGE_TYPE_ERROR;
    }
}

void
deaf_client_call(DeafClient *client, const char *object, const char *method, const char *words, ...)
{
    const char *dot = strrchr(method, '.');
    g_autofree char *interface = g_strndup(method, (gsize)(dot - method));
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(SERVICE, object, interface, dot + 1);
    va_list ap;

    va_start(ap, words);
    g_dbus_message_set_body(message, g_variant_new_parsed_va(words, &ap));
    va_end(ap);
    send_message(client, message);
}

void
deaf_client_fill(DeafClient *client)
{
    for (guint i = 0; i < FILLING_CALLS; i++)
        call_bus(client, "Introspectable.Introspect", NULL);
}

void
deaf_client_wait_for_bus(DeafClient *client)
{
    DeafCount count = {0};

    g_object_unref(read_to(client, call_bus(client, "GetId", NULL), &count));
    g_assert_cmpuint(count.bytes, ==, 0);
}

DeafCount
deaf_client_drain(DeafClient *client)
{
    DeafCount count = {0};

    g_object_unref(read_to(client, call_bus(client, "GetId", NULL), &count));
    return count;
}

/* --- life --- */

static void
say(DeafClient *client, const char *line, const char *answer)
{
    char text[256];
    gssize size;

    send_all(client, line, strlen(line));
    if (!answer)
        return;
    size = g_socket_receive(client->socket, text, sizeof text - 1, NULL, NULL);
    g_assert_cmpint(size, >, 0);
    text[size] = '\0';
    g_assert_true(g_str_has_prefix(text, answer));
}

DeafClient *
deaf_client_new(Fixture *fixture, uid_t uid)
{
    DeafClient *client = g_new0(DeafClient, 1);
    g_autofree char *path = g_build_filename(fixture->dir, "bus", NULL);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GString) hello = g_string_new("AUTH EXTERNAL ");
    g_autofree char *number = g_strdup_printf("%u", uid);
    g_autoptr(GError) error = NULL;
    DeafCount count = {0};

    client->read = g_byte_array_new();
    client->socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
    g_assert_no_error(error);
    g_assert_cmpint(seteuid(uid), ==, 0);
    g_socket_connect(client->socket, address, NULL, &error);
    g_assert_cmpint(seteuid(0), ==, 0);
    prctl(PR_SET_DUMPABLE, 1); /* as in fixture_connect() */
    g_assert_no_error(error);
    for (const char *c = number; *c; c++)
        g_string_append_printf(hello, "%02x", *c);
    g_string_append(hello, "\r\n");
    send_all(client, "", 1);
    say(client, hello->str, "OK ");
    say(client, "NEGOTIATE_UNIX_FD\r\n", "AGREE_UNIX_FD");
    say(client, "BEGIN\r\n", NULL);
    g_object_unref(read_to(client, call_bus(client, "Hello", NULL), &count));
    return client;
}

void
deaf_client_free(DeafClient *client)
{
    g_object_unref(client->socket);
    g_byte_array_unref(client->read);
    g_free(client);
}
