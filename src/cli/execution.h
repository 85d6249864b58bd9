/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * execution: code in a sandbox's interpreter, shown while it runs.
 *
 * Ctrl-C interrupts the code, and what it still says is shown. A second one leaves it alone, as any
 * other signal does; the service then interrupts it.
 */
#pragma once

#include "gallery.h"

/* What Ctrl-C interrupted ends with this, beside the statuses of cli.h. */
#define EXECUTION_INTERRUPTED 130

typedef struct {
    ClocheSandbox *sandbox;
    const char *language; /* NULL: the context's, or the template's first */
    const char *context;  /* NULL: the language's default one */
    GVariant *options;    /* further ones of StreamCode() and RunCode() */
    Gallery *gallery;
    gboolean is_alone;  /* nobody else executes there */
    gboolean is_dialog; /* what follows begins a line */
} Execution;

/* Gives the exit status; the error, if there is one, is the caller's to tell. */
int execution_run(Cli *cli, const Execution *execution, const char *code, GError **error);

/* Prints what RunCode() answers. */
int execution_print(Cli *cli, const Execution *execution, const char *code);
