/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * template: finding the template that a verb is going to use, and waiting while it is prepared.
 */
#pragma once

#include "cli.h"

/* What the service answers to ListTemplates(). */
GVariant *template_list(Cli *cli, GError **error);

/*
 * Waits, and shows how far it is, while the template (NULL: the default) is being prepared. Returns
 * its description; NULL without an error when there is none of that name, which the service will
 * tell.
 */
GVariant *template_await(Cli *cli, const char *name, GError **error);

/*
 * For a call that found the template or its machines not ready: TRUE, and the error cleared, when
 * the template is being prepared, so that the call can be made again after template_await().
 */
gboolean template_is_coming(Cli *cli, const char *name, GError **error);

/* Why KVM does not work although the processor has hardware virtualization; "": nothing is wrong,
 * or an older service does not say it. */
const char *template_acceleration_error(Cli *cli);
/* In a clause. */
const char *template_why_emulated(Cli *cli);
/* Says on a terminal that emulation is no protection. */
void template_warn_emulated(Cli *cli);
