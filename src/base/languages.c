/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* languages: one table. */
#include "languages.h"

#include <string.h>

typedef struct {
    const char *name, *runner, *dialect;
    const char *suffixes; /* of its files, separated by spaces */
} Language;

static const Language languages[] = {
    {"python", "python", NULL, "py"},
    {"javascript", "javascript", NULL, "js mjs cjs"},
    {"typescript", "javascript", "typescript", "ts mts cts"},
    {"bash", "bash", NULL, "sh bash"},
    {"r", NULL, NULL, "r"}, /* a kernel whose files are known */
};

static const Language *
find(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(languages); i++)
        if (g_str_equal(languages[i].name, name))
            return &languages[i];
    return NULL;
}

static const char *
find_by_suffix(const char *suffix)
{
    for (gsize i = 0; i < G_N_ELEMENTS(languages); i++) {
        g_auto(GStrv) suffixes = g_strsplit(languages[i].suffixes, " ", /* max= */ -1);

        if (g_strv_contains((const char *const *)suffixes, suffix))
            return languages[i].name;
    }
    return NULL;
}

char *
languages_canonical(const char *name)
{
    g_autofree char *lower = g_ascii_strdown(name, /* len= */ -1);
    const char *language = find_by_suffix(lower);

    return language ? g_strdup(language) : g_steal_pointer(&lower);
}

const char *
languages_of_file(const char *file)
{
    const char *dot = strrchr(file, '.');
    g_autofree char *suffix = dot ? g_ascii_strdown(dot + 1, /* len= */ -1) : NULL;

    return suffix ? find_by_suffix(suffix) : NULL;
}

const char *
languages_runner(const char *language)
{
    const Language *found = find(language);

    return found ? found->runner : NULL;
}

const char *
languages_default_context(const char *language)
{
    const char *runner = languages_runner(language);

    return runner ? runner : language;
}

const char *
languages_dialect(const char *language)
{
    const Language *found = find(language);

    return found ? found->dialect : NULL;
}
