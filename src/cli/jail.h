/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jail: a child process that can only compute, for parsers of data from a guest.
 *
 * The child is this program, executed again under another name. It reads its standard input, writes
 * its standard output, and allocates memory; every other system call kills it. Its memory and its
 * processor time are limited, so it always ends.
 */
#pragma once

#include <glib.h>

#define JAIL_MEMORY_MAX (1024u * 1024 * 1024) /* bytes of address space */
#define JAIL_OUTPUT_MAX (64u * 1024 * 1024)   /* bytes */

/*
 * Executes this program with `name` as its argv[0] and `input` as its standard input, and waits
 * until it has ended. Returns its output; NULL if it was killed, failed or produced too much.
 * ret_status (or NULL): the status as of waitpid(); -1 if the child could not be started.
 */
GString *jail_run(const char *name, GBytes *input, int *ret_status);

/* For the child, before it parses anything. cpu_s: seconds of processor time until it is killed. */
gboolean jail_enter(guint cpu_s);
/* For the child: all of its standard input; NULL on an error. */
GBytes *jail_read_input(void);
/* For the child: ends it, with this output; NULL: it failed. */
void jail_exit(const GString *output) G_GNUC_NORETURN;
