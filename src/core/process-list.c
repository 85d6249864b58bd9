/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process-list: all programs of a sandbox, and the process objects to which they belong.
 *
 * A program belongs to the process in whose cgroup it runs.
 */
#include "process-list.h"

#include "guest-calls.h"
#include "registry.h"

static void
entry_clear(gpointer data)
{
    ProcessListEntry *entry = data;

    if (!entry->has_ended)
        guest_program_clear(&entry->program);
}

static GArray *
read_programs(GBytes *answer)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(ProcessListEntry));
    ProcessListEntry entry = {0};
    GuestRecords records;

    g_array_set_clear_func(entries, entry_clear);
    guest_records_init(&records, answer);
    while (guest_records_next_program(&records, &entry.program))
        g_array_append_val(entries, entry);
    return entries;
}

/* The key is the group's number, which stays in `entries`. */
static GHashTable *
processes_by_group(GArray *entries, GList *processes)
{
    g_autoptr(GHashTable) by_pid = g_hash_table_new(NULL, NULL);
    GHashTable *by_group = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (GList *l = processes; l; l = l->next) {
        Process *process = l->data;

        if (!process->has_ended)
            g_hash_table_insert(by_pid, GUINT_TO_POINTER(process->pid), process);
    }
    for (guint i = 0; i < entries->len; i++) {
        GuestProgram *program = &g_array_index(entries, ProcessListEntry, i).program;
        gpointer process = g_hash_table_lookup(by_pid, GUINT_TO_POINTER(program->pid));

        if (process && program->group != 0)
            g_hash_table_insert(by_group, &program->group, process);
    }
    return by_group;
}

static void
join(GArray *entries, const Sandbox *sandbox)
{
    g_autoptr(GList) processes = core_processes(sandbox);
    g_autoptr(GHashTable) by_group = processes_by_group(entries, processes);

    for (guint i = 0; i < entries->len; i++) {
        ProcessListEntry *entry = &g_array_index(entries, ProcessListEntry, i);

        if (entry->program.group != 0)
            entry->process = g_hash_table_lookup(by_group, &entry->program.group);
    }
    for (GList *l = processes; l; l = l->next) {
        const ProcessListEntry entry = {.process = l->data, .has_ended = TRUE};

        if (entry.process->has_ended)
            g_array_append_val(entries, entry);
    }
}

typedef struct {
    Core *core;
    char *id;
    Viewer owner;
} ListRequest;

static void
list_request_free(gpointer data)
{
    ListRequest *request = data;

    g_free(request->id);
    g_free(request);
}

static void
on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    const ListRequest *request = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GBytes) answer = core_task_finish(result, &error);
    const Sandbox *sandbox =
        answer ? core_find(request->core, &request->owner, request->id, &error) : NULL;
    GArray *entries;

    if (!sandbox) {
        g_task_return_error(task, error);
        return;
    }
    entries = read_programs(answer);
    join(entries, sandbox);
    g_task_return_pointer(task, entries, (GDestroyNotify)g_array_unref);
}

void
core_list_programs_async(Sandbox *sandbox, GCancellable *caller, GAsyncReadyCallback callback,
                         gpointer data)
{
    static const char *const argv[] = {"processes", NULL};
    GTask *task = g_task_new(NULL, NULL, callback, data);
    ListRequest *request = g_new0(ListRequest, 1);

    request->core = sandbox->core;
    request->id = g_strdup(sandbox->id);
    request->owner.uid = sandbox->owner;
    g_task_set_task_data(task, request, list_request_free);
    core_task_async(sandbox, argv, "root", caller, on_listed, task);
}

GArray *
core_list_programs_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
