/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source-text: the service takes UTF-8 text, which cannot have zero bytes on D-Bus. */
#include <string.h>

#include "source.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static void G_GNUC_PRINTF(2, 3) set_no_code(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error != NULL)
        *error = g_error_new_valist(G_OPTION_ERROR, G_OPTION_ERROR_FAILED, format, arguments);
    va_end(arguments);
}

static gboolean
begins_with(const char *bytes, gsize size, const char *start)
{
    return size >= strlen(start) && memcmp(bytes, start, strlen(start)) == 0;
}

char *
source_text(const char *bytes, gsize size, const char *what, GError **error)
{
    if (begins_with(bytes, size, "\xff\xfe") || begins_with(bytes, size, "\xfe\xff")) {
        set_no_code(error, "%s is UTF-16, not UTF-8 text: 'iconv -f UTF-16 -t UTF-8' converts it",
                    what);
        return NULL;
    }
    if (memchr(bytes, '\0', size) != NULL) {
        set_no_code(error, "%s is not text: it has a zero byte", what);
        return NULL;
    }
    if (!g_utf8_validate_len(bytes, size, /* end= */ NULL)) {
        set_no_code(error, "%s is not UTF-8 text", what);
        return NULL;
    }
    if (begins_with(bytes, size, BYTE_ORDER_MARK)) {
        bytes += strlen(BYTE_ORDER_MARK);
        size -= strlen(BYTE_ORDER_MARK);
    }
    return g_strndup(bytes, size);
}
