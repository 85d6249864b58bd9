/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-methods: Start, OpenTerminal and ListProcesses of org.cloche1.Sandbox, and the methods of
 * org.cloche1.Process. */
#include "handlers.h"
#include "process-list.h"
#include "reply.h"

/* --- Start and OpenTerminal --- */

/* Moves the caller's ends to a new list, in the order of the channels. */
static GUnixFDList *
take_fds(ProcessEnds *ends)
{
    GUnixFDList *fds = g_unix_fd_list_new();

    for (WireChannel channel = 0; channel <= WIRE_STDERR; channel++)
        if (ends->callers[channel] >= 0)
            g_unix_fd_list_append(fds, ends->callers[channel], NULL); /* a copy */
    process_ends_clear(ends);
    return fds;
}

static void
on_started(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_auto(ProcessEnds) ends = PROCESS_NO_ENDS;
    GError *error = NULL;
    Process *process = core_start_process_finish(result, &ends, &error);
    g_autofree char *path = NULL;

    if (!process) {
        call_fail(call, error);
        return;
    }
    path = reply_process_path(process);
    call_answer_with_fds(call,
                         process->is_terminal ? g_variant_new("(oh)", path, 0)
                                              : g_variant_new("(ohhh)", path, 0, 1, 2),
                         take_fds(&ends));
}

static guint32
flag(GVariant *options, const char *key, guint32 value)
{
    gboolean is_set = FALSE;

    g_variant_lookup(options, key, "b", &is_set);
    return is_set ? value : 0;
}

/* What both take. The environment belongs to the caller, the other strings to the options. */
static gboolean
unpack_common(Call *call, ProcessRequest *request, char ***ret_environment, GError **error)
{
    g_variant_lookup(call->options, "cwd", "&s", &request->start.cwd);
    g_variant_lookup(call->options, "user", "&s", &request->start.user);
    g_variant_lookup(call->options, "tag", "&s", &request->tag);
    g_variant_lookup(call->options, "keep", "b", &request->is_kept);
    g_variant_lookup(call->options, "detached", "b", &request->is_detached);
    if (!call_unpack_timeout(call, &request->start.timeout_ms, error))
        return FALSE;
    *ret_environment = options_environment(call->options, "environment", error);
    request->start.environment = (const char *const *)*ret_environment;
    return *ret_environment != NULL;
}

const Option sandbox_start_options[] = {
    {"cwd", "s"},      {"environment", "a{ss}"},
    {"user", "s"},     {"timeout", "t"},
    {"tag", "s"},      {"merge-stderr", "b"},
    {"keep", "b"},     {"no-stdin", "b"},
    {"detached", "b"}, {NULL, NULL},
};

void
sandbox_start(Call *call, GVariant *parameters)
{
    g_autofree const char **argv = NULL;
    g_auto(GStrv) environment = NULL;
    ProcessRequest request = {0};
    GError *error = NULL;

    g_variant_get(parameters, "(^a&s@a{sv})", &argv, NULL);
    if (!argv_check(argv, &error) || !unpack_common(call, &request, &environment, &error)) {
        call_fail(call, error);
        return;
    }
    request.start.argv = argv;
    request.start.flags = flag(call->options, "no-stdin", START_NO_STDIN) |
                          flag(call->options, "merge-stderr", START_MERGE_STDERR);
    core_start_process_async(call->sandbox, &request, call->peer->left, on_started, call);
}

const Option sandbox_open_terminal_options[] = {
    {"argv", "as"}, {"cwd", "s"},  {"environment", "a{ss}"}, {"user", "s"}, {"timeout", "t"},
    {"tag", "s"},   {"keep", "b"}, {"detached", "b"},        {NULL, NULL},
};

void
sandbox_open_terminal(Call *call, GVariant *parameters)
{
    g_autofree const char **argv = NULL;
    g_auto(GStrv) environment = NULL;
    ProcessRequest request = {0};
    guint16 columns, rows;
    GError *error = NULL;

    g_variant_get(parameters, "(qq@a{sv})", &columns, &rows, NULL);
    if ((g_variant_lookup(call->options, "argv", "^a&s", &argv) && !argv_check(argv, &error)) ||
        !unpack_common(call, &request, &environment, &error)) {
        call_fail(call, error);
        return;
    }
    request.start.argv = argv;
    core_open_terminal_async(call->sandbox, &request, columns, rows, call->peer->left, on_started,
                             call);
}

/* --- ListProcesses --- */

static void
on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(GArray) entries = core_list_programs_finish(result, &error);
    GVariantBuilder list;

    if (!entries) {
        call_fail(call, error);
        return;
    }
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < entries->len; i++) {
        const ProcessListEntry *entry = &g_array_index(entries, ProcessListEntry, i);

        g_variant_builder_add_value(&list, entry->has_ended
                                               ? reply_ended_process(entry->process)
                                               : reply_program(&entry->program, entry->process));
    }
    call_answer(call, g_variant_new("(aa{sv})", &list));
}

void
sandbox_list_processes(Call *call, GVariant *parameters)
{
    core_list_programs_async(call->sandbox, call->peer->left, on_listed, call);
}

/* --- org.cloche1.Process --- */

/* Answers nothing, or the error. */
static void
answer_or_fail(Call *call, gboolean ok, GError *error)
{
    if (ok)
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
process_signal(Call *call, GVariant *parameters)
{
    GError *error = NULL;
    gboolean ok;
    int number;

    g_variant_get(parameters, "(i)", &number);
    ok = core_signal_process(call->process, number, &error);
    answer_or_fail(call, ok, error);
}

void
process_kill(Call *call, GVariant *parameters)
{
    core_kill_process(call->process);
    call_answer(call, NULL);
}

void
process_attach(Call *call, GVariant *parameters)
{
    g_auto(ProcessEnds) ends = PROCESS_NO_ENDS;
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    WireChannel output = call->process->is_terminal ? WIRE_STDIN : WIRE_STDOUT;
    GError *error = NULL;

    if (!core_attach_process(call->process, &ends, &error)) {
        call_fail(call, error);
        return;
    }
    g_unix_fd_list_append(fds, ends.callers[WIRE_STDIN], NULL);
    g_unix_fd_list_append(fds, ends.callers[output], NULL);
    g_unix_fd_list_append(fds, ends.callers[WIRE_STDERR], NULL);
    call_answer_with_fds(call, g_variant_new("(hhh)", 0, 1, 2), g_steal_pointer(&fds));
}

static void
on_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    ProcessEnd end;

    if (core_wait_process_finish(result, &end, &error))
        call_answer(call, reply_end(&end));
    else
        call_fail(call, error);
}

void
process_wait(Call *call, GVariant *parameters)
{
    core_wait_process_async(call->process, on_waited, call);
}

void
process_close_input(Call *call, GVariant *parameters)
{
    core_close_process_input(call->process);
    call_answer(call, NULL);
}

void
process_resize(Call *call, GVariant *parameters)
{
    guint16 columns, rows;
    GError *error = NULL;
    gboolean ok;

    g_variant_get(parameters, "(qq)", &columns, &rows);
    ok = core_resize_process(call->process, columns, rows, &error);
    answer_or_fail(call, ok, error);
}
