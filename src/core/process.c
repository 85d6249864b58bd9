/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process: from a request to an end, and the callers that wait for it. */
#include "process.h"

#include <signal.h>
#include <string.h>

#include "core-private.h"
#include "error.h"
#include "process-tag.h"
#include "util.h"

#define DEFAULT_TERM "TERM=xterm-256color"

/* --- callers that wait --- */

/* The data of the task of a start. The task may complete when the process is gone already. */
typedef struct ProcessStart {
    ProcessEnds ends;
    Process *process; /* NULL: it has not started, or is gone */
} ProcessStart;

static void
start_free(gpointer data)
{
    ProcessStart *start = data;

    if (start->process)
        start->process->started = NULL;
    process_ends_clear(&start->ends);
    g_free(start);
}

static void
finish_start(Process *process, const GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&process->starting);

    if (!task)
        return;
    if (error) {
        g_task_return_error(task, g_error_copy(error));
        return;
    }
    process->started = g_task_get_task_data(task);
    process->started->process = process;
    g_task_return_boolean(task, TRUE);
}

static void
finish_waiting(Process *process, const GError *error)
{
    GList *waiting = g_steal_pointer(&process->waiting);

    for (GList *l = waiting; l; l = l->next) {
        g_autoptr(GTask) task = l->data;
        ProcessEnd end = {process->exit, process->duration_us};

        if (error)
            g_task_return_error(task, g_error_copy(error));
        else
            g_task_return_pointer(task, g_memdup2(&end, sizeof(end)), g_free);
    }
    g_list_free(waiting);
}

/* --- life --- */

static void
process_free(Process *process)
{
    g_autoptr(GError) error = g_error_new(
        CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROCESS,
        "process %u was ended because the caller that started it has left", process->number);

    if (process->caller)
        g_signal_handler_disconnect(process->caller, process->caller_handler);
    g_clear_object(&process->caller);
    if (process->started)
        process->started->process = NULL;
    finish_start(process, error);
    finish_waiting(process, error);
    guest_process_free(process->guest);
    operation_end(process->operation);
    g_strfreev(process->argv);
    g_free(process->tag);
    g_free(process);
}

static void
process_remove(Process *process)
{
    g_hash_table_remove(process->sandbox->processes, GUINT_TO_POINTER(process->number));
    process_free(process);
}

void
processes_clear(Sandbox *sandbox)
{
    g_autoptr(GList) all = g_hash_table_get_values(sandbox->processes);

    for (GList *l = all; l; l = l->next)
        process_remove(l->data);
}

gsize
process_size(const char *const *argv, const char *tag)
{
    gsize size = tag ? strlen(tag) : 0;

    for (; *argv; argv++)
        size += strlen(*argv) + PROCESS_ARGUMENT_WEIGHT;
    return size;
}

/* The oldest of the processes that have ended, when they are too many or too large; NULL: they are
 * not. */
static Process *
find_excess(Sandbox *sandbox)
{
    Process *oldest = NULL;
    GHashTableIter iter;
    gpointer value;
    gsize size = 0;
    guint ended = 0;

    g_hash_table_iter_init(&iter, sandbox->processes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Process *process = value;

        if (!process->has_ended || process->operation)
            continue;
        ended++;
        size += process_size((const char *const *)process->argv, process->tag);
        if (!oldest || process->number < oldest->number)
            oldest = process;
    }
    return ended > PROCESSES_ENDED_MAX || size > PROCESSES_ENDED_SIZE_MAX ? oldest : NULL;
}

static void
forget_oldest(Sandbox *sandbox)
{
    Process *oldest;

    while ((oldest = find_excess(sandbox)))
        process_remove(oldest);
}

static void
on_started(GuestProcess *guest, gpointer data)
{
    Process *process = data;

    process->pid = guest_process_pid(guest);
    finish_start(process, NULL);
}

static void
on_ended(GuestProcess *guest, const GuestExit *how, const GError *error, gpointer data)
{
    Process *process = data;
    Core *core = process->sandbox->core;
    gboolean has_started = !process->starting;

    process->has_ended = TRUE;
    process->duration_us = util_boottime_us() - process->begun_us;
    if (how)
        process->exit = *how;
    finish_start(process, error);
    finish_waiting(process, error);
    if (has_started && how)
        core->events->process_ended(process, core->events_data);
}

/* A process that failed to start, or was lost, is dropped: its caller already has the error. */
static void
on_over(GuestProcess *guest, gpointer data)
{
    Process *process = data;
    Sandbox *sandbox = process->sandbox;

    operation_end(g_steal_pointer(&process->operation));
    if (process->pid == 0)
        process_remove(process);
    else
        forget_oldest(sandbox);
}

static const GuestProcessEvents guest_events = {on_started, on_ended, on_over};

static void
on_cancelled(gpointer data)
{
    Process *process = data;

    guest_process_kill(process->guest);
}

static const OperationEvents operation_events = {.cancelled = on_cancelled};

static Process *
process_new(Sandbox *sandbox, guint32 number, const char *const *argv, const char *tag)
{
    Process *process = g_new0(Process, 1);

    process->sandbox = sandbox;
    process->number = number;
    process->argv = g_strdupv((char **)argv);
    process->tag = g_strdup(tag ? tag : "");
    process->started_us = g_get_real_time();
    process->begun_us = util_boottime_us();
    g_hash_table_insert(sandbox->processes, GUINT_TO_POINTER(number), process);
    return process;
}

/* --- start --- */

static gboolean
start_in_guest(Process *process, const ProcessRequest *request, GError **error)
{
    GuestStart start = request->start;
    g_autofree char *tag = NULL;

    if (process->is_kept) {
        tag = process_tag_make(process->number, process->is_terminal, process->tag);
        start.tag = tag;
        start.flags |= START_KEEP;
    }
    process->guest =
        guest_process_start(instance_link(process->sandbox->instance), &start,
                            process->is_kept ? GUEST_PROCESS_KEPT : GUEST_PROCESS_ORDINARY,
                            &guest_events, process, error);
    return process->guest != NULL;
}

static void
connect_ends(Process *process, ProcessEnds *ends)
{
    if (ends->ours[WIRE_STDIN] >= 0)
        guest_process_connect_input(process->guest, g_steal_fd(&ends->ours[WIRE_STDIN]));
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        if (ends->ours[channel] >= 0)
            guest_process_connect_output(process->guest, channel, g_steal_fd(&ends->ours[channel]));
}

static gboolean
check_request(const ProcessRequest *request, GError **error)
{
    if (request->tag && strlen(request->tag) > PROCESS_TAG_MAX)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "tag: at most %d bytes, not %zu", PROCESS_TAG_MAX, strlen(request->tag));
    else if (request->is_detached && !request->is_kept)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "detached: only together with keep");
    else
        return TRUE;
    return FALSE;
}

/* Opens the descriptors; the task keeps the caller's. */
static ProcessEnds *
open_ends(GTask *task, const ProcessRequest *request, GError **error)
{
    ProcessStart *start = g_new0(ProcessStart, 1);
    ProcessEnds *ends = &start->ends;
    gboolean is_terminal = (request->start.flags & START_TERMINAL) != 0;

    *ends = (ProcessEnds)PROCESS_NO_ENDS;
    g_task_set_task_data(task, start, start_free);
    if (!(is_terminal ? process_ends_open_socket(ends, error)
                      : process_ends_open_streams(ends, error)))
        return NULL;
    /* The output of a detached process is kept from its first byte; a socket would lose what is in
     * it when the caller closes its end. */
    if (request->is_detached)
        process_ends_detach(ends);
    return ends;
}

/* NULL with an error: nothing was started. */
static Process *
start(Sandbox *sandbox, GTask *task, const ProcessRequest *request, GError **error)
{
    ProcessEnds *ends;
    Operation *operation;
    Process *process;

    if (!check_request(request, error) || !(ends = open_ends(task, request, error)))
        return NULL;
    operation = operation_begin(sandbox, /* caller= */ NULL, error);
    if (operation &&
        !operation_hold(operation, process_size(request->start.argv, request->tag), error))
        operation_end(g_steal_pointer(&operation));
    if (!operation)
        return NULL;
    process = process_new(sandbox, ++sandbox->last_process, request->start.argv, request->tag);
    process->operation = operation;
    process->is_kept = request->is_kept;
    process->is_terminal = (request->start.flags & START_TERMINAL) != 0;
    if (!start_in_guest(process, request, error)) {
        process_remove(process);
        return NULL;
    }
    connect_ends(process, ends);
    return process;
}

static void
on_caller_left(GCancellable *caller, gpointer data)
{
    process_remove(data);
}

/* The process, or the record that remains of it, is removed when its caller leaves. */
static void
tie_to_caller(Process *process, GCancellable *caller)
{
    if (g_cancellable_is_cancelled(caller)) {
        process_remove(process);
        return;
    }
    process->caller = g_object_ref(caller);
    process->caller_handler =
        g_signal_connect(caller, "cancelled", G_CALLBACK(on_caller_left), process);
}

void
core_start_process_async(Sandbox *sandbox, const ProcessRequest *request, GCancellable *caller,
                         GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;
    Process *process = start(sandbox, task, request, &error);

    if (!process) {
        g_task_return_error(task, error);
        return;
    }
    process->starting = g_steal_pointer(&task);
    operation_watch(process->operation, &operation_events, process);
    if (!process->is_kept)
        tie_to_caller(process, caller);
}

Process *
core_start_process_finish(GAsyncResult *result, ProcessEnds *ret_ends, GError **error)
{
    ProcessStart *start = g_task_get_task_data(G_TASK(result));

    if (!g_task_propagate_boolean(G_TASK(result), error))
        return NULL;
    if (!start->process) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROCESS,
                    "the process was ended: its caller has left, or its sandbox has ended");
        return NULL;
    }
    for (WireChannel channel = 0; channel <= WIRE_STDERR; channel++)
        ret_ends->callers[channel] = g_steal_fd(&start->ends.callers[channel]);
    return start->process;
}

/* --- terminals --- */

static gboolean
check_side(const char *name, guint32 value, GError **error)
{
    if (value >= 1 && value <= PROCESS_TERMINAL_SIDE_MAX)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "%s: it must be 1 to %d, not %u", name, PROCESS_TERMINAL_SIDE_MAX, value);
    return FALSE;
}

static gboolean
check_size(guint32 columns, guint32 rows, GError **error)
{
    return check_side("columns", columns, error) && check_side("rows", rows, error);
}

/* The environment with TERM, which every terminal has: a new array, whose strings are shared. */
static const char **
with_term(const char *const *environment)
{
    GPtrArray *all = g_ptr_array_new();
    gboolean has_term = FALSE;

    for (; environment && *environment; environment++) {
        has_term = has_term || g_str_has_prefix(*environment, "TERM=");
        g_ptr_array_add(all, (gpointer)*environment);
    }
    if (!has_term)
        g_ptr_array_add(all, (gpointer)DEFAULT_TERM);
    g_ptr_array_add(all, NULL);
    return (const char **)g_ptr_array_free(all, FALSE);
}

void
core_open_terminal_async(Sandbox *sandbox, const ProcessRequest *request, guint32 columns,
                         guint32 rows, GCancellable *caller, GAsyncReadyCallback callback,
                         gpointer data)
{
    /* Only the guest knows the user's shell. */
    static const char *const shell[] = {"/bin/sh", "-c", "exec \"${SHELL:-/bin/sh}\" -l", NULL};
    g_autofree const char **environment = with_term(request->start.environment);
    ProcessRequest terminal = *request;
    GError *error = NULL;

    if (!check_size(columns, rows, &error)) {
        g_task_report_error(NULL, callback, data, core_open_terminal_async, error);
        return;
    }
    if (!terminal.start.argv)
        terminal.start.argv = shell;
    terminal.start.environment = environment;
    terminal.start.flags |= START_TERMINAL;
    terminal.start.columns = columns;
    terminal.start.rows = rows;
    core_start_process_async(sandbox, &terminal, caller, callback, data);
}

gboolean
core_resize_process(Process *process, guint32 columns, guint32 rows, GError **error)
{
    if (!process->is_terminal) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "process %u has no terminal", process->number);
        return FALSE;
    }
    if (!check_size(columns, rows, error))
        return FALSE;
    guest_process_resize(process->guest, columns, rows);
    return TRUE;
}

/* --- use --- */

Process *
core_find_process(Sandbox *sandbox, guint32 number, GError **error)
{
    Process *process = g_hash_table_lookup(sandbox->processes, GUINT_TO_POINTER(number));

    if (process && !process->starting)
        return process;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROCESS,
                "sandbox '%s' has no process %u, or it ended long ago", sandbox->id, number);
    return NULL;
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    const Process *first = a, *second = b;

    return first->number < second->number ? -1 : first->number > second->number;
}

GList *
core_processes(const Sandbox *sandbox)
{
    return g_list_sort(g_hash_table_get_values(sandbox->processes), compare_numbers);
}

gboolean
core_attach_process(Process *process, ProcessEnds *ret_ends, GError **error)
{
    if (!process->is_kept) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "process %u was not started with 'keep'", process->number);
        return FALSE;
    }
    if (!(process->is_terminal ? process_ends_open_socket_and_stream(ret_ends, error)
                               : process_ends_open_streams(ret_ends, error)))
        return FALSE;
    connect_ends(process, ret_ends);
    return TRUE;
}

gboolean
core_signal_process(Process *process, int number, GError **error)
{
    if (number < 1 || number > PROCESS_SIGNAL_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "signal: it must be 1 to %d, not %d", PROCESS_SIGNAL_MAX, number);
        return FALSE;
    }
    if (number == SIGKILL)
        guest_process_kill(process->guest);
    else
        guest_process_signal(process->guest, number);
    return TRUE;
}

void
core_kill_process(Process *process)
{
    guest_process_kill(process->guest);
}

void
core_close_process_input(Process *process)
{
    guest_process_close_input(process->guest);
}

gboolean
core_process_has_lost_output(const Process *process)
{
    return guest_process_has_lost_output(process->guest);
}

void
core_wait_process_async(Process *process, GAsyncReadyCallback callback, gpointer data)
{
    process->waiting = g_list_prepend(process->waiting, g_task_new(NULL, NULL, callback, data));
    if (process->has_ended)
        finish_waiting(process, NULL);
}

gboolean
core_wait_process_finish(GAsyncResult *result, ProcessEnd *ret_end, GError **error)
{
    g_autofree ProcessEnd *end = g_task_propagate_pointer(G_TASK(result), error);

    if (end)
        *ret_end = *end;
    return end != NULL;
}

/* --- processes of the previous instance --- */

void
process_adopt(Sandbox *sandbox, const GuestKept *kept)
{
    const char *callers_tag;
    gboolean is_terminal;
    guint32 number;
    Process *process;

    if (!process_tag_parse(kept->tag, &number, &is_terminal, &callers_tag) ||
        g_hash_table_contains(sandbox->processes, GUINT_TO_POINTER(number)))
        return;
    process = process_new(sandbox, number, (const char *const *)kept->argv, callers_tag);
    process->is_kept = TRUE;
    process->is_terminal = is_terminal;
    process->pid = kept->pid;
    process->begun_us -= process->started_us - (gint64)kept->started_ms * 1000;
    process->started_us = (gint64)kept->started_ms * 1000;
    sandbox->last_process = MAX(sandbox->last_process, number);
    process->guest =
        guest_process_attach(instance_link(sandbox->instance), kept->tag, process->is_terminal,
                             &guest_events, process, /* error= */ NULL);
    if (!process->guest) {
        process_remove(process);
        return;
    }
    process->operation =
        operation_adopt(sandbox, process_size((const char *const *)process->argv, process->tag));
    operation_watch(process->operation, &operation_events, process);
}
