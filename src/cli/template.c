/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* template: the templates of the service, for several verbs. */
#include "template.h"

#include "template-wait.h"
#include "term.h"

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

void
template_show_progress(const char *name, const char *step, double fraction, gpointer progress)
{
    g_autofree char *what = g_strdup_printf("preparing template %s", name);

    term_progress_show(progress, what, step, fraction);
}

GVariant *
template_await(Cli *cli, const char *name, GError **error)
{
    TermProgress progress = {0};
    g_autoptr(GAsyncResult) reply = NULL;

    template_wait_async(cli->manager, name, template_show_progress, &progress, cli->interrupted,
                        cli_on_reply, &reply);
    cli_await(&reply);
    term_progress_end(&progress);
    return template_wait_finish(reply, /* ret_waited= */ NULL, error);
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
    fprintf(stderr, "%semulated: %s; emulation is not a security boundary%s\n",
            term_style(stderr, STYLE_YELLOW), template_why_emulated(cli),
            term_style(stderr, STYLE_OFF));
}
