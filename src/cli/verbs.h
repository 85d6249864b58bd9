/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verbs: each is in the file of its name; the table of them, and what is said of words that are
 * none. */
#pragma once

#include "cli.h"

extern const Verb verb_shell, verb_ps, verb_attach, verb_signal, verb_repl, verb_context;
extern const Verb verb_run, verb_code, verb_create, verb_exec, verb_list, verb_kill, verb_extend,
    verb_status, verb_journal, verb_ls, verb_cat, verb_write, verb_cp, verb_forward, verb_ports,
    verb_doctor, verb_help, verb_version;

/* NULL-terminated, in the order in which the help shows them. */
extern const Verb *const verbs[];

/* By its name, or by another name of it ("rm"); NULL. */
const Verb *verbs_find(const char *name);

/* Tells that a word is no verb, and which one does it; gives CLI_USAGE. */
int verbs_fail(const Cli *cli, const char *word);

/* The help of the program. */
void verbs_print_help(void);
