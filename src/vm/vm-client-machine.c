/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-client-machine: machines of cloche-vm, and what their owner is informed of. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-client-private.h"

/* --- reports to the owner --- */

static void
report_stalled(ClientMachine *machine)
{
    if (!machine->has_owner || machine->is_stalled == machine->reported_stalled)
        return;
    machine->reported_stalled = machine->is_stalled;
    machine->events->stalled(&machine->base, machine->is_stalled, machine->events_data);
}

/* Runs from the main loop, because the owner may be in the middle of a call of its own. */
static gboolean
on_report(gpointer data)
{
    ClientMachine *machine = data;

    machine->report = 0;
    if (machine->has_ended)
        machine->events->ended(&machine->base, machine->how, machine->events_data);
    else
        report_stalled(machine);
    return G_SOURCE_REMOVE;
}

static void
report_later(ClientMachine *machine)
{
    if (machine->has_owner && machine->report == 0)
        machine->report = g_idle_add(on_report, machine);
}

void
client_machine_end(ClientMachine *machine, MachineEnd how)
{
    if (machine->has_ended)
        return;
    machine->has_ended = TRUE;
    machine->how = how;
    report_later(machine);
}

void
client_machine_set_stalled(ClientMachine *machine, gboolean is_stalled)
{
    machine->is_stalled = is_stalled;
    report_later(machine);
}

/* --- its life --- */

static ClientMachine *
machine_new(VmClient *client, const char *name, const MachineEvents *events, gpointer events_data)
{
    ClientMachine *machine = g_new0(ClientMachine, 1);

    machine->base.vm = &client->base;
    machine->name = g_strdup(name);
    machine->events = events;
    machine->events_data = events_data;
    return machine;
}

void
client_machine_free(ClientMachine *machine)
{
    VmClient *client = (VmClient *)machine->base.vm;

    g_clear_handle_id(&machine->report, g_source_remove);
    if (g_hash_table_lookup(client->machines, machine->name) == machine)
        g_hash_table_remove(client->machines, machine->name);
    g_free(machine->name);
    g_free(machine);
}

typedef struct {
    ClientMachine *machine;
    int fd;
} MachineArrival;

static void
arrival_free(gpointer data)
{
    MachineArrival *arrival = data;

    if (arrival->fd >= 0)
        close(arrival->fd);
    if (arrival->machine)
        client_machine_free(arrival->machine);
    g_free(arrival);
}

static GTask *
arrival_task(ClientMachine *machine, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    MachineArrival *arrival = g_new0(MachineArrival, 1);

    arrival->machine = machine;
    arrival->fd = -1;
    g_task_set_task_data(task, arrival, arrival_free);
    return task;
}

void
client_take_machine(ClientCall *call, const VmAnswer *answer, int fd)
{
    VmClient *client = call->client;
    GTask *task = g_object_ref(call->task);
    MachineArrival *arrival = g_task_get_task_data(task);
    ClientMachine *machine = arrival->machine;

    arrival->fd = fd;
    machine->pid = answer->pid;
    machine->is_stalled = answer->number != 0;
    g_hash_table_replace(client->machines, machine->name, machine);
    client_call_done(call);
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

Machine *
client_machine_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    MachineArrival *arrival = g_task_get_task_data(G_TASK(result));
    ClientMachine *machine;

    if (!g_task_propagate_boolean(G_TASK(result), error))
        return NULL;
    machine = g_steal_pointer(&arrival->machine);
    *ret_fd = arrival->fd;
    arrival->fd = -1;
    machine->has_owner = TRUE;
    if (machine->has_ended)
        report_later(machine);
    report_stalled(machine);
    return &machine->base;
}

/* --- start and adoption --- */

static gboolean
set_key(char *field, const char *path)
{
    g_autofree char *key = g_path_get_basename(path);

    return vm_field_set(field, VM_KEY_SIZE, key);
}

static gboolean
fill_request(VmRequest *request, const MachineSpec *spec, GError **error)
{
    g_autofree char *image = g_path_get_dirname(spec->kernel);

    request->uid = spec->user.uid;
    request->vcpus = spec->vcpus;
    request->memory_mib = spec->memory_mib;
    if (vm_field_set(request->name, VM_NAME_SIZE, spec->name) && set_key(request->image, image) &&
        set_key(request->version_key, spec->ram))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "machine '%s' did not start: the name of it, its image or its template is too long",
                spec->name);
    return FALSE;
}

static gboolean
open_state(ClientCall *call, const MachineSpec *spec, GError **error)
{
    if (!spec->state)
        return TRUE;
    call->fd = open(spec->state, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (call->fd >= 0)
        return TRUE;
    util_set_errno(error, errno, "machine '%s' did not start: cannot open '%s'", spec->name,
                   spec->state);
    return FALSE;
}

static gboolean
check_change(const VmClient *client, GError **error)
{
    if (!client->change)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY,
                "the templates do not fit the machines that libvirt makes now: %s; restart cloched "
                "to rebuild them",
                client->change);
    return FALSE;
}

void
client_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                   gpointer events_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                   gpointer data)
{
    VmClient *client = (VmClient *)vm;
    ClientMachine *machine = machine_new(client, spec->name, events, events_data);
    ClientCall *call = client_call_new(client, spec->state ? VM_REQUEST_RESTORE : VM_REQUEST_BOOT,
                                       arrival_task(machine, callback, data));
    GError *error = NULL;

    call->cancellable = cancellable;
    if (check_change(client, &error) && fill_request(&call->request, spec, &error) &&
        open_state(call, spec, &error))
        client_call_submit(call);
    else
        client_call_fail(call, error);
}

void
client_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                   gpointer events_data, GAsyncReadyCallback callback, gpointer data)
{
    VmClient *client = (VmClient *)vm;
    ClientMachine *machine = machine_new(client, spec->name, events, events_data);
    ClientCall *call =
        client_call_new(client, VM_REQUEST_ADOPT, arrival_task(machine, callback, data));

    machine->is_held = spec->is_held;
    call->request.is_held = spec->is_held ? 1 : 0;
    if (vm_field_set(call->request.name, VM_NAME_SIZE, spec->name))
        client_call_submit(call);
    else
        client_call_fail(call, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                                           "machine '%s': the name is too long", spec->name));
}

/* --- the rest of its life --- */

static void
write_to(Machine *machine, VmRequestType type, int fd, GAsyncReadyCallback callback, gpointer data)
{
    const ClientMachine *self = (const ClientMachine *)machine;
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    ClientCall *call = client_call_new((VmClient *)machine->vm, type, task);

    vm_field_set(call->request.name, VM_NAME_SIZE, self->name);
    call->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    client_call_submit(call);
}

void
client_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    write_to(machine, VM_REQUEST_SAVE, fd, callback, data);
}

void
client_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    write_to(machine, VM_REQUEST_CAPTURE, fd, callback, data);
}

void
client_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    const ClientMachine *self = (const ClientMachine *)machine;
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    ClientCall *call = client_call_new((VmClient *)machine->vm, VM_REQUEST_RELEASE, task);

    vm_field_set(call->request.name, VM_NAME_SIZE, self->name);
    client_call_submit(call);
}

void
client_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    ClientMachine *self = (ClientMachine *)machine;
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    ClientCall *call = client_call_new((VmClient *)machine->vm, VM_REQUEST_DESTROY, task);

    vm_field_set(call->request.name, VM_NAME_SIZE, self->name);
    client_machine_free(self);
    client_call_submit(call);
}

void
client_open_net_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    const ClientMachine *self = (const ClientMachine *)machine;
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    ClientCall *call = client_call_new((VmClient *)machine->vm, VM_REQUEST_OPEN_NET, task);

    vm_field_set(call->request.name, VM_NAME_SIZE, self->name);
    client_call_submit(call);
}

void
client_take_net(ClientCall *call, int fd)
{
    g_autoptr(GTask) task = g_steal_pointer(&call->task);

    client_call_done(call);
    g_task_return_int(task, fd);
}

int
client_open_net_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

static void
tell(const ClientMachine *machine, VmRequestType type)
{
    VmRequest request;

    vm_request_init(&request, type, 0);
    vm_field_set(request.name, VM_NAME_SIZE, machine->name);
    client_tell((VmClient *)machine->base.vm, &request);
}

void
client_hold(Machine *machine, gboolean holds)
{
    ClientMachine *self = (ClientMachine *)machine;

    self->is_held = holds;
    tell(self, holds ? VM_REQUEST_STAND_STILL : VM_REQUEST_GO_ON);
}

void
client_machine_hold_again(ClientMachine *machine)
{
    if (machine->is_held || machine->is_stalled)
        tell(machine, machine->is_held ? VM_REQUEST_STAND_STILL : VM_REQUEST_GO_ON);
}

void
client_leave(Machine *machine)
{
    ClientMachine *self = (ClientMachine *)machine;

    tell(self, VM_REQUEST_LEAVE);
    client_machine_free(self);
}

pid_t
client_pid(const Machine *machine)
{
    const ClientMachine *self = (const ClientMachine *)machine;

    return self->has_ended ? 0 : self->pid;
}
