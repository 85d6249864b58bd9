/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* message: the answers that the service sends, and the size of messages. */
#include "message.h"

#include "closer.h"
#include "error.h"

#define FDS "cloche-fds" /* of a message that has arrived */
/* The header of an answer, with names and signature. */
#define HEADER_SIZE_MAX 1024u
/* A value on the bus is at most so many times larger than in a GVariant: an empty structure or
 * array needs one byte there, and is aligned to 8 bytes here. */
#define GROWTH_MAX 8u
/* Growth that is counted for a message that is small enough whatever its growth is. */
#define GROWTH_COUNTED_MAX (16u * 1024)
/* The same for an entry of a list, which has few values beside text. */
#define ENTRY_GROWTH 1024u

MessageAddress
message_address(const char *to, GDBusMessage *call)
{
    return (MessageAddress){
        .to = to,
        .serial = g_dbus_message_get_serial(call),
        .is_expected =
            (g_dbus_message_get_flags(call) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) == 0,
    };
}

static GDBusMessage *
message_to(const MessageAddress *address, GDBusMessageType type)
{
    GDBusMessage *message = g_dbus_message_new();

    g_dbus_message_set_message_type(message, type);
    g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    g_dbus_message_set_reply_serial(message, address->serial);
    g_dbus_message_set_destination(message, address->to);
    return message;
}

GDBusMessage *
message_answer(const MessageAddress *address, GVariant *value, GUnixFDList *fds)
{
    GDBusMessage *message = message_to(address, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);

    if (value)
        g_dbus_message_set_body(message, value);
    if (fds)
        g_dbus_message_set_unix_fd_list(message, fds);
    return message;
}

/* --- descriptors --- */

static void
close_fd(gpointer fd)
{
    closer_close(*(int *)fd);
}

void
message_take_fds(GDBusMessage *message)
{
    GUnixFDList *list = g_dbus_message_get_unix_fd_list(message);
    g_autofree int *fds = NULL;
    GArray *taken;
    int count;

    if (!list)
        return;
    fds = g_unix_fd_list_steal_fds(list, &count);
    taken = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_set_clear_func(taken, close_fd);
    g_array_append_vals(taken, fds, (guint)count);
    g_object_set_data_full(G_OBJECT(message), FDS, taken, (GDestroyNotify)g_array_unref);
}

guint
message_count_fds(GDBusMessage *message)
{
    const GArray *fds = g_object_get_data(G_OBJECT(message), FDS);

    return fds ? fds->len : 0;
}

GArray *
message_ref_fds(GDBusMessage *message)
{
    GArray *fds = g_object_get_data(G_OBJECT(message), FDS);

    return fds ? g_array_ref(fds) : NULL;
}

/* --- answers --- */

GDBusMessage *
message_error(const MessageAddress *address, const GError *error)
{
    GDBusMessage *message = message_to(address, G_DBUS_MESSAGE_TYPE_ERROR);
    g_autofree char *name = cloche_error_dbus_name(error);

    g_dbus_message_set_error_name(message, name);
    g_dbus_message_set_body(message, g_variant_new("(s)", error->message));
    return message;
}

gboolean
message_room_take(MessageRoom *room, GVariant *value)
{
    gsize size = g_variant_get_size(value) + ENTRY_GROWTH;

    if (size > room->left)
        return FALSE;
    room->left -= size;
    return TRUE;
}

gsize
message_size(GDBusMessage *message)
{
    GVariant *body = g_dbus_message_get_body(message);
    gsize size = body ? g_variant_get_size(body) : 0, exact;
    g_autofree guchar *blob = NULL;

    if (size > MESSAGE_SIZE_MAX)
        return size;
    if (size <= (MESSAGE_SIZE_MAX - HEADER_SIZE_MAX) / GROWTH_MAX - 1)
        return HEADER_SIZE_MAX + size + MIN(size, GROWTH_COUNTED_MAX);
    blob = g_dbus_message_to_blob(message, &exact, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
    return blob ? exact : G_MAXSIZE;
}

static gboolean
has_values(GVariant *value)
{
    const GVariantType *type = g_variant_get_type(value);

    if (!g_variant_is_container(value))
        return FALSE;
    return !g_variant_type_is_array(type) ||
           !g_variant_type_is_basic(g_variant_type_element(type)) ||
           g_variant_type_is_subtype_of(g_variant_type_element(type), G_VARIANT_TYPE_STRING) ||
           g_variant_type_is_subtype_of(g_variant_type_element(type), G_VARIANT_TYPE_OBJECT_PATH) ||
           g_variant_type_is_subtype_of(g_variant_type_element(type), G_VARIANT_TYPE_SIGNATURE);
}

gsize
message_weight(GVariant *value, gsize max)
{
    gsize weight = MESSAGE_VALUE_WEIGHT, children;

    if (!has_values(value))
        return weight + g_variant_get_size(value);
    children = g_variant_n_children(value);
    for (gsize i = 0; i < children && weight <= max; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

        weight += message_weight(child, max - weight);
    }
    return weight;
}
