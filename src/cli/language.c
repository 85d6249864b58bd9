/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* language: the language of code for which the user names none. */
#include "language.h"

#include "context.h"
#include "sandbox.h"
#include "template.h"

static char *
template_of(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GVariant) properties = sandbox_properties(cli, sandbox, error);
    char *name = NULL;

    if (properties != NULL)
        g_variant_lookup(properties, "Template", "s", &name);
    return name;
}

char *
language_of_sandbox(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autofree char *name = template_of(cli, sandbox, error);
    g_autoptr(GVariant) template = name != NULL ? template_await(cli, name, error) : NULL;
    g_autofree const char **languages = NULL;

    if (template != NULL && g_variant_lookup(template, "languages", "^a&s", &languages))
        return g_strdup(languages[0]);
    return NULL;
}

static char *
find_context(GVariant *contexts, const char *id)
{
    for (gsize i = 0; i < g_variant_n_children(contexts); i++) {
        g_autoptr(GVariant) context = g_variant_get_child_value(contexts, i);
        const char *found = "", *language = "";

        g_variant_lookup(context, "id", "&s", &found);
        g_variant_lookup(context, "language", "&s", &language);
        if (g_str_equal(found, id))
            return g_strdup(language);
    }
    return NULL;
}

char *
language_of_context(Cli *cli, ClocheSandbox *sandbox, const char *id, GError **error)
{
    g_autoptr(GVariant) contexts = context_list(cli, sandbox, error);
    char *language;

    if (contexts == NULL)
        return NULL;
    language = find_context(contexts, id);
    if (language == NULL)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_CONTEXT,
                    "the sandbox has no context '%s'", id);
    return language;
}
