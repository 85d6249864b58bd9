/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-end: how a process ended, for the caller and for people. */
#include "process-end.h"

#include <signal.h>
#include <string.h>

#include "cli.h"

int
process_exit_status(const char *how, int number)
{
    if (g_str_equal(how, "timed-out"))
        return CLI_TIMED_OUT;
    return g_str_equal(how, "exited") ? number : 128 + number;
}

/* As a shell has it: whoever pressed Ctrl-C, or closed a pipe, knows it. */
static void
note_signal(int number)
{
    const char *name = sigabbrev_np(number);

    if (number == SIGINT || number == SIGPIPE)
        return;
    if (name != NULL)
        cli_note("the command was ended by SIG%s (%s)", name, sigdescr_np(number));
    else
        cli_note("the command was ended by signal %d", number);
}

void
process_note_end(const char *how, int number)
{
    if (g_str_equal(how, "timed-out"))
        cli_note("the command was killed when its --timeout was over");
    else if (g_str_equal(how, "out-of-memory"))
        cli_note("the command was killed because the sandbox has no more memory");
    else if (g_str_equal(how, "signaled"))
        note_signal(number);
}
