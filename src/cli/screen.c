/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * screen: queries the primary device attributes, which every terminal reports.
 *
 * A reply after the timeout would be typed into a shell, so the timeout is generous.
 */
#include "screen.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "term.h"

#define PATIENCE_US G_USEC_PER_SEC
#define ANSWER_MAX 256

static gboolean
has_bytes(int terminal, gint64 deadline)
{
    struct pollfd waiting = {.fd = terminal, .events = POLLIN};
    gint64 left = deadline - g_get_monotonic_time();

    return left > 0 && poll(&waiting, 1, (int)(left / 1000) + 1) == 1;
}

static gboolean
ask(int terminal)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE_US;
    char answer[ANSWER_MAX] = "";
    gsize size = 0;

    if (write(terminal, PICTURE_QUESTION, strlen(PICTURE_QUESTION)) < 0)
        return FALSE;
    while (!picture_is_answer(answer) && size < sizeof answer - 1 &&
           has_bytes(terminal, deadline)) {
        ssize_t n = read(terminal, answer + size, sizeof answer - 1 - size);

        if (n <= 0)
            break;
        size += n;
        answer[size] = '\0';
    }
    return picture_answer_has_sixel(answer);
}

/* Without line mode and echo, which would delay and show the reply. */
static gboolean
ask_quietly(void)
{
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios before, quiet;
    gboolean has_sixel = FALSE;

    if (terminal >= 0 && tcgetpgrp(terminal) == getpgrp() && tcgetattr(terminal, &before) == 0) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(terminal, TCSANOW, &quiet);
        has_sixel = ask(terminal);
        tcsetattr(terminal, TCSANOW, &before);
    }
    if (terminal >= 0)
        close(terminal);
    return has_sixel;
}

PictureProtocol
screen_find_protocol(void)
{
    PictureProtocol protocol;
    gboolean may_ask;

    if (!term_is_terminal(stdout))
        return PICTURE_NONE;
    protocol = picture_from_environment(&may_ask);
    if (protocol == PICTURE_NONE && may_ask && ask_quietly())
        protocol = PICTURE_SIXEL;
    return protocol;
}
