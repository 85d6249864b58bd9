/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * execution: code in a sandbox's interpreter, with its output shown while it runs.
 *
 * Ctrl-C interrupts the code, and its remaining output is shown. A second Ctrl-C, or any other
 * signal, abandons the call; the service then interrupts the code.
 */
#pragma once

#include "gallery.h"
#include "network-hint.h"

/* The exit status if Ctrl-C has interrupted the code, in addition to those of cli.h. */
#define EXECUTION_INTERRUPTED 130

typedef struct {
    ClocheSandbox *sandbox;
    const char *language; /* NULL: that of the context, or the template's first */
    const char *context;  /* NULL: the default context of the language */
    GVariant *options;    /* further options of StreamCode() and RunCode() */
    Gallery *gallery;
    NetworkHint *hint;  /* explains failures; NULL: nothing does */
    gboolean is_alone;  /* no other client executes code in the sandbox */
    gboolean is_dialog; /* a prompt follows, at the start of a line */
} Execution;

/* Returns the exit status. The caller prints the error, if one is set. */
int execution_run(Cli *cli, const Execution *execution, const char *code, GError **error);

/* Prints the reply to RunCode() as JSON, and returns the exit status. */
int execution_print(Cli *cli, const Execution *execution, const char *code);
