/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-message: messages are measured as they are sent, and arguments as they are kept. */
#include "message.h"

static const MessageAddress address = {.to = ":1.1", .serial = 1, .is_expected = TRUE};

static gsize
size_on_bus(GDBusMessage *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree guchar *blob = NULL;
    gsize size;

    g_dbus_message_set_serial(message, 1);
    blob = g_dbus_message_to_blob(message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
    g_assert_no_error(error);
    return size;
}

static GDBusMessage *
message_of(const char *type, guint count, GVariant *child)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(child);
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE(type));
    for (guint i = 0; i < count; i++)
        g_variant_builder_add_value(&list, sunk);
    return message_answer(&address, g_variant_new("(@*)", g_variant_builder_end(&list)), NULL);
}

/* Text needs hardly more on the bus than in a GVariant. */
static void
test_text(void)
{
    g_autofree char *text = g_strnfill(MESSAGE_SIZE_MAX - 4096, 'x');
    g_autofree char *longer = g_strnfill(MESSAGE_SIZE_MAX, 'x');
    g_autoptr(GDBusMessage) fits = message_answer(&address, g_variant_new("(s)", text), NULL);
    g_autoptr(GDBusMessage) too_large =
        message_answer(&address, g_variant_new("(s)", longer), NULL);

    g_assert_cmpuint(message_size(fits), <=, MESSAGE_SIZE_MAX);
    g_assert_cmpuint(message_size(fits), ==, size_on_bus(fits));
    g_assert_cmpuint(message_size(too_large), >, MESSAGE_SIZE_MAX);
}

/* Values that grow: what is small as a GVariant is found to be too large all the same. */
static void
test_growth(void)
{
    g_autoptr(GDBusMessage) booleans =
        message_of("ab", MESSAGE_SIZE_MAX / 4, g_variant_new_boolean(TRUE));
    g_autoptr(GDBusMessage) structures =
        message_of("a(y)", MESSAGE_SIZE_MAX / 8, g_variant_new("(y)", 1));
    g_autoptr(GDBusMessage) lists =
        message_of("a(ay)", MESSAGE_SIZE_MAX / 8, g_variant_new("(ay)", NULL));

    g_assert_cmpuint(size_on_bus(booleans), >, MESSAGE_SIZE_MAX);
    g_assert_cmpuint(message_size(booleans), >, MESSAGE_SIZE_MAX);
    g_assert_cmpuint(message_size(structures), >, MESSAGE_SIZE_MAX);
    g_assert_cmpuint(message_size(lists), >, MESSAGE_SIZE_MAX);
}

static void
test_room(void)
{
    g_autofree char *text = g_strnfill(MESSAGE_LIST_MAX / 4, 'x');
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_string(text));
    MessageRoom room = {MESSAGE_LIST_MAX};
    guint count = 0;

    while (message_room_take(&room, value))
        count++;
    g_assert_cmpuint(count, ==, 3);
}

static void
test_weight(void)
{
    static const guint8 bytes[1000];
    g_autoptr(GVariant) fixed =
        g_variant_ref_sink(g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, sizeof bytes, 1));
    g_autoptr(GVariant) strings = g_variant_ref_sink(g_variant_new_parsed("['a', 'b', '']"));
    g_autoptr(GVariant) dict = g_variant_ref_sink(g_variant_new_parsed("{'key': <uint32 5>}"));

    g_assert_cmpuint(message_weight(fixed, G_MAXSIZE), ==, MESSAGE_VALUE_WEIGHT + 1000);
    g_assert_cmpuint(message_weight(strings, G_MAXSIZE), ==, 4 * MESSAGE_VALUE_WEIGHT + 2 + 2 + 1);
    /* The dictionary, its entry, the key, the variant and the number. */
    g_assert_cmpuint(message_weight(dict, G_MAXSIZE), ==, 5 * MESSAGE_VALUE_WEIGHT + 4 + 4);
    g_assert_cmpuint(message_weight(strings, MESSAGE_VALUE_WEIGHT), <, 4 * MESSAGE_VALUE_WEIGHT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/message/text", test_text);
    g_test_add_func("/message/growth", test_growth);
    g_test_add_func("/message/room", test_room);
    g_test_add_func("/message/weight", test_weight);
    return g_test_run();
}
