/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mock-vm: machines that are mocks. */
#include "mock-vm.h"

#include <fcntl.h>
#include <unistd.h>

#include "error.h"

static void
mock_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events, gpointer events_data,
                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    MockVm *self = (MockVm *)vm;
    GTask *task = g_task_new(NULL, NULL, callback, data);

    self->starts++;
    self->events = events;
    self->events_data = events_data;
    g_free(self->last_disk);
    g_free(self->last_socket);
    g_free(self->last_net_socket);
    self->last_disk = g_strdup(spec->disk);
    self->last_socket = g_strdup(spec->socket);
    self->last_net_socket = g_strdup(spec->net_socket);
    if (self->holds_starts) {
        self->held_start = task;
        return;
    }
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static Machine *
mock_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    MockVm *self = (MockVm *)vm;

    if (!g_task_propagate_boolean(G_TASK(result), error))
        return NULL;
    *ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    self->lives++;
    self->last = g_new0(Machine, 1);
    self->last->vm = vm;
    return self->last;
}

static void
mock_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events, gpointer events_data,
                 GAsyncReadyCallback callback, gpointer data)
{
    mock_start_async(vm, spec, events, events_data, NULL, callback, data);
    ((MockVm *)vm)->starts--;
    ((MockVm *)vm)->holds = spec->is_held;
}

static void
mock_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    MockVm *self = (MockVm *)machine->vm;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);

    self->lives--;
    self->destroyed++;
    g_free(machine);
    g_task_return_boolean(task, TRUE);
}

static gboolean
mock_destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
mock_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);

    g_assert_cmpint(write(fd, "state", 5), ==, 5);
    g_task_return_boolean(task, TRUE);
}

static void
mock_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    MockVm *self = (MockVm *)machine->vm;
    GTask *task = g_task_new(NULL, NULL, callback, data);

    g_assert_cmpint(write(fd, "capture", 7), ==, 7);
    self->captured++;
    if (self->holds_captures) {
        self->held_capture = task;
        return;
    }
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void
mock_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    MockVm *self = (MockVm *)machine->vm;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);

    if (self->captured == 0) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT, "it ran already");
        return;
    }
    self->captured--;
    g_task_return_boolean(task, TRUE);
}

static gboolean
mock_save_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
mock_hold(Machine *machine, gboolean holds)
{
    ((MockVm *)machine->vm)->holds = holds;
}

static void
mock_leave(Machine *machine)
{
    ((MockVm *)machine->vm)->lives--;
    g_free(machine);
}

static pid_t
mock_pid(const Machine *machine)
{
    return 77;
}

static void
mock_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    MockVm *self = (MockVm *)vm;
    GTask *task = g_task_new(NULL, NULL, callback, data);

    self->swept++;
    if (self->holds_sweeps) {
        self->held_sweep = task;
        return;
    }
    g_task_return_int(task, 1);
    g_object_unref(task);
}

static int
mock_sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

static void
mock_recall_async(Vm *vm, gboolean is_emulated, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);

    g_task_return_boolean(task, TRUE);
}

static const VmFacts *
mock_probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    static const VmFacts facts = {.hypervisor = "mock",
                                  .machine_type = "mock",
                                  .definition = "mock",
                                  .cpu_model = "mock",
                                  .host = "",
                                  .accelerator = "tcg",
                                  .emulated = TRUE};

    return g_task_propagate_boolean(G_TASK(result), error) ? &facts : NULL;
}

static void
listed_free(gpointer data)
{
    VmListed *listed = data;

    g_free(listed->name);
    g_free(listed);
}

/* One machine runs already. */
static void
mock_list_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GPtrArray *all = g_ptr_array_new_with_free_func(listed_free);
    VmListed *listed = g_new0(VmListed, 1);

    listed->name = g_strdup("cloche-old");
    listed->uid = 2002;
    g_ptr_array_add(all, listed);
    g_task_return_pointer(task, all, (GDestroyNotify)g_ptr_array_unref);
}

static GPtrArray *
mock_list_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
mock_stop_trying(Vm *vm)
{
}

const VmOps mock_vm_ops = {
    .probe_finish = mock_probe_finish,
    .recall_async = mock_recall_async,
    .list_async = mock_list_async,
    .list_finish = mock_list_finish,
    .start_async = mock_start_async,
    .start_finish = mock_start_finish,
    .adopt_async = mock_adopt_async,
    .adopt_finish = mock_start_finish,
    .save_async = mock_save_async,
    .save_finish = mock_save_finish,
    .capture_async = mock_capture_async,
    .capture_finish = mock_save_finish,
    .release_async = mock_release_async,
    .release_finish = mock_save_finish,
    .destroy_async = mock_destroy_async,
    .destroy_finish = mock_destroy_finish,
    .hold = mock_hold,
    .leave = mock_leave,
    .stop_trying = mock_stop_trying,
    .pid = mock_pid,
    .sweep_async = mock_sweep_async,
    .sweep_finish = mock_sweep_finish,
};
