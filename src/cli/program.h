/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * program: a process object of a sandbox, connected to the standard streams of this program.
 *
 * The service kills the process when this program leaves the bus, unless the process is kept.
 */
#pragma once

#include "network-hint.h"

typedef struct {
    ClocheProcess *process;
    int input, output, error; /* its descriptors; -1: closed, or the error of a terminal */
    gboolean is_terminal, is_kept;
    NetworkHint *hint; /* borrowed; NULL: none is given. It gets the error output. */
} ProcessStreams;

#define PROGRAM_NONE {.input = -1, .output = -1, .error = -1}

void program_clear(ProcessStreams *program);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProcessStreams, program_clear)

/*
 * Starts cli->command. On a terminal, which gets the size and TERM of this program's, the default
 * is the user's shell. options: those of Start() or OpenTerminal() without argv, may be floating.
 */
gboolean program_begin(Cli *cli, ClocheSandbox *sandbox, gboolean on_terminal, GVariant *options,
                       ProcessStreams *ret_program, GError **error);

/* Attaches to a kept process. */
gboolean program_attach(Cli *cli, const char *id, const char *number, ProcessStreams *ret_program,
                        GError **error);

/* Returns the number in the path of the process object, as a part of that string. */
const char *program_number(const ProcessStreams *program);

/*
 * Copies until the process has ended and all its output is written. Returns the exit status, and
 * has printed what went wrong. with_stdin: standard input is read; for a terminal it always is.
 */
int program_follow(Cli *cli, ProcessStreams *program, gboolean with_stdin);

/* Finds a process object by the arguments ID and NUMBER. */
ClocheProcess *program_find(Cli *cli, const char *id, const char *number, GError **error);
