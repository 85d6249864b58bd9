/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw: signals that end the program at once restore the terminal first. Signals that the main loop
 * handles (cli.h) lead to a normal exit, which restores it as well.
 */
#include "raw.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The limit of OpenTerminal(). */
#define SIDE_MAX 4096

static struct termios before;
static volatile sig_atomic_t is_raw;

void
raw_end(void)
{
    if (!is_raw)
        return;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    is_raw = FALSE;
}

/* SA_RESETHAND: the raised signal has its default action. */
static void
on_fatal(int number)
{
    raw_end();
    raise(number);
}

static void
prepare_ends(void)
{
    static const int fatal[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS};
    const struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_RESETHAND};

    atexit(raw_end);
    for (gsize i = 0; i < G_N_ELEMENTS(fatal); i++)
        sigaction(fatal[i], &action, NULL);
}

gboolean
raw_begin(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return FALSE;
    prepare_ends();
    raw = before;
    cfmakeraw(&raw);
    is_raw = TRUE;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    return TRUE;
}

void
raw_size(guint16 *ret_columns, guint16 *ret_rows)
{
    struct winsize size;
    gboolean is_known = (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ||
                         ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) &&
                        size.ws_col > 0 && size.ws_row > 0;

    *ret_columns = is_known ? MIN(size.ws_col, SIDE_MAX) : 80;
    *ret_rows = is_known ? MIN(size.ws_row, SIDE_MAX) : 24;
}
