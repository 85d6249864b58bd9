/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow: program_follow() copies the streams of a process until its end. */
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
#include "terminal-filter.h"

#define CTRL_D 4
#define END_AGAIN_MS 500

typedef struct {
    Cli *cli;
    ProcessStreams *program;
    Copy *input, *output, *error;
    gboolean output_is_over, error_is_over, is_left, is_raw, has_failed;
    Escape escape;
    TerminalFilter output_filter, error_filter;
    gboolean was_inside; /* the last byte of the input was not a line break */
    guint on_resize, on_end_again;
    GCancellable *leaving;
    GAsyncResult *ended; /* the reply to Wait() */
} Session;

static void
close_end(int *fd)
{
    close(*fd);
    *fd = -1;
}

/* --- output --- */

static void
note_write_error(Session *session, const char *stream, int error)
{
    if (error == 0 || error == EPIPE)
        return; /* as in a pipe, a reader may close the output without an error */
    session->has_failed = TRUE;
    cli_note("cannot write %s: %s", stream, g_strerror(error));
}

/*
 * Closing the descriptor gives the program SIGPIPE. The raw mode ends, because a terminal without
 * output takes no more keys: the process is about to end, or another client has attached to it.
 */
static void
on_output_ended(int read_error, int write_error, gpointer data)
{
    Session *session = data;

    raw_end();
    note_write_error(session, "standard output", write_error);
    session->output_is_over = TRUE;
    session->is_left = session->program->is_terminal && write_error != 0;
    close_end(&session->program->output);
}

static void
on_error_ended(int read_error, int write_error, gpointer data)
{
    Session *session = data;

    note_write_error(session, "standard error", write_error);
    session->error_is_over = TRUE;
    close_end(&session->program->error);
}

/* --- input --- */

static gboolean
pass_keys(const guint8 *keys, gsize size, GByteArray *out, gpointer data)
{
    Session *session = data;
    gboolean stays = size > 0 && escape_pass(&session->escape, keys, size, out);

    if (session->escape.wants_help)
        fputs("\r\ncloche: " ESCAPE_HELP "\r\n", stderr);
    session->escape.wants_help = FALSE;
    session->is_left = !stays;
    return stays;
}

/* The end of an input that is not a terminal is typed as Ctrl-D. Within a line, a first Ctrl-D only
 * sends the line. */
static gboolean
pass_lines(const guint8 *bytes, gsize size, GByteArray *out, gpointer data)
{
    static const guint8 end[] = {CTRL_D, CTRL_D};
    Session *session = data;

    if (size > 0) {
        g_byte_array_append(out, bytes, size);
        session->was_inside = bytes[size - 1] != '\n';
    } else {
        g_byte_array_append(out, end, session->was_inside ? 2 : 1);
    }
    return TRUE;
}

/*
 * Ctrl-D is repeated: a terminal forgets it when a shell leaves the line mode, and the next program
 * that reads must see the end as well.
 */
static gboolean
on_end_again(gpointer data)
{
    static const guint8 end = CTRL_D;
    Session *session = data;

    if (write(session->program->input, &end, 1) == 1 || errno == EAGAIN || errno == EINTR)
        return G_SOURCE_CONTINUE;
    session->on_end_again = 0;
    return G_SOURCE_REMOVE;
}

static void
on_input_ended(int read_error, int write_error, gpointer data)
{
    Session *session = data;

    if (read_error != 0 && !session->is_raw) {
        session->has_failed = TRUE;
        cli_note("cannot read standard input: %s", g_strerror(read_error));
    }
    if (session->program->is_kept && !session->program->is_terminal)
        cloche_process_call_close_input(session->program->process, CLIENT_CALL,
                                        /* cancellable= */ NULL, /* callback= */ NULL,
                                        /* data= */ NULL);
    if (session->program->is_terminal && !session->is_raw && write_error == 0)
        session->on_end_again = g_timeout_add(END_AGAIN_MS, on_end_again, session);
    else
        close_end(&session->program->input);
}

static void
begin_input(Session *session)
{
    CopyFilter filter = NULL;

    if (session->program->is_terminal)
        filter = session->is_raw ? pass_keys : pass_lines;
    session->input =
        copy_new(STDIN_FILENO, session->program->input, filter, on_input_ended, session);
}

/* --- output --- */

static gboolean
pass_output(const guint8 *bytes, gsize size, GByteArray *out, gpointer data)
{
    terminal_filter(&((Session *)data)->output_filter, bytes, size, out);
    return size > 0;
}

static gboolean
pass_error(const guint8 *bytes, gsize size, GByteArray *out, gpointer data)
{
    Session *session = data;

    network_hint_add(session->program->hint, bytes, size);
    if (isatty(STDERR_FILENO))
        terminal_filter(&session->error_filter, bytes, size, out);
    else
        g_byte_array_append(out, bytes, (guint)size);
    return size > 0;
}

/* A program that got a terminal controls ours. */
static void
begin_output(Session *session)
{
    const ProcessStreams *program = session->program;
    gboolean is_filtered = !program->is_terminal && isatty(STDOUT_FILENO);

    if (!program->is_terminal)
        session->error =
            copy_new(program->error, STDERR_FILENO, pass_error, on_error_ended, session);
    session->output = copy_new(program->output, STDOUT_FILENO, is_filtered ? pass_output : NULL,
                               on_output_ended, session);
}

/* --- the terminal's size --- */

static gboolean
on_resized(gpointer data)
{
    Session *session = data;
    guint16 columns, rows;

    raw_size(&columns, &rows);
    cloche_process_call_resize(session->program->process, columns, rows, CLIENT_CALL,
                               /* cancellable= */ NULL, /* callback= */ NULL, /* data= */ NULL);
    return G_SOURCE_CONTINUE;
}

/* Also sets the size at once: the terminal of an attached process may have another size. */
static void
begin_terminal(Session *session)
{
    session->is_raw = raw_begin();
    if (!session->is_raw)
        return;
    session->on_resize = g_unix_signal_add(SIGWINCH, on_resized, session);
    on_resized(session);
}

/* --- the end --- */

static gboolean
is_over(const Session *session)
{
    return session->is_left || session->cli->signal != 0 ||
           (session->ended != NULL && session->output_is_over && session->error_is_over);
}

static void
end_session(Session *session)
{
    if (session->on_resize != 0)
        g_source_remove(session->on_resize);
    if (session->on_end_again != 0)
        g_source_remove(session->on_end_again);
    copy_free(session->input);
    copy_free(session->output);
    copy_free(session->error);
    raw_end();
    if (session->ended == NULL) /* a reply that has arrived must not be cancelled */
        g_cancellable_cancel(session->leaving);
    cli_await(&session->ended);
    g_object_unref(session->leaving);
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
        cli_note("the command was killed because its --timeout expired");
    else if (g_str_equal(how, "out-of-memory"))
        cli_note("the command was killed because the sandbox has no more memory");
    else if (g_str_equal(how, "signaled"))
        note_signal(number);
}

static int
exit_status(Session *session)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *how = NULL;
    g_autoptr(GVariant) usage = NULL;
    int status;

    if (session->cli->signal != 0)
        return 128 + session->cli->signal;
    if (session->is_left)
        return session->program->is_kept ? CLI_OK : 128 + SIGHUP;
    if (!cloche_process_call_wait_finish(session->program->process, &status, &how, &usage,
                                         session->ended, &error)) {
        if (session->is_raw)
            fputs("\r\n", stderr);
        return cli_fail(session->cli, error);
    }
    note_end(how, status);
    if (g_str_equal(how, "exited") && status != 0)
        network_hint_give(session->program->hint);
    return session->has_failed ? CLI_FAILED : exit_status_from(how, status);
}

int
program_follow(Cli *cli, ProcessStreams *program, gboolean with_stdin)
{
    Session session = {.cli = cli,
                       .program = program,
                       .error_is_over = program->is_terminal,
                       .leaving = g_cancellable_new()};
    int status;

    g_unix_set_fd_nonblocking(program->input, TRUE, /* error= */ NULL);
    if (program->is_terminal)
        begin_terminal(&session);
    begin_output(&session);
    if (with_stdin || program->is_terminal)
        begin_input(&session);
    cloche_process_call_wait(program->process, CLIENT_CALL, session.leaving, cli_on_reply,
                             &session.ended);
    while (!is_over(&session))
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    end_session(&session);
    status = exit_status(&session);
    g_object_unref(session.ended);
    return status;
}
