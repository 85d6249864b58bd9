/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verbs: each is in the file of its name. */
#pragma once

#include "cli.h"

extern const Verb verb_shell, verb_ps, verb_attach, verb_signal, verb_repl;
extern const Verb verb_run, verb_code, verb_create, verb_exec, verb_list, verb_kill, verb_extend,
    verb_status, verb_journal, verb_ls, verb_cat, verb_write, verb_cp, verb_forward, verb_ports,
    verb_doctor;
