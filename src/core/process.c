/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process: from a request to an end, and whoever waits for that.
 *
 * The guest's agent finds a kept process again by its tag, which has all that a later life of the
 * service has to know and cannot ask for: number, whether it is a terminal, the caller's tag.
 */
#include "process.h"

#include <stdio.h>
#include <unistd.h>

#include "core-private.h"
#include "error.h"
#include "task.h"
#include "util.h"

static void
finish_start(Process *process, const GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&process->starting);

    if (!task)
        return;
    if (error)
        g_task_return_error(task, g_error_copy(error));
    else
        g_task_return_pointer(task, process, NULL);
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

static void
uncharge(Process *process)
{
    if (process->is_charged)
        core_end_process(process->sandbox->core, process->sandbox->owner);
    process->is_charged = FALSE;
}

void
process_free(Process *process)
{
    g_autoptr(GError) error =
        g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROCESS,
                    "process %u was ended: who started it has left", process->number);

    if (process->left_handler != 0)
        g_signal_handler_disconnect(process->left, process->left_handler);
    g_clear_object(&process->left);
    finish_start(process, error);
    finish_waiting(process, error);
    guest_process_free(process->guest);
    uncharge(process);
    g_strfreev(process->argv);
    g_free(process->tag);
    g_free(process);
}

static void
remove_process(Process *process)
{
    g_hash_table_remove(process->sandbox->processes, GUINT_TO_POINTER(process->number));
}

/* --- its life --- */

/* The oldest of too many that have ended goes. */
static void
forget_oldest(Sandbox *sandbox)
{
    Process *oldest = NULL;
    GHashTableIter iter;
    gpointer value;
    guint ended = 0;

    g_hash_table_iter_init(&iter, sandbox->processes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Process *process = value;

        if (!process->has_ended || process->is_charged)
            continue;
        ended++;
        if (!oldest || process->number < oldest->number)
            oldest = process;
    }
    if (ended > PROCESSES_ENDED_MAX)
        remove_process(oldest);
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
    Sandbox *sandbox = process->sandbox;
    gboolean has_started = !process->starting;

    process->has_ended = TRUE;
    process->duration_us = util_boottime_us() - process->begun_us;
    if (how)
        process->exit = *how;
    finish_start(process, error);
    finish_waiting(process, error);
    if (has_started && how)
        sandbox->core->events->process_ended(process, sandbox->core->events_data);
}

/* One that never started, or was lost, was told of and is nothing to look at. */
static void
on_over(GuestProcess *guest, gpointer data)
{
    Process *process = data;
    Sandbox *sandbox = process->sandbox;

    uncharge(process);
    if (process->pid == 0)
        remove_process(process);
    else
        forget_oldest(sandbox);
}

static const GuestProcessEvents guest_events = {on_started, on_ended, on_over};

static void
on_left(GCancellable *left, gpointer data)
{
    remove_process(data);
}

/* --- start --- */

static char *
agent_tag(const Process *process)
{
    return g_strdup_printf("process %u %c %s", process->number, process->is_terminal ? 't' : 'p',
                           process->tag);
}

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

static gboolean
start(Process *process, const ProcessRequest *request, GError **error)
{
    GuestStart words = request->start;
    g_autofree char *tag = NULL;

    if (process->is_kept) {
        tag = agent_tag(process);
        words.tag = tag;
        words.flags |= START_KEEP;
    }
    process->guest =
        guest_process_start(instance_link(process->sandbox->instance), &words,
                            process->is_kept ? GUEST_PROCESS_KEPT : GUEST_PROCESS_ORDINARY,
                            &guest_events, process, error);
    return process->guest != NULL;
}

static void
connect_fds(Process *process, const int *fds)
{
    if (fds[WIRE_STDIN] >= 0)
        guest_process_connect_input(process->guest, fds[WIRE_STDIN]);
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        if (fds[channel] >= 0)
            guest_process_connect_output(process->guest, channel, fds[channel]);
}

static void
close_fds(const int *fds)
{
    for (guint i = 0; i <= WIRE_STDERR; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

void
core_start_process_async(Core *core, Sandbox *sandbox, const ProcessRequest *request,
                         GCancellable *left, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;
    Process *process;

    if (!core_begin_process(core, sandbox->owner, &error)) {
        close_fds(request->fds);
        g_task_return_error(task, error);
        return;
    }
    process = process_new(sandbox, ++sandbox->last_process, request->start.argv, request->tag);
    process->is_charged = TRUE;
    process->is_kept = request->is_kept;
    process->is_terminal = (request->start.flags & START_TERMINAL) != 0;
    if (!start(process, request, &error)) {
        close_fds(request->fds);
        remove_process(process);
        g_task_return_error(task, error);
        return;
    }
    process->starting = g_steal_pointer(&task);
    connect_fds(process, request->fds);
    if (!process->is_kept) {
        process->left = g_object_ref(left);
        process->left_handler = g_signal_connect(left, "cancelled", G_CALLBACK(on_left), process);
    }
}

Process *
core_start_process_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* --- finding, waiting --- */

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

/* --- an earlier life's --- */

static void
attach(Sandbox *sandbox, const GuestKept *kept)
{
    guint32 number;
    char kind;
    int used = 0;
    Process *process;

    if (contexts_adopt(sandbox, kept) ||
        sscanf(kept->tag, "process %u %c %n", &number, &kind, &used) != 2 || used == 0)
        return;
    if (g_hash_table_contains(sandbox->processes, GUINT_TO_POINTER(number)))
        return;
    process = process_new(sandbox, number, (const char *const *)kept->argv, kept->tag + used);
    process->is_kept = TRUE;
    process->is_terminal = kind == 't';
    process->pid = kept->pid;
    process->begun_us -= process->started_us - (gint64)kept->started_ms * 1000;
    process->started_us = (gint64)kept->started_ms * 1000;
    sandbox->last_process = MAX(sandbox->last_process, number);
    process->guest =
        guest_process_attach(instance_link(sandbox->instance), kept->tag, process->is_terminal,
                             &guest_events, process, /* error= */ NULL);
    process->is_charged =
        process->guest && core_begin_process(sandbox->core, sandbox->owner, /* error= */ NULL);
    if (!process->guest)
        remove_process(process);
}

typedef struct {
    Core *core;
    char *id;
    GTask *task;
} Adoption;

static void
on_kept(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Adoption *adoption = data;
    g_autofree char *id = adoption->id;
    g_autoptr(GTask) task = adoption->task;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) answer = guest_task_finish(result, &error);
    Sandbox *sandbox = g_hash_table_lookup(adoption->core->sandboxes, id);
    GuestRecords records;
    GuestKept kept;

    if (answer && sandbox) {
        guest_records_init(&records, answer);
        while (guest_records_next_kept(&records, &kept)) {
            attach(sandbox, &kept);
            guest_kept_clear(&kept);
        }
    }
    g_task_return_boolean(task, TRUE);
}

void
processes_adopt_async(Core *core, Sandbox *sandbox, GAsyncReadyCallback callback, gpointer data)
{
    static const char *const argv[] = {"kept", NULL};
    Adoption *adoption = g_new0(Adoption, 1);

    adoption->core = core;
    adoption->id = g_strdup(sandbox->id);
    adoption->task = g_task_new(NULL, NULL, callback, data);
    guest_task_async(instance_link(sandbox->instance), argv, "root", /* cancellable= */ NULL,
                     on_kept, adoption);
}
