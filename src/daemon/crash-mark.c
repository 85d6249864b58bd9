/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crash-mark: makes a file when the service crashes.
 *
 * The next instance of the service must know whether this one crashed, maybe because of what a
 * guest sent, or was killed by somebody else.
 */
#include "crash-mark.h"

#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <unistd.h>

static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

static char mark[4096];
static struct sigaction previous[G_N_ELEMENTS(signals)];

/* These are raised again when the instruction that caused them is repeated. */
static gboolean
is_repeated(int number, const siginfo_t *info)
{
    return info->si_code > 0 &&
           (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL);
}

/* The signal is blocked until this function returns, and then ends the process. */
static void
on_crash(int number, siginfo_t *info, void *context)
{
    int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        if (signals[i] == number)
            sigaction(number, &previous[i], NULL);
    if (!is_repeated(number, info))
        raise(number);
}

void
crash_mark_install(const char *path)
{
    const struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};

    g_strlcpy(mark, path, sizeof mark);
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaction(signals[i], &action, &previous[i]);
}
