/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* template: the list is asked for once a second while somebody waits; nothing is asked otherwise.
 */
#include "template.h"

#include "term.h"

#define LOOK_AGAIN_MS 1000

GVariant *
template_list(Cli *cli, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    GVariant *templates;

    cloche_manager_call_list_templates(cli->manager, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                       &reply);
    cli_await(&reply);
    if (!cloche_manager_call_list_templates_finish(cli->manager, &templates, reply, error))
        return NULL;
    return templates;
}

static GVariant *
find_template(Cli *cli, const char *name, GError **error)
{
    const char *wanted = name != NULL ? name : cloche_manager_get_default_template(cli->manager);
    g_autoptr(GVariant) templates = template_list(cli, error);
    GVariantIter iter;
    GVariant *template;

    if (templates == NULL)
        return NULL;
    g_variant_iter_init(&iter, templates);
    while ((template = g_variant_iter_next_value(&iter)) != NULL) {
        const char *found = "";

        g_variant_lookup(template, "name", "&s", &found);
        if (g_strcmp0(found, wanted) == 0)
            return template;
        g_variant_unref(template);
    }
    return NULL;
}

static gboolean
is_preparing(GVariant *template)
{
    const char *state = "";

    g_variant_lookup(template, "state", "&s", &state);
    return g_str_equal(state, "preparing") || g_str_equal(state, "checking");
}

static void
show_progress(TermProgress *progress, GVariant *template)
{
    const char *name = "", *step = "";
    g_autofree char *what = NULL;
    double fraction = 0;

    g_variant_lookup(template, "name", "&s", &name);
    g_variant_lookup(template, "step", "&s", &step);
    g_variant_lookup(template, "progress", "d", &fraction);
    what = g_strdup_printf("preparing template %s", name);
    term_progress_show(progress, what, step, fraction);
}

GVariant *
template_await(Cli *cli, const char *name, GError **error)
{
    TermProgress progress = {0};
    GVariant *template;

    while ((template = find_template(cli, name, error)) != NULL && is_preparing(template)) {
        show_progress(&progress, template);
        g_variant_unref(template);
        cli_pause(cli, LOOK_AGAIN_MS); /* a signal cancels the next look */
    }
    term_progress_end(&progress);
    return template;
}

gboolean
template_is_coming(Cli *cli, const char *name, GError **error)
{
    g_autoptr(GVariant) template = NULL;

    if (!g_error_matches(*error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY) &&
        !g_error_matches(*error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY))
        return FALSE;
    template = find_template(cli, name, /* error= */ NULL);
    if (template == NULL || !is_preparing(template))
        return FALSE;
    g_clear_error(error);
    return TRUE;
}

const char *
template_acceleration_error(Cli *cli)
{
    const char *error = cloche_manager_get_acceleration_error(cli->manager);

    return error != NULL ? error : "";
}

const char *
template_why_emulated(Cli *cli)
{
    return *template_acceleration_error(cli) != '\0'
               ? "KVM does not work on this machine"
               : "this machine has no hardware virtualization";
}

void
template_warn_emulated(Cli *cli)
{
    if (!cloche_manager_get_emulated(cli->manager) || !term_is_terminal(stderr))
        return;
    fprintf(stderr, "%semulated: %s; do not rely on the walls%s\n",
            term_style(stderr, STYLE_YELLOW), template_why_emulated(cli),
            term_style(stderr, STYLE_OFF));
}
