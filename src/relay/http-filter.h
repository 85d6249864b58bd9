/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * http-filter: methods and paths of requests that a rule or a secret is for.
 *
 * A path is in normal form if all servers understand it in the same way: it begins with '/', has no
 * "//", no "." and "..", no backslash, no dot segment with a parameter, and no percent sign that
 * hides a character which needs no hiding (a letter, a digit, a dot, a slash, a percent sign …).
 */
#pragma once

#include <glib.h>

#define HTTP_METHOD_MAX 32u /* bytes */

/* A piece of text inside a message, which is not terminated. */
typedef struct {
    const char *data;
    gsize size;
} HttpText;

/* Compare with a string: exactly, or without regard to the case of ASCII letters. */
gboolean http_text_is(HttpText text, const char *string);
gboolean http_text_is_nocase(HttpText text, const char *string);

/* Whether a filter can have this method (upper case) and this path (in normal form). */
gboolean http_filter_method_is_valid(const char *method);
gboolean http_filter_path_is_valid(const char *path);

typedef struct HttpFilter HttpFilter;

/*
 * `methods`: upper case; NULL or empty: all. `paths`: each begins with '/' and is in normal form;
 * it matches itself and everything below it ("/v1" and "/v1/" match "/v1/x", not "/v1x"); NULL or
 * empty: all. At most 64 of each. CLOCHE_ERROR_INVALID_ARGUMENT.
 */
HttpFilter *http_filter_new(const char *const *methods, const char *const *paths, GError **error);
HttpFilter *http_filter_ref(HttpFilter *filter);
/* NULL is fine. */
void http_filter_unref(HttpFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpFilter, http_filter_unref)

/* NULL and a filter without methods and paths match everything. */
gboolean http_filter_is_open(const HttpFilter *filter);
/* `path`: without the query. A path that is not in normal form matches no path of a filter. */
gboolean http_filter_matches(const HttpFilter *filter, HttpText method, HttpText path);
