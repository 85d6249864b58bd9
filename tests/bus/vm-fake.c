/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-fake: a process for a machine, files for libvirt; booting and restoring are one. */
#include "vm-fake.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "fake-agent.h"
#include "fake-record.h"
#include "util.h"
#include "vm-ops.h"

#define STATE_SIZE 1024

typedef struct {
    Vm base;
    const FakeConfig *config;
    int inotify; /* on the control folder and the records */
    guint watch;
    GHashTable *machines; /* name → FakeMachine, those that were given away */
    GQueue waiting;       /* of GTask: ends, for libvirt to come back */
    gboolean stops_trying;
} FakeVm;

typedef struct {
    Machine base;
    char *name, *socket;
    char *ram; /* written to as by a guest that boots; NULL: it does not boot */
    guint32 uid;
    int pidfd, fd; /* fd: the channel, until it is given away */
    guint watch;
    gboolean is_stalled;
    const MachineEvents *events;
    gpointer events_data;
} FakeMachine;

/* --- what the test asks for --- */

static char *
control_path(const FakeVm *vm, const char *name)
{
    return g_build_filename(vm->config->control, name, NULL);
}

static char *
read_control(const FakeVm *vm, const char *name)
{
    g_autofree char *path = control_path(vm, name);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

static gboolean
must_fail(const FakeVm *vm)
{
    g_autofree char *text = read_control(vm, "fail");
    g_autofree char *path = control_path(vm, "fail");
    g_autofree char *left = NULL;
    int count = text ? atoi(text) : 0;

    if (count == 0)
        return FALSE;
    left = g_strdup_printf("%d", count - 1);
    g_file_set_contents(path, left, -1, NULL);
    return TRUE;
}

static void
wait_while_held(const FakeVm *vm)
{
    g_autofree char *path = control_path(vm, "hold");
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
}

static gboolean
is_away(const FakeVm *vm)
{
    g_autofree char *path = control_path(vm, "away");

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean
check_there(const FakeVm *vm, GError **error)
{
    if (!is_away(vm))
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

/* From now on nothing is heard of it. */
static void
machine_forget(FakeMachine *machine)
{
    g_clear_handle_id(&machine->watch, g_source_remove);
    g_hash_table_steal(vm_of(machine)->machines, machine->name);
}

static void
machine_free(gpointer data)
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

/* Ends a process of a machine, and removes what is left, whatever it is. Blocks. */
static void
end_machine(const FakeVm *vm, const char *name)
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

static void
look_for_stall(FakeMachine *machine)
{
    g_autofree char *state =
        fake_record_read(vm_of(machine)->config->control, machine->name, FAKE_STATE);
    gboolean is_stalled = g_strcmp0(state, "stalled") == 0;

    if (is_stalled == machine->is_stalled)
        return;
    machine->is_stalled = is_stalled;
    machine->events->stalled(&machine->base, is_stalled, machine->events_data);
}

/* For the main thread. */
static Machine *
machine_give(FakeMachine *machine, int *ret_fd)
{
    FakeVm *vm = (FakeVm *)machine->base.vm;

    g_hash_table_insert(vm->machines, machine->name, machine);
    machine->watch = g_unix_fd_add(machine->pidfd, G_IO_IN, on_died, machine);
    look_for_stall(machine);
    *ret_fd = machine->fd;
    machine->fd = -1;
    return &machine->base;
}

/* Opens its process and its channel: FALSE when it does not run. */
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
    g_autofree char *lock = control_path(vm_of(machine), "starting");
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
    end_machine(vm, machine->name);
    g_task_return_error(task, g_steal_pointer(&error));
}

static void
start_async(Vm *base, const MachineSpec *spec, const MachineEvents *events, gpointer events_data,
            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    FakeVm *vm = (FakeVm *)base;
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    GError *error = NULL;
    FakeMachine *machine;

    if (must_fail(vm))
        g_set_error(&error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "The test wants this start to fail");
    if (error || !check_there(vm, &error)) {
        g_task_return_error(task, error);
        return;
    }
    /* A machine that comes too late is its caller's to destroy. */
    g_task_set_check_cancellable(task, FALSE);
    machine = machine_new(base, spec, events, events_data);
    machine->ram = spec->state ? NULL : g_strdup(spec->ram);
    g_task_set_task_data(task, machine, NULL);
    g_task_run_in_thread(task, start_in_thread);
}

/* Of a start and of an adoption. */
static Machine *
start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    FakeMachine *machine = g_task_get_task_data(G_TASK(result));

    if (g_task_propagate_boolean(G_TASK(result), error))
        return machine_give(machine, ret_fd);
    if (machine)
        machine_free(machine);
    return NULL;
}

/* --- adopt, sweep --- */

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
    if (!error && machine_connect(machine, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
adopt_async(Vm *base, const MachineSpec *spec, const MachineEvents *events, gpointer events_data,
            GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;

    if (!check_there((FakeVm *)base, &error)) {
        g_task_return_error(task, error);
        return;
    }
    g_task_set_task_data(task, machine_new(base, spec, events, events_data), NULL);
    g_task_run_in_thread(task, adopt_in_thread);
}

typedef struct {
    const FakeVm *vm;
    char *prefix;
    GHashTable *known;
} Sweep;

static void
sweep_free(gpointer data)
{
    Sweep *sweep = data;

    g_free(sweep->prefix);
    g_hash_table_unref(sweep->known);
    g_free(sweep);
}

/* What is just being started has a record when the lock is free. */
static void
sweep_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Sweep *sweep = data;
    g_autofree char *lock = control_path(sweep->vm, "starting");
    g_auto(GStrv) names = NULL;
    int destroyed = 0, fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        g_error("Cannot lock '%s': %s", lock, g_strerror(errno));
    names = fake_record_names(sweep->vm->config->control);
    close(fd);
    for (char **name = names; *name; name++)
        if (g_str_has_prefix(*name, sweep->prefix) && !g_hash_table_contains(sweep->known, *name)) {
            end_machine(sweep->vm, *name);
            destroyed++;
        }
    g_task_return_int(task, destroyed);
}

static void
sweep_async(Vm *base, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    FakeVm *vm = (FakeVm *)base;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;
    GHashTableIter iter;
    gpointer name;
    Sweep *sweep;

    if (!check_there(vm, &error)) {
        g_task_return_error(task, error);
        return;
    }
    sweep = g_new0(Sweep, 1);
    sweep->vm = vm;
    sweep->prefix = g_strdup(prefix);
    sweep->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_iter_init(&iter, vm->machines);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_hash_table_add(sweep->known, g_strdup(name));
    g_task_set_task_data(task, sweep, sweep_free);
    g_task_run_in_thread(task, sweep_in_thread);
}

static int
sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

/* --- the rest of a machine's life --- */

static void
save_async(Machine *machine, const char *path, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    g_autofree char *state = g_strnfill(STATE_SIZE, 's');
    GError *error = NULL;

    if (g_file_set_contents(path, state, STATE_SIZE, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static gboolean
boolean_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static gboolean
save_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return boolean_finish(result, error);
}

static void
destroy_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const FakeMachine *machine = data;

    end_machine(vm_of(machine), machine->name);
    g_task_return_boolean(task, TRUE);
}

static void
destroy_async(Machine *base, GAsyncReadyCallback callback, gpointer data)
{
    FakeVm *vm = (FakeVm *)base->vm;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;

    machine_forget((FakeMachine *)base);
    g_task_set_task_data(task, base, machine_free);
    if (check_there(vm, &error)) {
        g_task_run_in_thread(task, destroy_in_thread);
    } else if (vm->stops_trying) {
        g_task_return_error(task, g_steal_pointer(&error));
    } else {
        g_queue_push_tail(&vm->waiting, g_steal_pointer(&task));
    }
    g_clear_error(&error);
}

static gboolean
destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return boolean_finish(result, error);
}

static void
leave(Machine *base)
{
    machine_forget((FakeMachine *)base);
    machine_free(base);
}

static void
stop_trying(Vm *base)
{
    FakeVm *vm = (FakeVm *)base;
    GTask *task;

    vm->stops_trying = TRUE;
    while ((task = g_queue_pop_head(&vm->waiting))) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                "the test wants libvirt to be away");
        g_object_unref(task);
    }
}

static pid_t
get_pid(const Machine *base)
{
    const FakeMachine *machine = (const FakeMachine *)base;
    g_autofree char *text = fake_record_read(vm_of(machine)->config->control, machine->name, "");

    return text ? atoi(text) : 0;
}

/* --- the connection --- */

static const VmFacts facts = {
    .hypervisor = "fake",
    .machine_type = "fake-1",
    .definition = "fake",
    .cpu_model = "fake",
    .accelerator = "tcg",
    .emulated = TRUE,
};

static void
probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
            const MachineUser *user, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);

    g_task_return_boolean(task, TRUE);
}

static const VmFacts *
probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return boolean_finish(result, error) ? &facts : NULL;
}

/* Something in the folders changed: whatever it is. */
static gboolean
on_control(int fd, GIOCondition condition, gpointer data)
{
    FakeVm *vm = data;
    g_autoptr(GList) machines = g_hash_table_get_values(vm->machines);
    char events[4096];
    GTask *task;

    while (read(fd, events, sizeof events) > 0)
        ;
    for (GList *l = machines; l; l = l->next)
        look_for_stall(l->data);
    while (!is_away(vm) && (task = g_queue_pop_head(&vm->waiting))) {
        g_task_run_in_thread(task, destroy_in_thread);
        g_object_unref(task);
    }
    return G_SOURCE_CONTINUE;
}

static void
fake_close(Vm *base)
{
    FakeVm *vm = (FakeVm *)base;

    g_source_remove(vm->watch);
    close(vm->inotify);
    g_hash_table_unref(vm->machines);
    g_free(vm);
}

static const VmOps ops = {
    .close = fake_close,
    .probe_async = probe_async,
    .probe_finish = probe_finish,
    .start_async = start_async,
    .start_finish = start_finish,
    .adopt_async = adopt_async,
    .adopt_finish = start_finish,
    .save_async = save_async,
    .save_finish = save_finish,
    .destroy_async = destroy_async,
    .destroy_finish = destroy_finish,
    .leave = leave,
    .stop_trying = stop_trying,
    .pid = get_pid,
    .sweep_async = sweep_async,
    .sweep_finish = sweep_finish,
};

Vm *
vm_fake_open(const FakeConfig *config, GError **error)
{
    g_autofree char *records = g_build_filename(config->control, "machines", NULL);
    int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    FakeVm *vm;

    if (inotify < 0 || inotify_add_watch(inotify, config->control, IN_DELETE) < 0 ||
        inotify_add_watch(inotify, records, IN_MOVED_TO) < 0) {
        util_set_errno(error, errno, "Cannot watch '%s'", records);
        return NULL;
    }
    vm = g_new0(FakeVm, 1);
    vm->base.ops = &ops;
    vm->config = config;
    vm->inotify = inotify;
    vm->watch = g_unix_fd_add(inotify, G_IO_IN, on_control, vm);
    vm->machines = g_hash_table_new(g_str_hash, g_str_equal);
    g_queue_init(&vm->waiting);
    return &vm->base;
}
