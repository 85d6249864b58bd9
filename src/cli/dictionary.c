/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dictionary: lookups with a default. */
#include "dictionary.h"

const char *
dictionary_text(GVariant *dictionary, const char *key)
{
    const char *text = "";

    if (dictionary != NULL)
        g_variant_lookup(dictionary, key, "&s", &text);
    return text;
}

guint64
dictionary_number(GVariant *dictionary, const char *key)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(dictionary, key, /* type= */ NULL);

    if (value != NULL && g_variant_is_of_type(value, G_VARIANT_TYPE_UINT16))
        return g_variant_get_uint16(value);
    if (value != NULL && g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32))
        return g_variant_get_uint32(value);
    if (value != NULL && g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        return g_variant_get_uint64(value);
    return 0;
}
