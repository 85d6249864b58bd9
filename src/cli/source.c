/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source: reads the code to its end and checks it. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "input.h"
#include "term.h"

#define CODE_MAX (1024 * 1024)

static gboolean
looks_like_code(const char *file)
{
    return strpbrk(file, "(=;\n") != NULL;
}

static int
open_source(const char *file, GError **error)
{
    int fd;

    if (g_str_equal(file, "-")) {
        if (term_is_terminal(stdin))
            cli_note("reading code from the terminal; Ctrl-D ends it");
        return STDIN_FILENO;
    }
    fd = g_open(file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot read '%s': %s%s",
                    file, g_strerror(errno),
                    looks_like_code(file) ? "; -c CODE executes code" : "");
    return fd;
}

char *
source_read(const char *file, GError **error)
{
    g_autofree char *what =
        g_str_equal(file, "-") ? g_strdup("standard input") : g_strdup_printf("'%s'", file);
    g_autoptr(GString) input = NULL;
    int fd;

    if (g_str_has_suffix(file, ".ipynb")) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "%s is a notebook, not code: 'jupyter nbconvert --to script' converts it",
                    what);
        return NULL;
    }
    fd = open_source(file, error);
    if (fd < 0)
        return NULL;
    input = input_read(fd, CODE_MAX, what, error);
    if (fd != STDIN_FILENO)
        close(fd);
    return input != NULL ? source_text(input->str, input->len, what, error) : NULL;
}
