/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verbs: the table of verbs, and the error for unknown ones. The file VERB.c has the verb VERB. */
#pragma once

#include "cli.h"

extern const Verb verb_shell, verb_ps, verb_attach, verb_signal, verb_repl, verb_context,
    verb_network, verb_fork, verb_snapshot, verb_snapshots, verb_rm_snapshot;
extern const Verb verb_run, verb_code, verb_create, verb_exec, verb_list, verb_kill, verb_extend,
    verb_pause, verb_resume, verb_status, verb_journal, verb_ls, verb_cat, verb_write, verb_cp,
    verb_forward, verb_ports, verb_doctor, verb_help, verb_version;

/* NULL-terminated, in the order of the help text. */
extern const Verb *const verbs[];

/* Finds a verb by its name or an alias ("rm"). Returns NULL if there is none. */
const Verb *verbs_find(const char *name);

/* Prints that there is no such verb, and which verb to use instead. Returns CLI_USAGE. */
int verbs_fail(const Cli *cli, const char *word);

/* Prints the help text of the program. */
void verbs_print_help(void);
