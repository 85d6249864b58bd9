/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options: the service has the defaults. */
#include "options.h"

#include <string.h>

#include "text.h"

void
options_add_text(GVariantDict *options, const char *key, const char *text)
{
    if (text != NULL)
        g_variant_dict_insert(options, key, "s", text);
}

gboolean
options_add_timeout(GVariantDict *options, const char *text, GError **error)
{
    guint64 seconds;

    if (text == NULL)
        return TRUE;
    if (!text_to_seconds(text, &seconds, error))
        return FALSE;
    if (seconds == TEXT_FOREVER)
        return TRUE;
    g_variant_dict_insert(options, "timeout", "t", seconds);
    return TRUE;
}

gboolean
options_add_lifetime(GVariantDict *options, const char *text, GError **error)
{
    guint64 seconds;

    if (text == NULL)
        return TRUE;
    if (!options_to_lifetime(text, &seconds, error))
        return FALSE;
    g_variant_dict_insert(options, "timeout", "t", seconds);
    return TRUE;
}

gboolean
options_to_lifetime(const char *text, guint64 *ret_seconds, GError **error)
{
    guint64 seconds;

    if (!text_to_seconds(text, &seconds, error))
        return FALSE;
    if (seconds == TEXT_FOREVER) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s': the lifetime of a sandbox is limited; 'cloche status' shows the limit",
                    text);
        return FALSE;
    }
    *ret_seconds = seconds;
    return TRUE;
}

gboolean
options_add_pairs(GVariantDict *options, const char *key, char **texts, GError **error)
{
    GVariant *pairs;

    if (texts == NULL)
        return TRUE;
    pairs = text_to_pairs((const char *const *)texts, error);
    if (pairs == NULL)
        return FALSE;
    g_variant_dict_insert_value(options, key, pairs);
    return TRUE;
}

gboolean
options_add_environment(GVariantDict *options, char **texts, GError **error)
{
    g_autoptr(GStrvBuilder) pairs = g_strv_builder_new();
    g_auto(GStrv) all = NULL;

    for (; texts != NULL && *texts != NULL; texts++) {
        gboolean is_name = **texts != '\0' && strchr(*texts, '=') == NULL;
        const char *value = is_name ? g_getenv(*texts) : NULL;
        g_autofree char *pair =
            value != NULL ? g_strconcat(*texts, "=", value, NULL) : g_strdup(*texts);

        if (!is_name || value != NULL)
            g_strv_builder_add(pairs, pair);
    }
    all = g_strv_builder_end(pairs);
    return *all == NULL || options_add_pairs(options, "environment", all, error);
}
