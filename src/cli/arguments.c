/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* arguments: one pass. The verb's entries determine which options take a value. */
#include "arguments.h"

#include <string.h>

#include "client.h"
#include "foreign.h"
#include "spelling.h"
#include "text.h"

typedef struct {
    const char *verb;
    const GOptionEntry *entries;
    char *const *next; /* the argument after the current one */
    GPtrArray *out;
} ArgumentScan;

static void
put(ArgumentScan *scan, const char *word)
{
    g_ptr_array_add(scan->out, g_strdup(word));
}

static void
put_value(ArgumentScan *scan)
{
    if (*scan->next != NULL && !g_str_equal(*scan->next, "--"))
        put(scan, *scan->next++);
}

static gboolean
takes_value(const GOptionEntry *entry)
{
    return entry->arg != G_OPTION_ARG_NONE;
}

static const GOptionEntry *
find_long(const GOptionEntry *entries, const char *name, gsize length)
{
    for (; entries->long_name != NULL; entries++) {
        if (strlen(entries->long_name) == length && strncmp(entries->long_name, name, length) == 0)
            return entries;
    }
    return NULL;
}

static const GOptionEntry *
find_short(const GOptionEntry *entries, char letter)
{
    for (; entries->long_name != NULL; entries++) {
        if (entries->short_name == letter)
            return entries;
    }
    return NULL;
}

/* --- unknown options --- */

static const char *
nearest_option(const GOptionEntry *entries, const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (; entries->long_name != NULL; entries++) {
        if (!(entries->flags & G_OPTION_FLAG_HIDDEN))
            g_ptr_array_add(names, (char *)entries->long_name);
    }
    g_ptr_array_add(names, NULL);
    return spelling_nearest(name, (const char *const *)names->pdata);
}

static gboolean
fail_unknown(const ArgumentScan *scan, const char *option, GError **error)
{
    const char *hint = foreign_option_hint(scan->verb, option);
    const char *nearest = hint == NULL && g_str_has_prefix(option, "--")
                              ? nearest_option(scan->entries, option + 2)
                              : NULL;

    if (hint != NULL)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION, "unknown option '%s': %s",
                    option, hint);
    else if (nearest != NULL)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                    "unknown option '%s': did you mean '--%s'?", option, nearest);
    else
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION, "unknown option '%s'",
                    option);
    return FALSE;
}

/* Whether a cluster is one option of another program: "-KILL". */
static gboolean
is_foreign(const ArgumentScan *scan, const char *cluster)
{
    return foreign_option_hint(scan->verb, cluster) != NULL;
}

/* --- known options --- */

static gboolean
take_long(ArgumentScan *scan, const char *word, GError **error)
{
    gsize length = strcspn(word + 2, "=");
    const GOptionEntry *entry = find_long(scan->entries, word + 2, length);
    g_autofree char *option = g_strndup(word, length + 2);

    if (entry == NULL)
        return fail_unknown(scan, option, error);
    put(scan, word);
    if (takes_value(entry) && word[length + 2] == '\0')
        put_value(scan);
    return TRUE;
}

/* A word that begins with a digit is meant as a time, unless it is an id. If it is not a valid
 * time, the error about --timeout says so. */
static gboolean
is_time(const char *word)
{
    guint64 seconds;

    if (word == NULL || client_is_sandbox_id(word))
        return FALSE;
    return g_ascii_isdigit(*word) || text_to_seconds(word, &seconds, /* error= */ NULL);
}

/* Returns whether the rest of the cluster was the value. */
static gboolean
take_t(ArgumentScan *scan, const char *rest, gboolean is_alone)
{
    if (g_ascii_isdigit(*rest)) {
        put(scan, "--timeout");
        put(scan, rest);
        return TRUE;
    }
    if (is_alone && is_time(*scan->next)) {
        put(scan, "--timeout");
        put_value(scan);
    } else {
        put(scan, "--tty");
    }
    return FALSE;
}

/* "-it", "-uroot" */
static gboolean
take_cluster(ArgumentScan *scan, const char *word, GError **error)
{
    gboolean has_tty = find_long(scan->entries, "tty", strlen("tty")) != NULL;

    for (const char *at = word + 1; *at != '\0'; at++) {
        char option[] = {'-', *at, '\0'};
        const GOptionEntry *entry = find_short(scan->entries, *at);

        if (*at == 't' && has_tty) {
            if (take_t(scan, at + 1, /* is_alone= */ word[2] == '\0'))
                return TRUE;
            continue;
        }
        if (entry == NULL)
            return fail_unknown(
                scan, is_foreign(scan, word) || !g_ascii_isgraph(*at) ? word : option, error);
        put(scan, option);
        if (!takes_value(entry))
            continue;
        if (at[1] != '\0')
            put(scan, at + 1);
        else
            put_value(scan);
        return TRUE;
    }
    return TRUE;
}

static gboolean
take_option(ArgumentScan *scan, const char *word, GError **error)
{
    return g_str_has_prefix(word, "--") ? take_long(scan, word, error)
                                        : take_cluster(scan, word, error);
}

char **
arguments_prepare(const GOptionEntry *entries, char *const *argv, gboolean has_command_after_id,
                  GError **error)
{
    g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(g_free);
    ArgumentScan scan = {.verb = argv[0], .entries = entries, .next = argv + 1, .out = out};
    gboolean may_begin =
        has_command_after_id && !g_strv_contains((const char *const *)argv + 1, "--");
    guint n_arguments = 0;

    put(&scan, argv[0]);
    while (*scan.next != NULL && !g_str_equal(*scan.next, "--")) {
        const char *word = *scan.next++;

        if (*word == '-' && word[1] != '\0') {
            if (!take_option(&scan, word, error))
                return NULL;
            continue;
        }
        if (may_begin && ++n_arguments == 2) {
            put(&scan, "--");
            scan.next--;
            break;
        }
        put(&scan, word);
    }
    while (*scan.next != NULL)
        put(&scan, *scan.next++);
    g_ptr_array_add(out, NULL);
    return (char **)g_ptr_array_steal(out, /* len= */ NULL);
}

gboolean
arguments_have(char *const *argv, const char *option)
{
    for (; *argv != NULL && !g_str_equal(*argv, "--"); argv++) {
        if (g_str_equal(*argv, option))
            return TRUE;
    }
    return FALSE;
}
