/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-fake-machine: the daemon's side of a fake machine: its process, its records and its channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "fake-agent.h"
#include "fake-record.h"
#include "util.h"
#include "vm-fake-private.h"

/* --- requests of the test --- */

char *
fake_control_path(const FakeVm *vm, const char *name)
{
    return g_build_filename(vm->config->control, name, NULL);
}

static char *
read_control(const FakeVm *vm, const char *name)
{
    g_autofree char *path = fake_control_path(vm, name);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

/* In the file that was read: the test may have removed or replaced it meanwhile. */
int
fake_count_down(const FakeVm *vm, const char *name)
{
    g_autofree char *path = fake_control_path(vm, name), *left = NULL;
    char text[16] = "";
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int count = fd >= 0 && read(fd, text, sizeof text - 1) >= 0 ? atoi(text) : -1;

    left = g_strdup_printf("%-15d", count - 1);
    if (count > 0)
        g_assert_cmpint(pwrite(fd, left, strlen(left), 0), ==, strlen(left));
    if (fd >= 0)
        close(fd);
    return count;
}

static void
wait_while_held(const FakeVm *vm)
{
    g_autofree char *path = fake_control_path(vm, "hold");
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
}

gboolean
fake_check_there(const FakeVm *vm, GError **error)
{
    g_autofree char *path = fake_control_path(vm, "away");

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "the test wants libvirt to be away");
    return FALSE;
}

/* --- a machine --- */

static FakeMachine *
machine_new(Vm *vm, const MachineSpec *spec, const MachineEvents *events, gpointer events_data)
{
    FakeMachine *machine = g_new0(FakeMachine, 1);

    machine->base.vm = vm;
    machine->name = g_strdup(spec->name);
    machine->socket = g_strdup(spec->socket);
    machine->uid = spec->user.uid;
    machine->is_held = spec->is_held;
    machine->pidfd = machine->fd = -1;
    machine->events = events;
    machine->events_data = events_data;
    return machine;
}

static const FakeVm *
vm_of(const FakeMachine *machine)
{
    return (const FakeVm *)machine->base.vm;
}

void
fake_machine_forget(FakeMachine *machine)
{
    g_clear_handle_id(&machine->watch, g_source_remove);
    g_hash_table_steal(vm_of(machine)->machines, machine->name);
}

void
fake_machine_free(gpointer data)
{
    FakeMachine *machine = data;

    if (machine->fd >= 0)
        close(machine->fd);
    if (machine->pidfd >= 0)
        close(machine->pidfd);
    g_free(machine->name);
    g_free(machine->socket);
    g_free(machine->ram);
    g_free(machine);
}

void
fake_machine_end(const FakeVm *vm, const char *name)
{
    const char *control = vm->config->control;
    g_autofree char *cgroup = fake_record_cgroup(control, name);
    int pidfd = fake_record_open_process(control, name);
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};

    if (pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
        while (poll(&wait, 1, /* timeout= */ -1) < 0 && errno == EINTR)
            ;
        close(pidfd);
    }
    if (g_file_test(cgroup, G_FILE_TEST_IS_DIR))
        fake_agent_clear(cgroup);
    fake_record_remove(control, name);
}

static MachineEnd
read_end(const FakeMachine *machine)
{
    g_autofree char *text =
        fake_record_read(vm_of(machine)->config->control, machine->name, FAKE_ENDED);

    if (g_strcmp0(text, "shut-down") == 0)
        return MACHINE_SHUT_DOWN;
    return g_strcmp0(text, "panicked") == 0 ? MACHINE_PANICKED : MACHINE_DIED;
}

static gboolean
on_died(int fd, GIOCondition condition, gpointer data)
{
    FakeMachine *machine = data;

    machine->watch = 0;
    machine->events->ended(&machine->base, read_end(machine), machine->events_data);
    return G_SOURCE_REMOVE;
}

void
fake_machine_freeze(const FakeVm *vm, const char *name, gboolean is_frozen)
{
    g_autofree char *cgroup = fake_record_cgroup(vm->config->control, name);
    g_autofree char *path = g_build_filename(cgroup, "cgroup.freeze", NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0) /* it has ended */
        return;
    if (write(fd, is_frozen ? "1" : "0", 1) != 1)
        g_error("Cannot write '%s': %s", path, g_strerror(errno));
    close(fd);
}

void
fake_machine_set_captured(const FakeVm *vm, const char *name, gboolean is_captured)
{
    fake_record_write(vm->config->control, name, FAKE_CAPTURED, is_captured ? "yes" : "no");
    fake_machine_freeze(vm, name, is_captured);
}

void
fake_machine_stall(const FakeMachine *machine, gboolean is_stalled)
{
    fake_machine_freeze(vm_of(machine), machine->name, is_stalled);
    fake_record_write(vm_of(machine)->config->control, machine->name, FAKE_STATE,
                      is_stalled ? "stalled" : "running");
}

void
fake_machine_look_for_stall(FakeMachine *machine)
{
    g_autofree char *state =
        fake_record_read(vm_of(machine)->config->control, machine->name, FAKE_STATE);
    gboolean is_stalled = g_strcmp0(state, "stalled") == 0;

    if (is_stalled == machine->is_stalled)
        return;
    machine->is_stalled = is_stalled;
    machine->events->stalled(&machine->base, is_stalled, machine->events_data);
}

/* Called in the main thread. */
static Machine *
machine_give(FakeMachine *machine, int *ret_fd)
{
    FakeVm *vm = (FakeVm *)machine->base.vm;

    g_hash_table_insert(vm->machines, machine->name, machine);
    machine->watch = g_unix_fd_add(machine->pidfd, G_IO_IN, on_died, machine);
    if (machine->is_held)
        fake_machine_stall(machine, TRUE);
    fake_machine_look_for_stall(machine);
    *ret_fd = machine->fd;
    machine->fd = -1;
    return &machine->base;
}

/* Opens the machine's process and channel. Returns FALSE if it does not run. */
static gboolean
machine_connect(FakeMachine *machine, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    machine->pidfd = fake_record_open_process(vm_of(machine)->config->control, machine->name);
    machine->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, machine->socket, sizeof address.sun_path);
    if (machine->pidfd < 0 ||
        connect(machine->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "machine '%s' is gone",
                    machine->name);
        return FALSE;
    }
    return g_unix_set_fd_nonblocking(machine->fd, TRUE, error);
}

/* --- start --- */

static gboolean
write_ram(const char *path, GError **error)
{
    static const char text[] = "This guest has booted.";
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    gboolean ok = fd >= 0 && write(fd, text, sizeof text) == sizeof text;

    if (!ok)
        util_set_errno(error, errno, "Cannot write '%s'", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static gboolean
spawn_machine(const FakeMachine *machine, GError **error)
{
    const FakeConfig *config = vm_of(machine)->config;
    g_autofree char *agent = read_control(vm_of(machine), "agent");
    g_autofree char *lock = fake_control_path(vm_of(machine), "starting");
    g_autofree char *uid = g_strdup_printf("%u", machine->uid);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GSubprocess) process = NULL;
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_SH) < 0)
        return util_set_errno(error, errno, "Cannot lock '%s'", lock);
    g_subprocess_launcher_take_fd(launcher, fd, FAKE_LOCK_FD);
    process = g_subprocess_launcher_spawn(
        launcher, error, config->program, config->control, machine->name, machine->socket,
        agent ? agent : config->agent, config->runners, uid, NULL);
    g_subprocess_launcher_close(launcher);
    return process && g_subprocess_wait_check(process, NULL, error);
}

static void
start_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    g_autoptr(GError) error = NULL;
    FakeMachine *machine = data;
    const FakeVm *vm = vm_of(machine);

    if ((machine->ram && !write_ram(machine->ram, &error)) || !spawn_machine(machine, &error)) {
        g_task_return_error(task, g_steal_pointer(&error));
        return;
    }
    wait_while_held(vm);
    fake_record_write(vm->config->control, machine->name, FAKE_STATE, "running");
    if (machine_connect(machine, &error)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    fake_machine_end(vm, machine->name);
    g_task_return_error(task, g_steal_pointer(&error));
}

void
fake_start_async(Vm *base, const MachineSpec *spec, const MachineEvents *events,
                 gpointer events_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                 gpointer data)
{
    FakeVm *vm = (FakeVm *)base;
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    GError *error = NULL;
    FakeMachine *machine;

    if (fake_count_down(vm, "fail") > 0)
        g_set_error(&error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "The test wants this start to fail");
    if (error || !fake_check_there(vm, &error)) {
        g_task_return_error(task, error);
        return;
    }
    /* If the machine is ready only after the cancellation, the caller must destroy it. */
    g_task_set_check_cancellable(task, FALSE);
    machine = machine_new(base, spec, events, events_data);
    machine->ram = spec->state ? NULL : g_strdup(spec->ram);
    g_task_set_task_data(task, machine, NULL);
    g_task_run_in_thread(task, start_in_thread);
}

Machine *
fake_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    FakeMachine *machine = g_task_get_task_data(G_TASK(result));

    if (g_task_propagate_boolean(G_TASK(result), error))
        return machine_give(machine, ret_fd);
    if (machine)
        fake_machine_free(machine);
    return NULL;
}

/* --- adopt --- */

static void
adopt_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    FakeMachine *machine = data;
    g_autofree char *state =
        fake_record_read(vm_of(machine)->config->control, machine->name, FAKE_STATE);
    GError *error = NULL;

    if (g_strcmp0(state, "running") != 0 && g_strcmp0(state, "stalled") != 0)
        g_set_error(&error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "machine '%s' %s", machine->name,
                    state ? "does not run" : "is gone");
    g_autofree char *captured =
        fake_record_read(vm_of(machine)->config->control, machine->name, FAKE_CAPTURED);

    /* cloche-vm lets it run again when its client is gone. */
    if (g_strcmp0(captured, "yes") == 0)
        fake_machine_set_captured(vm_of(machine), machine->name, FALSE);
    if (!error && machine_connect(machine, &error)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    fake_machine_end(vm_of(machine), machine->name);
    g_task_return_error(task, error);
}

void
fake_adopt_async(Vm *base, const MachineSpec *spec, const MachineEvents *events,
                 gpointer events_data, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    FakeMachine *machine = machine_new(base, spec, events, events_data);

    g_hash_table_add(((FakeVm *)base)->adopting, machine->name);
    g_task_set_task_data(task, machine, NULL);
    fake_run((FakeVm *)base, task, adopt_in_thread);
}

Machine *
fake_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    const FakeMachine *machine = g_task_get_task_data(G_TASK(result));

    g_hash_table_remove(((FakeVm *)vm)->adopting, machine->name);
    return fake_start_finish(vm, result, ret_fd, error);
}
