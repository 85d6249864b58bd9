/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http-secret: a checked value, which is wiped at its end. */
#include "http-secret.h"

#include <string.h>

#include "error.h"

struct Secret {
    gatomicrefcount references;
    char *name, *header, *format;
    HttpFilter *filter;
    gboolean is_only_replaced;
    gsize value_size;
    guint8 *value;
};

static gboolean
refuse(GError **error, const char *name, const char *what)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "secret '%s': %s", name, what);
    return FALSE;
}

static gboolean
check(const char *name, const char *header, const char *format, gconstpointer value,
      gsize value_size, GError **error)
{
    if (!secret_name_is_valid(name))
        return refuse(error, name, "its name is not 1 to 64 letters, digits, '-' and '_'");
    if (!secret_header_is_valid(header))
        return refuse(error, name, "its header cannot be set");
    if (!secret_format_is_valid(format))
        return refuse(error, name, "its format does not contain \"%s\" once, and no other '%'");
    if (!secret_text_is_valid(value, value_size, SECRET_VALUE_MAX))
        return refuse(error, name,
                      "its value is empty or longer than 8 KiB, has a control character, or begins "
                      "or ends with a space");
    return TRUE;
}

Secret *
secret_new(const char *name, const char *header, const char *format, gconstpointer value,
           gsize value_size, const char *const *methods, const char *const *paths, GError **error)
{
    if (!check(name, header, format, value, value_size, error))
        return NULL;
    g_autoptr(HttpFilter) filter = http_filter_new(methods, paths, error);
    if (!filter) {
        g_prefix_error(error, "secret '%s': ", name);
        return NULL;
    }
    Secret *secret = g_new0(Secret, 1);
    g_atomic_ref_count_init(&secret->references);
    secret->name = g_strdup(name);
    secret->header = g_strdup(header);
    secret->format = g_strdup(format);
    secret->filter = g_steal_pointer(&filter);
    secret->value = g_memdup2(value, value_size);
    secret->value_size = value_size;
    return secret;
}

void
secret_only_replace(Secret *secret)
{
    secret->is_only_replaced = TRUE;
}

Secret *
secret_ref(Secret *secret)
{
    g_atomic_ref_count_inc(&secret->references);
    return secret;
}

void
secret_unref(Secret *secret)
{
    if (!secret || !g_atomic_ref_count_dec(&secret->references))
        return;
    explicit_bzero(secret->value, secret->value_size);
    g_free(secret->value);
    http_filter_unref(secret->filter);
    g_free(secret->name);
    g_free(secret->header);
    g_free(secret->format);
    g_free(secret);
}

const char *
secret_name(const Secret *secret)
{
    return secret->name;
}

const char *
secret_header(const Secret *secret)
{
    return secret->header;
}

const char *
secret_format(const Secret *secret)
{
    return secret->format;
}

const guint8 *
secret_value(const Secret *secret, gsize *ret_size)
{
    *ret_size = secret->value_size;
    return secret->value;
}

const HttpFilter *
secret_filter(const Secret *secret)
{
    return secret->filter;
}

gboolean
secret_is_only_replaced(const Secret *secret)
{
    return secret->is_only_replaced;
}
