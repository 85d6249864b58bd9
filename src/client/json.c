/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json: a GVariant as JSON. json-glib's own conversion would make an array of numbers of bytes. */
#include "json.h"

#include <math.h>

static JsonNode *
string_node(const char *text)
{
    return json_node_init_string(json_node_alloc(), text);
}

static JsonNode *
bytes_node(GVariant *value)
{
    gsize size;
    const guchar *bytes = g_variant_get_fixed_array(value, &size, 1);
    g_autofree char *base64 = g_base64_encode(bytes, size);

    return string_node(base64);
}

static JsonNode *
int_node(gint64 number)
{
    return json_node_init_int(json_node_alloc(), number);
}

/* json-glib's integers have a sign: a larger number keeps its digits as text. */
static JsonNode *
uint64_node(guint64 number)
{
    g_autofree char *digits = NULL;

    if (number <= G_MAXINT64)
        return int_node(number);
    digits = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    return string_node(digits);
}

static JsonNode *
double_node(double number)
{
    if (!isfinite(number))
        return json_node_init_null(json_node_alloc());
    return json_node_init_double(json_node_alloc(), number);
}

static JsonNode *
array_node(GVariant *value)
{
    JsonArray *array = json_array_new();
    JsonNode *node;
    GVariantIter iter;
    GVariant *child;

    g_variant_iter_init(&iter, value);
    while ((child = g_variant_iter_next_value(&iter)) != NULL) {
        json_array_add_element(array, json_from_variant(child));
        g_variant_unref(child);
    }
    node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    return node;
}

static JsonNode *
object_node(GVariant *value)
{
    JsonObject *object = json_object_new();
    JsonNode *node;
    GVariantIter iter;
    GVariant *entry;

    g_variant_iter_init(&iter, value);
    while ((entry = g_variant_iter_next_value(&iter)) != NULL) {
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) child = g_variant_get_child_value(entry, 1);

        json_object_set_member(object, g_variant_get_string(key, NULL), json_from_variant(child));
        g_variant_unref(entry);
    }
    node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

static JsonNode *
container_node(GVariant *value)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_BYTESTRING))
        return bytes_node(value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE("a{s*}")))
        return object_node(value);
    return array_node(value);
}

JsonNode *
json_from_variant(GVariant *value)
{
    g_autoptr(GVariant) inner = NULL;

    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_BOOLEAN:
        return json_node_init_boolean(json_node_alloc(), g_variant_get_boolean(value));
    case G_VARIANT_CLASS_BYTE:
        return int_node(g_variant_get_byte(value));
    case G_VARIANT_CLASS_INT16:
        return int_node(g_variant_get_int16(value));
    case G_VARIANT_CLASS_UINT16:
        return int_node(g_variant_get_uint16(value));
    case G_VARIANT_CLASS_INT32:
        return int_node(g_variant_get_int32(value));
    case G_VARIANT_CLASS_HANDLE:
        return int_node(g_variant_get_handle(value));
    case G_VARIANT_CLASS_UINT32:
        return int_node(g_variant_get_uint32(value));
    case G_VARIANT_CLASS_INT64:
        return int_node(g_variant_get_int64(value));
    case G_VARIANT_CLASS_UINT64:
        return uint64_node(g_variant_get_uint64(value));
    case G_VARIANT_CLASS_DOUBLE:
        return double_node(g_variant_get_double(value));
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
        return string_node(g_variant_get_string(value, NULL));
    case G_VARIANT_CLASS_VARIANT:
        inner = g_variant_get_variant(value);
        return json_from_variant(inner);
    default:
        return container_node(value);
    }
}

JsonNode *
json_from_error(const char *name, const char *message)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "error");
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "name");
    json_builder_add_string_value(builder, name);
    json_builder_set_member_name(builder, "message");
    json_builder_add_string_value(builder, message);
    json_builder_end_object(builder);
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}

char *
json_to_line(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, /* pretty= */ FALSE);

    json_node_unref(node);
    return g_strconcat(text, "\n", NULL);
}
