/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* context: its tag, and how its runner is started. */
#include "context.h"

#include <string.h>

#include "languages.h"

#define TAG_PREFIX "runner:"
#define LANGUAGE_MAX 64u

/* Names of kernels consist of letters, digits and some characters that file names may contain. */
static gboolean
is_kernel_name(const char *name)
{
    static const char special[] = "+#._-";

    if (!g_ascii_isalnum(*name) || strlen(name) > LANGUAGE_MAX)
        return FALSE;
    for (; *name; name++)
        if (!g_ascii_isalnum(*name) && !strchr(special, *name))
            return FALSE;
    return TRUE;
}

gboolean
context_has_language(char **languages, const char *language)
{
    const char *const *all = (const char *const *)languages;

    if (g_str_equal(language, CONTEXT_ANY_KERNEL))
        return FALSE;
    return g_strv_contains(all, language) ||
           (g_strv_contains(all, CONTEXT_ANY_KERNEL) && languages_runner(language) == NULL &&
            is_kernel_name(language));
}

/* Makes a context whose interpreter has not begun anything. `language` is that of a runner or of a
 * kernel. */
static Context *
make(GuestLink *link, const char *id, const char *language, const char *tag,
     const GuestRunner *settings)
{
    Context *context = g_new0(Context, 1);
    const char *program = languages_runner(language);
    GuestRunner runner = *settings;

    runner.tag = tag;
    runner.program = program ? program : "jupyter";
    runner.kernel = program ? NULL : language;
    context->id = g_strdup(id);
    context->language = g_strdup(language);
    context->cwd = g_strdup(settings->cwd ? settings->cwd : "");
    context->interpreter = guest_interpreter_new(link, &runner);
    return context;
}

Context *
context_new_default(GuestLink *link, const char *language, const char *user, gboolean is_warm)
{
    const char *id = languages_default_context(language);
    g_autofree char *tag = g_strconcat(TAG_PREFIX, id, NULL);
    Context *context = make(link, id, id, tag, &(GuestRunner){.user = user, .is_warm = is_warm});

    context->is_default = TRUE;
    return context;
}

Context *
context_new(GuestLink *link, const char *language, guint number, const char *cwd,
            const char *const *environment)
{
    g_autofree char *id = g_strdup_printf("%s-%u", language, number);
    g_autofree char *tag = g_strdup_printf(TAG_PREFIX "%s %s %s", id, language, cwd);

    return make(link, id, language, tag,
                &(GuestRunner){.cwd = *cwd ? cwd : NULL, .environment = environment});
}

guint
context_number(const char *id, const char *language)
{
    gsize length = strlen(language);
    guint64 number = 0;

    if (strncmp(id, language, length) != 0 || id[length] != '-' ||
        !g_ascii_string_to_unsigned(id + length + 1, 10, 1, G_MAXUINT32, &number, NULL))
        return 0;
    return (guint)number;
}

Context *
context_from_tag(GuestLink *link, const char *tag, const char *const *environment)
{
    g_auto(GStrv) words = g_strsplit(tag, " ", 3);
    const char *id = words[0] ? words[0] + strlen(TAG_PREFIX) : NULL;

    if (!g_str_has_prefix(tag, TAG_PREFIX) || !g_utf8_validate(tag, -1, NULL) ||
        !is_kernel_name(id))
        return NULL;
    if (g_strv_length(words) == 1)
        return context_new_default(link, id, /* user= */ NULL, /* is_warm= */ FALSE);
    if (g_strv_length(words) != 3 || !is_kernel_name(words[1]) || context_number(id, words[1]) == 0)
        return NULL;
    return make(link, id, words[1], tag,
                &(GuestRunner){.cwd = *words[2] ? words[2] : NULL, .environment = environment});
}

void
context_free(Context *context)
{
    guest_interpreter_free(context->interpreter);
    g_free(context->id);
    g_free(context->language);
    g_free(context->cwd);
    g_free(context);
}
