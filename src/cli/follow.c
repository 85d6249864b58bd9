/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow: what is on the way between a program and us, until its end (program.h). */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "escape.h"
#include "exit-status.h"
#include "program.h"
#include "raw.h"

#define CTRL_D 4
#define END_AGAIN_MS 500

typedef struct {
    Cli *cli;
    Program *program;
    Copy *input, *output, *error;
    gboolean output_is_over, error_is_over, is_left, is_raw, has_failed;
    Escape escape;
    gboolean was_inside; /* our input's last byte was inside of a line */
    guint on_resize, on_end_again;
    GCancellable *leaving;
    GAsyncResult *ended; /* the answer of Wait() */
} Follow;

static void
close_end(int *fd)
{
    close(*fd);
    *fd = -1;
}

/* --- output --- */

static void
note_write_error(Follow *follow, const char *stream, int error)
{
    if (error == 0 || error == EPIPE)
        return; /* a reader that goes is nothing to tell of, as in a pipe */
    follow->has_failed = TRUE;
    cli_note("cannot write %s: %s", stream, g_strerror(error));
}

/*
 * Closing it gives the program its SIGPIPE. A terminal that shows nothing any more takes no keys:
 * ours belong to us again, should its end not be near because somebody else attached to it.
 */
static void
on_output_ended(int read_error, int write_error, gpointer data)
{
    Follow *follow = data;

    raw_end();
    note_write_error(follow, "standard output", write_error);
    follow->output_is_over = TRUE;
    follow->is_left = follow->program->is_terminal && write_error != 0;
    close_end(&follow->program->output);
}

static void
on_error_ended(int read_error, int write_error, gpointer data)
{
    Follow *follow = data;

    note_write_error(follow, "standard error", write_error);
    follow->error_is_over = TRUE;
    close_end(&follow->program->error);
}

/* --- input --- */

static gboolean
pass_keys(const guint8 *keys, gsize size, GByteArray *out, gpointer data)
{
    Follow *follow = data;
    gboolean stays = size > 0 && escape_pass(&follow->escape, keys, size, out);

    if (follow->escape.wants_help)
        fputs("\r\ncloche: " ESCAPE_HELP "\r\n", stderr);
    follow->escape.wants_help = FALSE;
    follow->is_left = !stays;
    return stays;
}

/* What is no terminal has an end, which is typed; inside of a line, the first one only sends it. */
static gboolean
pass_lines(const guint8 *bytes, gsize size, GByteArray *out, gpointer data)
{
    static const guint8 end[] = {CTRL_D, CTRL_D};
    Follow *follow = data;

    if (size > 0) {
        g_byte_array_append(out, bytes, size);
        follow->was_inside = bytes[size - 1] != '\n';
    } else {
        g_byte_array_append(out, end, follow->was_inside ? 2 : 1);
    }
    return TRUE;
}

/*
 * An end stays one: a shell that was not ready yet, or the next program that reads, gets it as
 * well. The terminal forgets a Ctrl-D when a shell takes it out of its line mode.
 */
static gboolean
on_end_again(gpointer data)
{
    static const guint8 end = CTRL_D;
    Follow *follow = data;

    if (write(follow->program->input, &end, 1) == 1 || errno == EAGAIN || errno == EINTR)
        return G_SOURCE_CONTINUE;
    follow->on_end_again = 0;
    return G_SOURCE_REMOVE;
}

static void
on_input_ended(int read_error, int write_error, gpointer data)
{
    Follow *follow = data;

    if (read_error != 0 && !follow->is_raw) {
        follow->has_failed = TRUE;
        cli_note("cannot read standard input: %s", g_strerror(read_error));
    }
    if (follow->program->is_kept && !follow->program->is_terminal)
        cloche_process_call_close_input(follow->program->process, CLIENT_CALL,
                                        /* cancellable= */ NULL, /* callback= */ NULL,
                                        /* data= */ NULL);
    if (follow->program->is_terminal && !follow->is_raw && write_error == 0)
        follow->on_end_again = g_timeout_add(END_AGAIN_MS, on_end_again, follow);
    else
        close_end(&follow->program->input);
}

static void
begin_input(Follow *follow)
{
    CopyFilter filter = NULL;

    if (follow->program->is_terminal)
        filter = follow->is_raw ? pass_keys : pass_lines;
    follow->input = copy_new(STDIN_FILENO, follow->program->input, filter, on_input_ended, follow);
}

/* --- the terminal's size --- */

static gboolean
on_resized(gpointer data)
{
    Follow *follow = data;
    guint16 columns, rows;

    raw_size(&columns, &rows);
    cloche_process_call_resize(follow->program->process, columns, rows, CLIENT_CALL,
                               /* cancellable= */ NULL, /* callback= */ NULL, /* data= */ NULL);
    return G_SOURCE_CONTINUE;
}

/* Also tells the size at once: it may have changed, and what is attached to may have another. */
static void
begin_terminal(Follow *follow)
{
    follow->is_raw = raw_begin();
    if (!follow->is_raw)
        return;
    follow->on_resize = g_unix_signal_add(SIGWINCH, on_resized, follow);
    on_resized(follow);
}

/* --- the end --- */

static gboolean
is_over(const Follow *follow)
{
    return follow->is_left || follow->cli->signal != 0 ||
           (follow->ended != NULL && follow->output_is_over && follow->error_is_over);
}

static void
end_follow(Follow *follow)
{
    if (follow->on_resize != 0)
        g_source_remove(follow->on_resize);
    if (follow->on_end_again != 0)
        g_source_remove(follow->on_end_again);
    copy_free(follow->input);
    copy_free(follow->output);
    copy_free(follow->error);
    raw_end();
    if (follow->ended == NULL) /* an answer that is there would be none any more */
        g_cancellable_cancel(follow->leaving);
    cli_await(&follow->ended);
    g_object_unref(follow->leaving);
}

/* As a shell does, without a note of SIGINT and SIGPIPE: the user has caused them. */
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

static void
note_end(const char *how, int number)
{
    if (g_str_equal(how, "timed-out"))
        cli_note("the command was killed when its --timeout was over");
    else if (g_str_equal(how, "out-of-memory"))
        cli_note("the command was killed because the sandbox has no more memory");
    else if (g_str_equal(how, "signaled"))
        note_signal(number);
}

static int
exit_status(Follow *follow)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *how = NULL;
    g_autoptr(GVariant) usage = NULL;
    int status;

    if (follow->cli->signal != 0)
        return 128 + follow->cli->signal;
    if (follow->is_left)
        return follow->program->is_kept ? CLI_OK : 128 + SIGHUP;
    if (!cloche_process_call_wait_finish(follow->program->process, &status, &how, &usage,
                                         follow->ended, &error)) {
        if (follow->is_raw)
            fputs("\r\n", stderr);
        return cli_fail(follow->cli, error);
    }
    note_end(how, status);
    return follow->has_failed ? CLI_FAILED : exit_status_from(how, status);
}

int
program_follow(Cli *cli, Program *program, gboolean with_stdin)
{
    Follow follow = {.cli = cli,
                     .program = program,
                     .error_is_over = program->is_terminal,
                     .leaving = g_cancellable_new()};
    int status;

    g_unix_set_fd_nonblocking(program->input, TRUE, /* error= */ NULL);
    if (program->is_terminal)
        begin_terminal(&follow);
    else
        follow.error =
            copy_new(program->error, STDERR_FILENO, /* filter= */ NULL, on_error_ended, &follow);
    follow.output =
        copy_new(program->output, STDOUT_FILENO, /* filter= */ NULL, on_output_ended, &follow);
    if (with_stdin || program->is_terminal)
        begin_input(&follow);
    cloche_process_call_wait(program->process, CLIENT_CALL, follow.leaving, cli_on_reply,
                             &follow.ended);
    while (!is_over(&follow))
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    end_follow(&follow);
    status = exit_status(&follow);
    g_object_unref(follow.ended);
    return status;
}
