/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * program: a process object of a sandbox, and our standard streams as its own.
 *
 * Unless it is kept, it is killed when this program leaves the bus, however that happens.
 */
#pragma once

#include "cli.h"

typedef struct {
    ClocheProcess *process;
    int input, output, error; /* its descriptors, the error's being -1 for a terminal; -1: closed */
    gboolean is_terminal, is_kept;
} Program;

#define PROGRAM_NONE {.input = -1, .output = -1, .error = -1}

void program_clear(Program *program);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Program, program_clear)

/*
 * Starts cli->command; on a terminal of our size, with our TERM, also the user's shell when there
 * is none. options: those of Start() or OpenTerminal() but for argv, may be floating.
 */
gboolean program_begin(Cli *cli, ClocheSandbox *sandbox, gboolean on_terminal, GVariant *options,
                       Program *ret_program, GError **error);

/* Takes over one that is kept. */
gboolean program_attach(Cli *cli, const char *id, const char *number, Program *ret_program,
                        GError **error);

/* The number in its object's path, as a part of that string. */
const char *program_number(const Program *program);

/*
 * Copies until it has ended and all it wrote is written; gives the exit status to end with, having
 * told what went wrong. with_stdin: ours is read, as it always is for a terminal.
 */
int program_follow(Cli *cli, Program *program, gboolean with_stdin);

/* The object of a sandbox's process, by the words of the command line. */
ClocheProcess *program_find(Cli *cli, const char *id, const char *number, GError **error);
