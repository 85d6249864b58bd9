/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-fake: files take the place of libvirt. Booting and restoring a machine do the same. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "fake-record.h"
#include "util.h"
#include "vm-fake-private.h"

#define PROBE_PAUSE_MS 20

/* --- what waits for libvirt --- */

void
fake_run(FakeVm *vm, GTask *task, GTaskThreadFunc function)
{
    g_autoptr(GError) error = NULL;

    if (fake_check_there(vm, &error)) {
        g_task_run_in_thread(task, function);
        return;
    }
    vm_report_answers(&vm->base, FALSE);
    if (vm->stops_trying) {
        g_task_return_error(task, g_steal_pointer(&error));
        return;
    }
    g_task_set_source_tag(task, function);
    g_queue_push_tail(&vm->waiting, g_object_ref(task));
}

/* --- sweep --- */

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

/* When the lock is free, every machine that was being started has a record. */
static void
sweep_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Sweep *sweep = data;
    g_autofree char *lock = fake_control_path(sweep->vm, "starting");
    g_auto(GStrv) names = NULL;
    int destroyed = 0, fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        g_error("Cannot lock '%s': %s", lock, g_strerror(errno));
    names = fake_record_names(sweep->vm->config->control);
    close(fd);
    for (char **name = names; *name; name++)
        if (g_str_has_prefix(*name, sweep->prefix) && !g_hash_table_contains(sweep->known, *name)) {
            fake_machine_end(sweep->vm, *name);
            destroyed++;
        }
    g_task_return_int(task, destroyed);
}

static void
add_names(GHashTable *to, GHashTable *from)
{
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_hash_table_add(to, g_strdup(name));
}

static void
sweep_async(Vm *base, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    FakeVm *vm = (FakeVm *)base;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Sweep *sweep;

    sweep = g_new0(Sweep, 1);
    sweep->vm = vm;
    sweep->prefix = g_strdup(prefix);
    sweep->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    add_names(sweep->known, vm->machines);
    add_names(sweep->known, vm->adopting);
    g_task_set_task_data(task, sweep, sweep_free);
    fake_run(vm, task, sweep_in_thread);
}

static int
sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

/* --- the rest of a machine's life --- */

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

    fake_machine_end((const FakeVm *)machine->base.vm, machine->name);
    g_task_return_boolean(task, TRUE);
}

static void
destroy_async(Machine *base, GAsyncReadyCallback callback, gpointer data)
{
    FakeVm *vm = (FakeVm *)base->vm;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);

    fake_machine_forget((FakeMachine *)base);
    g_task_set_task_data(task, base, fake_machine_free);
    fake_run(vm, task, destroy_in_thread);
}

static gboolean
destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return boolean_finish(result, error);
}

/* As the test does with fixture_stall(). */
static void
hold(Machine *base, gboolean holds)
{
    FakeMachine *machine = (FakeMachine *)base;

    if (machine->is_held != holds)
        fake_machine_stall(machine, holds);
    machine->is_held = holds;
}

/* A machine without this socket is one of an earlier version. */
static int
connect_net(const FakeMachine *machine, GError **error)
{
    g_autofree char *path = g_strconcat(machine->socket, ".net", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    g_set_error(error, CLOCHE_ERROR, errno == ENOENT ? CLOCHE_ERROR_UNSUPPORTED : CLOCHE_ERROR_BUSY,
                "%s: %s", path, g_strerror(errno));
    close(fd);
    return -1;
}

static void
open_net_async(Machine *base, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;
    int fd = connect_net((const FakeMachine *)base, &error);

    if (fd >= 0)
        g_task_return_int(task, fd);
    else
        g_task_return_error(task, error);
}

static int
open_net_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

static void
leave(Machine *base)
{
    fake_machine_forget((FakeMachine *)base);
    fake_machine_free(base);
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
    g_autofree char *text =
        fake_record_read(((const FakeVm *)machine->base.vm)->config->control, machine->name, "");

    return text ? atoi(text) : 0;
}

/* --- the connection --- */

static const VmFacts tcg_facts = {
    .hypervisor = "fake",
    .machine_type = "fake-1",
    .definition = "fake",
    .cpu_model = "fake",
    .host = "",
    .accelerator = "tcg",
    .emulated = TRUE,
    .kvm_error = "the test wants no KVM",
};
static const VmFacts kvm_facts = {
    .hypervisor = "fake",
    .machine_type = "fake-1",
    .definition = "fake",
    .cpu_model = "fake",
    .accelerator = "kvm",
};

static gboolean
has_control(const FakeVm *vm, const char *name)
{
    g_autofree char *path = fake_control_path(vm, name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
count_probe(FakeVm *vm)
{
    g_autofree char *path = fake_control_path(vm, "tried");
    g_autofree char *text = g_strdup_printf("%u", ++vm->probes);

    g_file_set_contents(path, text, -1, NULL);
}

static void
probe_async(Vm *base, const char *kernel, const char *initrd, const char *directory,
            const MachineUser *user, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer data)
{
    FakeVm *vm = (FakeVm *)base;
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    GError *error = NULL;

    count_probe(vm);
    if (!fake_check_there(vm, &error)) {
        g_task_return_error(task, error);
        return;
    }
    vm->facts = fake_count_down(vm, "kvm") == 0 ? kvm_facts : tcg_facts;
    vm->facts.has_virtualization = has_control(vm, "virtualization");
    g_task_return_boolean(task, TRUE);
}

static const VmFacts *
probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return boolean_finish(result, error) ? &((FakeVm *)vm)->facts : NULL;
}

static guint
probe_pause_ms(Vm *vm, guint failures)
{
    return PROBE_PAUSE_MS;
}

/* Whether one of the events says that "away" was removed. */
static gboolean
reads_return(int fd)
{
    char events[4096] __attribute__((aligned(8)));
    gboolean returns = FALSE;
    gssize size;

    while ((size = read(fd, events, sizeof events)) > 0)
        for (gssize at = 0; at < size;) {
            const struct inotify_event *event = (const struct inotify_event *)(events + at);

            returns = returns || (event->len > 0 && g_str_equal(event->name, "away"));
            at += (gssize)(sizeof *event + event->len);
        }
    return returns;
}

static void
on_return(FakeVm *vm)
{
    GTask *task;

    while ((task = g_queue_pop_head(&vm->waiting))) {
        g_task_run_in_thread(task, (GTaskThreadFunc)g_task_get_source_tag(task));
        g_object_unref(task);
    }
    vm_report_answers(&vm->base, TRUE);
}

/* Something has changed in the folders: check everything. */
static gboolean
on_control(int fd, GIOCondition condition, gpointer data)
{
    FakeVm *vm = data;
    g_autoptr(GList) machines = g_hash_table_get_values(vm->machines);
    gboolean returns = reads_return(fd);

    for (GList *l = machines; l; l = l->next)
        fake_machine_look_for_stall(l->data);
    if (returns)
        on_return(vm);
    return G_SOURCE_CONTINUE;
}

static void
fake_close(Vm *base)
{
    FakeVm *vm = (FakeVm *)base;

    g_source_remove(vm->watch);
    close(vm->inotify);
    g_hash_table_unref(vm->machines);
    g_hash_table_unref(vm->adopting);
    g_free(vm);
}

static const VmOps ops = {
    .close = fake_close,
    .probe_async = probe_async,
    .probe_finish = probe_finish,
    .probe_pause_ms = probe_pause_ms,
    .start_async = fake_start_async,
    .start_finish = fake_start_finish,
    .adopt_async = fake_adopt_async,
    .adopt_finish = fake_adopt_finish,
    .save_async = fake_save_async,
    .save_finish = save_finish,
    .capture_async = fake_capture_async,
    .capture_finish = fake_capture_finish,
    .release_async = fake_release_async,
    .release_finish = fake_capture_finish,
    .destroy_async = destroy_async,
    .destroy_finish = destroy_finish,
    .open_net_async = open_net_async,
    .open_net_finish = open_net_finish,
    .hold = hold,
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
    vm->adopting = g_hash_table_new(g_str_hash, g_str_equal);
    g_queue_init(&vm->waiting);
    return &vm->base;
}
