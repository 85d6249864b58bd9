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

/* Returns why KVM does not work although the processor has hardware virtualization; "" if it works,
 * or if an older service does not report it. */
const char *template_acceleration_error(Cli *cli);
/* Returns the reason for emulation, as a clause. */
const char *template_why_emulated(Cli *cli);
/* Warns on a terminal that emulation is not a security boundary. */
void template_warn_emulated(Cli *cli);
