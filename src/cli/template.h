/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* template: the templates of the service, for several verbs. */
#pragma once

#include "cli.h"

/* Returns what the service answers to ListTemplates(). */
GVariant *template_list(Cli *cli, GError **error);

/* A TemplateProgress (template-wait.h) that shows it on standard error. progress: a TermProgress,
 * which the caller ends. */
void template_show_progress(const char *name, const char *step, double fraction, gpointer progress);

/*
 * Waits while the template (NULL: the default) is being prepared, and shows the progress. Returns
 * its description; NULL without an error if there is no template of that name.
 */
GVariant *template_await(Cli *cli, const char *name, GError **error);

/* Why KVM does not work although the processor has hardware virtualization; "": nothing is wrong,
 * or an older service does not say it. */
const char *template_acceleration_error(Cli *cli);
/* In a clause. */
const char *template_why_emulated(Cli *cli);
/* Says on a terminal that emulation is no protection. */
void template_warn_emulated(Cli *cli);
