/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-fake: a socketpair for a channel, a process for a machine; booting and restoring are one. */
#include "vm-fake.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "fake-agent.h"
#include "util.h"
#include "vm-ops.h"

#define STATE_SIZE 1024

typedef struct {
    Vm base;
    const char *agent, *runners, *directory;
    char *cgroup;
} FakeVm;

typedef struct {
    Machine base;
    pid_t pid;
    int pidfd, fd; /* fd: the channel, until it is given away */
    guint watch;
    char *cgroup;
    MachineEnded ended;
    gpointer ended_data;
} FakeMachine;

/* --- what the test asks for --- */

static char *
read_control(const FakeVm *vm, const char *name)
{
    g_autofree char *path = g_build_filename(vm->directory, name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

static gboolean
must_fail(const FakeVm *vm)
{
    g_autofree char *text = read_control(vm, "fail");
    g_autofree char *path = g_build_filename(vm->directory, "fail", NULL);
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
    g_autofree char *path = g_build_filename(vm->directory, "hold", NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
}

/* --- start --- */

static void
machine_free(FakeMachine *machine)
{
    g_clear_handle_id(&machine->watch, g_source_remove);
    if (machine->fd >= 0)
        close(machine->fd);
    if (machine->pidfd >= 0)
        close(machine->pidfd);
    g_free(machine->cgroup);
    g_free(machine);
}

/* Takes a while: for worker threads. */
static void
machine_reap(gpointer data)
{
    FakeMachine *machine = data;

    fake_agent_reap(machine->pid, machine->cgroup);
    machine_free(machine);
}

static gboolean
on_died(int fd, GIOCondition condition, gpointer data)
{
    FakeMachine *machine = data;
    siginfo_t info = {0};
    MachineEnd how = MACHINE_DIED;

    machine->watch = 0;
    waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT);
    if (info.si_code == CLD_EXITED && info.si_status == 0)
        how = MACHINE_SHUT_DOWN;
    else if (info.si_code == CLD_EXITED && info.si_status == FAKE_PANIC)
        how = MACHINE_PANICKED;
    machine->ended(&machine->base, how, machine->ended_data);
    return G_SOURCE_REMOVE;
}

typedef struct {
    FakeMachine *machine;
    char *ram; /* written to as by a guest that boots; NULL: it is restored */
} Start;

static void
start_free(gpointer data)
{
    Start *start = data;

    if (start->machine)
        machine_free(start->machine);
    g_free(start->ram);
    g_free(start);
}

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

static void
start_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Start *start = data;
    FakeMachine *machine = start->machine;
    const FakeVm *vm = (const FakeVm *)machine->base.vm;
    g_autofree char *agent = NULL;
    GError *error = NULL;

    wait_while_held(vm);
    agent = read_control(vm, "agent");
    if (!start->ram || write_ram(start->ram, &error))
        machine->pid = fake_agent_spawn(agent ? agent : vm->agent, machine->cgroup, vm->runners,
                                        &machine->fd, &error);
    if (error) {
        g_task_return_error(task, error);
        return;
    }
    g_unix_set_fd_nonblocking(machine->fd, TRUE, NULL);
    machine->pidfd = (int)syscall(SYS_pidfd_open, machine->pid, 0);
    g_task_return_pointer(task, g_steal_pointer(&start->machine), machine_reap);
}

static void
start_async(Vm *base, const MachineSpec *spec, MachineEnded ended, gpointer ended_data,
            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    FakeVm *vm = (FakeVm *)base;
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    Start *start;

    if (must_fail(vm)) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                "The test wants this start to fail");
        return;
    }
    /* A machine that comes too late is its caller's to destroy. */
    g_task_set_check_cancellable(task, FALSE);
    start = g_new0(Start, 1);
    start->ram = spec->state ? NULL : g_strdup(spec->ram);
    start->machine = g_new0(FakeMachine, 1);
    start->machine->base.vm = base;
    start->machine->pidfd = start->machine->fd = -1;
    start->machine->cgroup = g_build_filename(vm->cgroup, spec->name, NULL);
    start->machine->ended = ended;
    start->machine->ended_data = ended_data;
    g_task_set_task_data(task, start, start_free);
    g_task_run_in_thread(task, start_in_thread);
}

static Machine *
start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    FakeMachine *machine = g_task_propagate_pointer(G_TASK(result), error);

    if (!machine)
        return NULL;
    machine->watch = g_unix_fd_add(machine->pidfd, G_IO_IN, on_died, machine);
    *ret_fd = machine->fd;
    machine->fd = -1;
    return &machine->base;
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
save_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
destroy_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    machine_reap(data);
    g_task_return_boolean(task, TRUE);
}

static void
destroy_async(Machine *base, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    FakeMachine *machine = (FakeMachine *)base;

    g_clear_handle_id(&machine->watch, g_source_remove);
    g_task_set_task_data(task, machine, NULL);
    g_task_run_in_thread(task, destroy_in_thread);
}

static gboolean
destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static pid_t
get_pid(const Machine *machine)
{
    return ((const FakeMachine *)machine)->pid;
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
            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);

    g_task_return_boolean(task, TRUE);
}

static const VmFacts *
probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error) ? &facts : NULL;
}

static int
sweep(Vm *vm, const char *prefix, GError **error)
{
    return 0; /* its machines die with their end of the channel */
}

static void
fake_close(Vm *base)
{
    FakeVm *vm = (FakeVm *)base;

    if (rmdir(vm->cgroup) < 0)
        g_warning("Cannot remove %s: %s", vm->cgroup, g_strerror(errno));
    g_free(vm->cgroup);
    g_free(vm);
}

static const VmOps ops = {
    .close = fake_close,
    .probe_async = probe_async,
    .probe_finish = probe_finish,
    .start_async = start_async,
    .start_finish = start_finish,
    .save_async = save_async,
    .save_finish = save_finish,
    .destroy_async = destroy_async,
    .destroy_finish = destroy_finish,
    .pid = get_pid,
    .sweep = sweep,
};

Vm *
vm_fake_open(const char *agent, const char *runners, const char *directory, GError **error)
{
    const char *root = fake_agent_cgroup_root();
    FakeVm *vm = g_new0(FakeVm, 1);

    vm->base.ops = &ops;
    vm->agent = agent;
    vm->runners = runners;
    vm->directory = directory;
    vm->cgroup = g_strdup_printf("%s/cloche-fake-%d", root ? root : "", (int)getpid());
    if (mkdir(vm->cgroup, 0755) == 0)
        return &vm->base;
    util_set_errno(error, errno, "Cannot make the cgroup '%s'", vm->cgroup);
    g_free(vm->cgroup);
    g_free(vm);
    return NULL;
}
