/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* term: escape codes that every current terminal supports, so terminfo is not needed. */
#include "term.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

#define BAR_WIDTH 24
#define CLEAR_LINE "\r\033[K"

static gboolean
terminal_is_dumb(void)
{
    const char *name = g_getenv("TERM");

    return name == NULL || *name == '\0' || g_str_equal(name, "dumb");
}

gboolean
term_is_terminal(FILE *stream)
{
    return isatty(fileno(stream));
}

const char *
term_style(FILE *stream, TermStyle style)
{
    static const char *const codes[] = {
        [STYLE_OFF] = "\033[0m",
        [STYLE_BOLD] = "\033[1m",
        [STYLE_RED] = "\033[31m",
        [STYLE_YELLOW] = "\033[33m",
    };
    const char *no_color = g_getenv("NO_COLOR");

    if ((no_color != NULL && *no_color != '\0') || terminal_is_dumb() || !term_is_terminal(stream))
        return "";
    return codes[style];
}

static gsize
terminal_width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Cuts the text to one line: a bar that wraps would fill the screen. */
static void
cut_to_width(char *line, gsize width)
{
    char *end = line;
    gsize used = 0;

    while (*end != '\0') {
        used += g_unichar_iswide(g_utf8_get_char(end)) ? 2 : 1;
        if (used >= width)
            break;
        end = g_utf8_next_char(end);
    }
    *end = '\0';
}

static void
show_bar(TermProgress *progress, const char *what, const char *step, double fraction)
{
    char bar[BAR_WIDTH + 1];
    g_autofree char *line = NULL;

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (int)(MAX(fraction, 0) * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    if (fraction < 0)
        line = g_strdup_printf("%s  %s", what, step);
    else
        line = g_strdup_printf("%s [%s] %3.0f %%  %s", what, bar, fraction * 100, step);
    cut_to_width(line, terminal_width());
    fprintf(stderr, CLEAR_LINE "%s", line);
    fflush(stderr);
    progress->line_is_open = TRUE;
}

void
term_progress_show(TermProgress *progress, const char *what, const char *step, double fraction)
{
    g_autofree char *escaped_what = text_escape(what);
    g_autofree char *escaped_step = text_escape(step);
    double bounded = fraction <= 1 ? fraction : 1;

    if (term_is_terminal(stderr) && !terminal_is_dumb()) {
        show_bar(progress, escaped_what, escaped_step, bounded);
    } else if (g_strcmp0(progress->last_step, escaped_step) != 0) {
        fprintf(stderr, "%s: %s", escaped_what, escaped_step);
        fprintf(stderr, bounded < 0 ? "\n" : " (%.0f %%)\n", bounded * 100);
        g_free(progress->last_step);
        progress->last_step = g_steal_pointer(&escaped_step);
    }
}

void
term_progress_end(TermProgress *progress)
{
    if (progress->line_is_open)
        fputs(CLEAR_LINE, stderr);
    progress->line_is_open = FALSE;
    g_clear_pointer(&progress->last_step, g_free);
}
