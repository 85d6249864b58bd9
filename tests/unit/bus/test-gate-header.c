/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-gate-header: which messages the gate refuses to whom, whatever a stranger wrote. */
#include "gate-header.h"

#include <string.h>

#define MOST 1000u

typedef struct {
    guint8 *bytes;
    gsize size;
} Blob;

static void
blob_clear(Blob *blob)
{
    g_free(blob->bytes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Blob, blob_clear)

static Blob
pack(GDBusMessage *message, GDBusMessageByteOrder order)
{
    Blob blob;

    g_dbus_message_set_serial(message, 77);
    g_dbus_message_set_byte_order(message, order);
    blob.bytes = g_dbus_message_to_blob(message, &blob.size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
    g_assert_nonnull(blob.bytes);
    return blob;
}

static GDBusMessage *
call_from(const char *sender)
{
    GDBusMessage *message = g_dbus_message_new_method_call("org.cloche1", "/org/cloche1",
                                                           "org.cloche1.Manager", "RunCode");

    if (sender)
        g_dbus_message_set_sender(message, sender);
    g_dbus_message_set_body(message, g_variant_new("(ssu)", "python", "1", 5));
    return message;
}

static GDBusMessage *
refuse(const Blob *blob)
{
    GateSize size;

    g_assert_true(gate_header_size(blob->bytes, &size));
    g_assert_cmpuint(size.all, ==, blob->size);
    g_assert_cmpuint(size.header, <, size.all);
    return gate_header_refuse(blob->bytes, size.header, MOST);
}

static void
test_call(gconstpointer order)
{
    g_autoptr(GDBusMessage) call = call_from(":1.23");
    g_auto(Blob) blob = pack(call, GPOINTER_TO_INT(order));
    g_autoptr(GDBusMessage) answer = refuse(&blob);

    g_assert_nonnull(answer);
    g_assert_cmpstr(g_dbus_message_get_destination(answer), ==, ":1.23");
    g_assert_cmpuint(g_dbus_message_get_reply_serial(answer), ==, 77);
    g_assert_cmpstr(g_dbus_message_get_error_name(answer), ==, "org.cloche1.Error.InvalidArgument");
    g_assert_cmpstr(g_dbus_message_get_arg0(answer), ==,
                    "the arguments of RunCode are too large: a message may have 1000 bytes");
}

static void
test_no_answer(void)
{
    g_autoptr(GDBusMessage) silent = call_from(":1.23"), nobodys = call_from(NULL),
                            named = call_from("org.cloche1"), signal = NULL;
    GDBusMessage *messages[4];

    g_dbus_message_set_flags(silent, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    signal = g_dbus_message_new_signal("/", "a.b", "C");
    g_dbus_message_set_sender(signal, ":1.23");
    g_dbus_message_set_body(signal, g_variant_new("(s)", "x"));
    messages[0] = silent, messages[1] = nobodys, messages[2] = named, messages[3] = signal;
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        g_auto(Blob) blob = pack(messages[i], G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN);

        g_assert_null(refuse(&blob));
    }
}

static void
test_other_protocols(void)
{
    GateSize size;

    g_assert_false(gate_header_size((const guint8 *)"GET / HTTP/1.1\r\n", &size));
    g_assert_false(gate_header_size((const guint8 *)"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", &size));
}

/* The largest figures that fit do not overflow. */
static void
test_largest(void)
{
    guint8 bytes[GATE_HEADER_FIXED];
    GateSize size;

    memset(bytes, 0xff, sizeof(bytes));
    bytes[0] = 'l';
    g_assert_true(gate_header_size(bytes, &size));
    g_assert_cmpuint(size.header, ==, 16 + ((guint64)1 << 32));
    g_assert_cmpuint(size.all, ==, size.header + G_MAXUINT32);
}

/* Each byte of the header gets other values, and the header ends anywhere. */
static void
test_damaged(void)
{
    g_autoptr(GDBusMessage) call = call_from(":1.23");
    g_auto(Blob) blob = pack(call, G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN);
    GateSize size;

    g_assert_true(gate_header_size(blob.bytes, &size));
    for (gsize at = 0; at < size.header; at++)
        for (guint value = 0; value < 256; value++) {
            g_autofree guint8 *damaged = g_memdup2(blob.bytes, size.header);

            damaged[at] = (guint8)value;
            g_clear_object(&(GDBusMessage *){gate_header_refuse(damaged, size.header, MOST)});
        }
    for (gsize end = GATE_HEADER_FIXED; end < size.header; end++) {
        g_autofree guint8 *cut = g_memdup2(blob.bytes, end);

        g_clear_object(&(GDBusMessage *){gate_header_refuse(cut, end, MOST)});
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/gate-header/call",
                         GINT_TO_POINTER(G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN), test_call);
    g_test_add_data_func("/gate-header/call-big-endian",
                         GINT_TO_POINTER(G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN), test_call);
    g_test_add_func("/gate-header/no-answer", test_no_answer);
    g_test_add_func("/gate-header/other-protocols", test_other_protocols);
    g_test_add_func("/gate-header/largest", test_largest);
    g_test_add_func("/gate-header/damaged", test_damaged);
    return g_test_run();
}
