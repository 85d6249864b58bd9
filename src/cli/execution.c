/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* execution: StreamCode() shows output as it arrives; RunCode() returns it as JSON. */
#include "execution.h"

#include <gio/gunixfdlist.h>

#include "guest.h"
#include "languages.h"
#include "options.h"
#include "show.h"
#include "term.h"
#include "transfer.h"

typedef struct {
    Cli *cli;
    const Execution *execution;
    GCancellable *leaving;
    Show *show;
    gboolean was_interrupted;
} Running;

/* --- Ctrl-C --- */

/* The context that executes the code; NULL: unknown. */
static const char *
context_id(const Execution *execution)
{
    if (execution->context != NULL)
        return execution->context;
    return execution->language != NULL ? languages_default_context(execution->language) : NULL;
}

/* Whether the context executes this code: an event of it has arrived. Otherwise the context may be
 * executing the code of another client. */
static gboolean
is_ours(const Running *running)
{
    return running->execution->is_alone || g_atomic_int_get(&running->show->has_begun);
}

/*
 * If the call is abandoned, the service interrupts the code or does not start it, and its further
 * output is lost.
 */
static void
on_interrupt(gpointer data)
{
    Running *running = data;
    const char *context = context_id(running->execution);

    if (!running->was_interrupted && !is_ours(running))
        cli_note("the code was interrupted");
    if (running->was_interrupted || context == NULL || !is_ours(running))
        g_cancellable_cancel(running->leaving);
    else
        cloche_sandbox_call_interrupt_context(running->execution->sandbox, context, CLIENT_CALL,
                                              /* cancellable= */ NULL, /* callback= */ NULL,
                                              /* data= */ NULL);
    running->was_interrupted = TRUE;
}

static void
on_signal(GCancellable *interrupted, gpointer leaving)
{
    g_cancellable_cancel(leaving);
}

/* --- with output as it arrives --- */

static GVariant *
make_options(const Execution *execution, gboolean with_colors)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(execution->options);

    options_add_text(&options, "context", execution->context);
    if (execution->context == NULL)
        options_add_text(&options, "language", execution->language);
    if (with_colors)
        g_variant_dict_insert(&options, "colors", "b", TRUE);
    return g_variant_dict_end(&options);
}

static int
open_events(const Running *running, const char *code, GError **error)
{
    ClocheSandbox *sandbox = running->execution->sandbox;
    gboolean with_colors = *term_style(stderr, STYLE_RED) != '\0';
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) handle = NULL;

    cloche_sandbox_call_stream_code(sandbox, code, make_options(running->execution, with_colors),
                                    CLIENT_CALL, /* fds= */ NULL, running->leaving, cli_on_reply,
                                    &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_stream_code_finish(sandbox, &handle, &fds, reply, error))
        return -1;
    return guest_take_fd(handle, fds, error);
}

static gboolean
follow(const Running *running, const char *code, GError **error)
{
    Stream events = {.interrupted = running->leaving};

    events.fd = open_events(running, code, error);
    if (events.fd >= 0)
        network_hint_follow(running->execution->hint);
    return events.fd >= 0 &&
           transfer_finish(transfer_start(running->cli, &events, show_follow, running->show),
                           error);
}

static int
status_of(const char *status)
{
    if (g_str_equal(status, "ok"))
        return CLI_OK;
    if (g_str_equal(status, "timed-out"))
        return CLI_TIMED_OUT;
    return g_str_equal(status, "interrupted") ? EXECUTION_INTERRUPTED : CLI_CODE_RAISED;
}

static int
tell_end(const Show *show)
{
    int status = status_of(show->status);

    if (status == CLI_TIMED_OUT)
        cli_note("%s--timeout sets a longer limit",
                 show->tells_limit ? "" : "the code was stopped because its timeout expired; ");
    else if (status == EXECUTION_INTERRUPTED && !show->has_error)
        cli_note("the code was interrupted");
    else if (status == CLI_CODE_RAISED)
        network_hint_give(show->hint);
    return show->gallery->has_failed && status == CLI_OK ? CLI_FAILED : status;
}

/* An error is dropped if the user abandoned the code, or closed its output. */
static int
take_failure(const Running *running, GError **error)
{
    gboolean is_left = g_cancellable_is_cancelled(running->leaving);
    gboolean has_reader = !g_error_matches(*error, G_FILE_ERROR, G_FILE_ERROR_PIPE);

    if (is_left || !has_reader)
        g_clear_error(error);
    if (running->cli->signal != 0)
        return 128 + running->cli->signal;
    if (is_left)
        return EXECUTION_INTERRUPTED;
    return has_reader ? CLI_FAILED : CLI_READER_LEFT;
}

static int
run(const Running *running, const char *code, GError **error)
{
    Show *show = running->show;
    gboolean has_ended = follow(running, code, error);

    if (running->execution->is_dialog && show->is_inside_line)
        fputs("\n", stderr);
    if (has_ended && show->lost == NULL)
        return tell_end(show);
    if (has_ended)
        g_propagate_error(error, g_steal_pointer(&show->lost));
    return take_failure(running, error);
}

int
execution_run(Cli *cli, const Execution *execution, const char *code, GError **error)
{
    g_autoptr(GCancellable) leaving = g_cancellable_new();
    g_auto(Show) show = {
        .gallery = execution->gallery, .hint = execution->hint, .is_dialog = execution->is_dialog};
    Running running = {.cli = cli, .execution = execution, .leaving = leaving, .show = &show};
    gulong connection = g_cancellable_connect(cli->interrupted, G_CALLBACK(on_signal), leaving,
                                              /* destroy= */ NULL);
    int status;

    execution->gallery->saved = 0;
    network_hint_reset(execution->hint);
    cli->on_interrupt = on_interrupt;
    cli->interrupt_data = &running;
    status = run(&running, code, error);
    cli->on_interrupt = NULL;
    g_cancellable_disconnect(cli->interrupted, connection);
    return status;
}

/* --- with --json --- */

static GBytes *
result_bytes(GVariant *value)
{
    gsize size;
    gconstpointer data = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
                             ? g_variant_get_string(value, &size)
                             : g_variant_get_fixed_array(value, &size, 1);

    return g_bytes_new(data, size);
}

static void
save_data(Gallery *gallery, GVariant *data)
{
    GVariantIter iter;
    const char *mime;
    GVariant *value;

    g_variant_iter_init(&iter, data);
    while (g_variant_iter_loop(&iter, "{&sv}", &mime, &value)) {
        g_autoptr(GBytes) bytes = result_bytes(value);

        gallery_take(gallery, /* out= */ NULL, mime, bytes);
    }
}

/* Fetches data that was too large for the reply. */
static void
fetch_files(Gallery *gallery, GVariant *files)
{
    GVariantIter iter;
    const char *mime, *path;

    g_variant_iter_init(&iter, files);
    while (g_variant_iter_loop(&iter, "{&s&s}", &mime, &path))
        gallery_fetch(gallery, mime, path, gallery->cli->interrupted);
}

static void
save_results(Gallery *gallery, GVariant *execution)
{
    g_autoptr(GVariant) results =
        g_variant_lookup_value(execution, "results", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; results != NULL && i < g_variant_n_children(results); i++) {
        g_autoptr(GVariant) result = g_variant_get_child_value(results, i);
        g_autoptr(GVariant) data = g_variant_lookup_value(result, "data", G_VARIANT_TYPE_VARDICT);
        g_autoptr(GVariant) files =
            g_variant_lookup_value(result, "saved", G_VARIANT_TYPE("a{ss}"));

        if (data != NULL)
            save_data(gallery, data);
        if (files != NULL)
            fetch_files(gallery, files);
    }
}

int
execution_print(Cli *cli, const Execution *execution, const char *code)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) answer = NULL;
    g_autoptr(GError) error = NULL;
    const char *status = "";

    cloche_sandbox_call_run_code(execution->sandbox, code, make_options(execution, FALSE),
                                 CLIENT_CALL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_run_code_finish(execution->sandbox, &answer, reply, &error))
        return cli_fail(cli, error);
    cli_print_json(json_from_variant(answer));
    if (execution->gallery->directory != NULL)
        save_results(execution->gallery, answer);
    if (!cli_flush() || execution->gallery->has_failed)
        return CLI_FAILED;
    g_variant_lookup(answer, "status", "&s", &status);
    return status_of(status);
}
