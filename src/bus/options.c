/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options: checks and reads the a{sv} of a call. */
#include "options.h"

#include <string.h>

#include "error.h"
#include "sandbox.h"

#define SHOWN_MAX 64 /* bytes of the caller's text that an error quotes */

#define INVALID(error, ...)                                                                        \
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

static const Option *
find_option(const Option *known, const char *key)
{
    for (; known->key; known++)
        if (g_str_equal(known->key, key))
            return known;
    return NULL;
}

static char *
shorten(const char *text)
{
    const char *end;

    g_utf8_validate_len(text, MIN(strlen(text), SHOWN_MAX), &end);
    return g_strndup(text, (gsize)(end - text));
}

/* Adds the type name that gdbus(1) expects before a number: 't' (uint64). */
static char *
describe_type(const char *type)
{
    static const char *const names[][2] = {
        {"b", "boolean"}, {"y", "byte"},  {"n", "int16"},  {"q", "uint16"}, {"i", "int32"},
        {"u", "uint32"},  {"x", "int64"}, {"t", "uint64"}, {"d", "double"}, {"s", "string"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_str_equal(type, names[i][0]))
            return g_strdup_printf("'%s' (%s)", type, names[i][1]);
    return g_strdup_printf("'%s'", type);
}

static char *
describe_types(char **types)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) all = NULL;

    for (; *types; types++) {
        g_autofree char *one = describe_type(*types);

        g_strv_builder_add(builder, one);
    }
    all = g_strv_builder_end(builder);
    return g_strjoinv(" or ", all);
}

static gboolean
check_one(const Option *known, const char *key, GVariant *value, GError **error)
{
    const Option *option = find_option(known, key);
    g_autofree char *shown = shorten(key);
    g_auto(GStrv) types = NULL;
    g_autofree char *expected = NULL;
    g_autofree char *given = NULL;

    if (!option) {
        INVALID(error, "unknown option '%s'", shown);
        return FALSE;
    }
    types = g_strsplit(option->type, "|", -1);
    if (g_strv_contains((const char *const *)types, g_variant_get_type_string(value)))
        return TRUE;
    expected = describe_types(types);
    given = describe_type(g_variant_get_type_string(value));
    INVALID(error, "option '%s' must be of the type %s, not %s", shown, expected, given);
    return FALSE;
}

gboolean
options_check(GVariant *options, const Option *known, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GVariantIter iter;
    const char *key;
    GVariant *boxed;

    g_variant_iter_init(&iter, options);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &boxed)) {
        g_autoptr(GVariant) value = boxed;

        if (!check_one(known, key, value, error))
            return FALSE;
        if (!g_hash_table_add(seen, (gpointer)key)) {
            INVALID(error, "option '%s' is given twice", key);
            return FALSE;
        }
    }
    return TRUE;
}

/* Returns the entries of an a{ss} as one vector, sorted by key. NULL with an error when a key is
 * given twice. */
static GPtrArray *
sorted_pairs(GVariant *options, const char *key, GError **error)
{
    g_autoptr(GVariant) dict = g_variant_lookup_value(options, key, G_VARIANT_TYPE("a{ss}"));
    g_autoptr(GTree) tree = g_tree_new((GCompareFunc)strcmp);
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);
    GVariantIter iter;
    const char *name, *value;

    if (!dict)
        return g_steal_pointer(&pairs);
    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_next(&iter, "{&s&s}", &name, &value)) {
        if (g_tree_lookup_extended(tree, name, NULL, NULL)) {
            g_autofree char *shown = shorten(name);

            INVALID(error, "%s: '%s' is given twice", key, shown);
            return NULL;
        }
        g_tree_insert(tree, (gpointer)name, (gpointer)value);
    }
    for (GTreeNode *node = g_tree_node_first(tree); node; node = g_tree_node_next(node)) {
        g_ptr_array_add(pairs, g_strdup(g_tree_node_key(node)));
        g_ptr_array_add(pairs, g_strdup(g_tree_node_value(node)));
    }
    return g_steal_pointer(&pairs);
}

static char **
end_vector(GPtrArray *strings)
{
    g_ptr_array_add(strings, NULL);
    return (char **)g_ptr_array_steal(strings, NULL);
}

char **
options_environment(GVariant *options, const char *key, GError **error)
{
    g_autoptr(GPtrArray) pairs = sorted_pairs(options, key, error);
    g_autoptr(GPtrArray) environment = g_ptr_array_new_with_free_func(g_free);
    gsize size = 0;

    if (!pairs)
        return NULL;
    if (pairs->len / 2 > OPTION_ENVIRONMENT_MAX) {
        INVALID(error, "%s: at most %u entries, not %u", key, OPTION_ENVIRONMENT_MAX,
                pairs->len / 2);
        return NULL;
    }
    for (guint i = 0; i < pairs->len; i += 2) {
        const char *name = pairs->pdata[i], *value = pairs->pdata[i + 1];

        if (*name == '\0' || strchr(name, '=')) {
            g_autofree char *shown = shorten(name);

            INVALID(error, "%s: '%s' is not a name of a variable", key, shown);
            return NULL;
        }
        size += strlen(name) + strlen(value) + 2;
        g_ptr_array_add(environment, g_strconcat(name, "=", value, NULL));
    }
    if (size > OPTION_ENVIRONMENT_SIZE_MAX) {
        INVALID(error, "%s: at most %u bytes in all, not %zu", key, OPTION_ENVIRONMENT_SIZE_MAX,
                size);
        return NULL;
    }
    return end_vector(environment);
}

char **
options_metadata(GVariant *options, const char *key, GError **error)
{
    g_autoptr(GPtrArray) pairs = sorted_pairs(options, key, error);

    if (!pairs)
        return NULL;
    if (pairs->len / 2 > SANDBOX_METADATA_MAX) {
        INVALID(error, "%s: at most %d entries, not %u", key, SANDBOX_METADATA_MAX, pairs->len / 2);
        return NULL;
    }
    for (guint i = 0; i < pairs->len; i += 2) {
        gsize name_size = strlen(pairs->pdata[i]), value_size = strlen(pairs->pdata[i + 1]);
        g_autofree char *shown = shorten(pairs->pdata[i]);

        if (name_size < 1 || name_size > SANDBOX_METADATA_KEY_MAX) {
            INVALID(error, "%s: a key must have 1 to %d bytes: '%s' has %zu", key,
                    SANDBOX_METADATA_KEY_MAX, shown, name_size);
            return NULL;
        }
        if (value_size > SANDBOX_METADATA_VALUE_MAX) {
            INVALID(error, "%s: the value of '%s' has %zu bytes: at most %d", key, shown,
                    value_size, SANDBOX_METADATA_VALUE_MAX);
            return NULL;
        }
    }
    return end_vector(pairs);
}

gboolean
name_check(const char *key, const char *name, GError **error)
{
    if (g_utf8_strlen(name, -1) > SANDBOX_NAME_MAX) {
        INVALID(error, "%s: at most %d characters, not %ld", key, SANDBOX_NAME_MAX,
                g_utf8_strlen(name, -1));
        return FALSE;
    }
    for (const char *c = name; *c; c = g_utf8_next_char(c))
        if (g_unichar_iscntrl(g_utf8_get_char(c))) {
            INVALID(error, "%s: control characters are not allowed", key);
            return FALSE;
        }
    return TRUE;
}

char *
options_name(GVariant *options, const char *key, GError **error)
{
    const char *name = "";

    g_variant_lookup(options, key, "&s", &name);
    return name_check(key, name, error) ? g_strdup(name) : NULL;
}

gboolean
argv_check(const char *const *argv, GError **error)
{
    gsize count = g_strv_length((char **)argv), size = 0;

    if (count == 0 || *argv[0] == '\0')
        INVALID(error, "argv: it must begin with a program");
    else if (count > OPTION_ARGV_MAX)
        INVALID(error, "argv: at most %u arguments, not %zu", OPTION_ARGV_MAX, count);
    else {
        for (; *argv; argv++)
            size += strlen(*argv) + 1;
        if (size <= OPTION_ARGV_SIZE_MAX)
            return TRUE;
        INVALID(error, "argv: at most %u bytes in all, not %zu", OPTION_ARGV_SIZE_MAX, size);
    }
    return FALSE;
}

gboolean
code_check(const char *code, GError **error)
{
    gsize size = strlen(code);

    if (size <= OPTION_CODE_MAX)
        return TRUE;
    INVALID(error, "code: at most %u bytes, not %zu", OPTION_CODE_MAX, size);
    return FALSE;
}

/* --- files --- */

static gboolean
check_path(const char *name, const char *path, gsize size, GError **error)
{
    if (size == 0)
        INVALID(error, "%s: it must not be empty", name);
    else if (size > OPTION_PATH_MAX)
        INVALID(error, "%s: at most %u bytes, not %zu", name, OPTION_PATH_MAX, size);
    else if (memchr(path, '\0', size))
        INVALID(error, "%s: a path cannot contain a zero byte", name);
    else
        return TRUE;
    return FALSE;
}

char *
options_path(const char *name, const char *argument, GVariant *options, const char *bytes_key,
             GError **error)
{
    g_autoptr(GVariant) bytes =
        g_variant_lookup_value(options, bytes_key, G_VARIANT_TYPE_BYTESTRING);
    const char *path = argument;
    gsize size = strlen(argument);

    if (bytes && size > 0) {
        INVALID(error, "%s: it must be empty where the option %s is given", name, bytes_key);
        return NULL;
    }
    if (bytes)
        path = g_variant_get_fixed_array(bytes, &size, 1);
    return check_path(name, path, size, error) ? g_strndup(path, size) : NULL;
}

char *
mode_text(const char *name, guint32 mode, GError **error)
{
    if (mode <= OPTION_MODE_MAX)
        return g_strdup_printf("%o", mode);
    INVALID(error, "%s: at most 0%o, not 0%o", name, OPTION_MODE_MAX, mode);
    return NULL;
}

char *
options_mode(GVariant *options, const char *key, GError **error)
{
    guint32 mode;

    if (!g_variant_lookup(options, key, "u", &mode))
        return g_strdup("");
    return mode_text(key, mode, error);
}

const char *
options_flag(GVariant *options, const char *key, gboolean preset)
{
    g_variant_lookup(options, key, "b", &preset);
    return preset ? "1" : "0";
}

char *
options_number(GVariant *options, const char *key)
{
    guint64 number;

    if (!g_variant_lookup(options, key, "t", &number))
        return g_strdup("");
    return g_strdup_printf("%" G_GUINT64_FORMAT, number);
}
