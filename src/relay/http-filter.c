/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http-filter: what a path must look like so that no two servers read it differently. */
#include "http-filter.h"

#include <string.h>

#include "error.h"

#define ENTRIES_MAX 64u
#define PATH_MAX_BYTES 4096u

struct HttpFilter {
    gatomicrefcount references;
    char **methods, **paths; /* NULL: all */
};

gboolean
http_text_is(HttpText text, const char *string)
{
    return text.size == strlen(string) && memcmp(text.data, string, text.size) == 0;
}

gboolean
http_text_is_nocase(HttpText text, const char *string)
{
    return text.size == strlen(string) && g_ascii_strncasecmp(text.data, string, text.size) == 0;
}

/* --- normal form --- */

/* "." or "..", also with a parameter: some servers remove the parameter first. */
static gboolean
is_dot_segment(const char *segment, gsize size)
{
    gsize dots = 0;

    while (dots < size && segment[dots] == '.')
        dots++;
    return dots > 0 && dots <= 2 && (dots == size || segment[dots] == ';');
}

static gboolean
segments_are_normal(HttpText path)
{
    gsize begin = 1;

    for (gsize i = 1; i <= path.size; i++) {
        if (i < path.size && path.data[i] != '/')
            continue;
        /* Only the last segment may be empty. */
        if ((i == begin && i < path.size) || is_dot_segment(path.data + begin, i - begin))
            return FALSE;
        begin = i + 1;
    }
    return TRUE;
}

static gboolean
escape_is_normal(const char *text, gsize size)
{
    if (size < 3 || !g_ascii_isxdigit(text[1]) || !g_ascii_isxdigit(text[2]))
        return FALSE;
    guint c = (guint)g_ascii_xdigit_value(text[1]) << 4 | (guint)g_ascii_xdigit_value(text[2]);
    return c >= 0x20 && c != 0x7f && !(c < 0x80 && g_ascii_isalnum((char)c)) &&
           !(c < 0x80 && strchr("-._~/\\%;", (int)c));
}

static gboolean
path_is_normal(HttpText path)
{
    if (path.size == 0 || path.data[0] != '/' || !segments_are_normal(path))
        return FALSE;
    for (gsize i = 0; i < path.size; i++) {
        guint8 c = (guint8)path.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '?' || c == '#')
            return FALSE;
        if (c == '%' && !escape_is_normal(path.data + i, path.size - i))
            return FALSE;
    }
    return TRUE;
}

/* --- the filter --- */

gboolean
http_filter_method_is_valid(const char *method)
{
    gsize size = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
    return size > 0 && size <= HTTP_METHOD_MAX && method[size] == '\0';
}

gboolean
http_filter_path_is_valid(const char *path)
{
    gsize size = strlen(path);
    return size <= PATH_MAX_BYTES && path_is_normal((HttpText){path, size});
}

static gboolean
check_entries(const char *const *entries, gboolean (*is_valid)(const char *entry), const char *what,
              GError **error)
{
    guint n = entries ? g_strv_length((char **)entries) : 0;

    if (n > ENTRIES_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "more than %u %ss",
                    ENTRIES_MAX, what);
        return FALSE;
    }
    for (guint i = 0; i < n; i++) {
        if (is_valid(entries[i]))
            continue;
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "'%s' is no valid %s",
                    entries[i], what);
        return FALSE;
    }
    return TRUE;
}

static char **
copy_entries(const char *const *entries)
{
    return entries && entries[0] ? g_strdupv((char **)entries) : NULL;
}

HttpFilter *
http_filter_new(const char *const *methods, const char *const *paths, GError **error)
{
    if (!check_entries(methods, http_filter_method_is_valid, "method", error) ||
        !check_entries(paths, http_filter_path_is_valid, "path", error))
        return NULL;
    HttpFilter *filter = g_new0(HttpFilter, 1);
    g_atomic_ref_count_init(&filter->references);
    filter->methods = copy_entries(methods);
    filter->paths = copy_entries(paths);
    return filter;
}

HttpFilter *
http_filter_ref(HttpFilter *filter)
{
    g_atomic_ref_count_inc(&filter->references);
    return filter;
}

void
http_filter_unref(HttpFilter *filter)
{
    if (!filter || !g_atomic_ref_count_dec(&filter->references))
        return;
    g_strfreev(filter->methods);
    g_strfreev(filter->paths);
    g_free(filter);
}

gboolean
http_filter_is_open(const HttpFilter *filter)
{
    return !filter || (!filter->methods && !filter->paths);
}

static gboolean
method_matches(char **methods, HttpText method)
{
    for (; *methods; methods++) {
        if (http_text_is(method, *methods))
            return TRUE;
    }
    return FALSE;
}

/* `path` is the prefix, or lies below it. */
static gboolean
is_below(HttpText path, const char *prefix)
{
    gsize size = strlen(prefix);

    if (prefix[size - 1] == '/')
        size--;
    return path.size >= size && memcmp(path.data, prefix, size) == 0 &&
           (path.size == size || path.data[size] == '/');
}

static gboolean
path_matches(char **paths, HttpText path)
{
    if (!path_is_normal(path))
        return FALSE;
    for (; *paths; paths++) {
        if (is_below(path, *paths))
            return TRUE;
    }
    return FALSE;
}

gboolean
http_filter_matches(const HttpFilter *filter, HttpText method, HttpText path)
{
    if (!filter)
        return TRUE;
    return (!filter->methods || method_matches(filter->methods, method)) &&
           (!filter->paths || path_matches(filter->paths, path));
}
