/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secret-text: what the texts of a secret may be, without its value. */
#include "secret-text.h"

#include <string.h>

#include "http-head.h"

gboolean
secret_name_is_valid(const char *name)
{
    gsize size = strlen(name);

    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isalnum(name[i]) && name[i] != '-' && name[i] != '_')
            return FALSE;
    return size > 0 && size <= SECRET_NAME_MAX;
}

gboolean
secret_header_is_valid(const char *header)
{
    HttpText name = {header, strlen(header)};

    return name.size <= SECRET_HEADER_MAX && http_name_is_valid(name) &&
           http_field_kind(name) == HTTP_FIELD_OTHER;
}

gboolean
secret_text_is_valid(const void *text, gsize size, gsize size_max)
{
    const guint8 *bytes = text;

    for (gsize i = 0; i < size; i++)
        if (bytes[i] < 0x20 || bytes[i] == 0x7f)
            return FALSE;
    return size > 0 && size <= size_max && bytes[0] != ' ' && bytes[size - 1] != ' ';
}

gboolean
secret_format_is_valid(const char *format)
{
    const char *percent = strchr(format, '%');

    return secret_text_is_valid(format, strlen(format), SECRET_FORMAT_MAX) && percent &&
           percent[1] == 's' && !strchr(percent + 1, '%');
}
