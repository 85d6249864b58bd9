/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-libvirt: machines by libvirt.
 *
 * Every call of libvirt's may block, so each runs in one of a few worker threads and its result
 * comes back by a GTask. A worker sees only what its task holds: the table of machines and the
 * machines themselves belong to the main context. A machine is looked up anew by its uuid each
 * time, because libvirt's handle dies with the connection, and the connection with libvirtd.
 */
#include "vm-libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-domain-xml.h"
#include "vm-error.h"
#include "vm-monitor.h"
#include "vm-reaper.h"
#include "vm-stub.h"

#define WORKERS 4

/* --- workers --- */

typedef struct {
    GTask *task;
    void (*run)(GTask *task);
} Job;

static void
work(gpointer data, gpointer user_data)
{
    LibvirtVm *vm = user_data;
    Job *job = data;

    if (vm->embed.root)
        reaper_expect();
    job->run(job->task);
    if (vm->embed.root)
        reaper_expect_no_more();
    g_object_unref(job->task);
    g_free(job);
}

void
vm_run(LibvirtVm *vm, GTask *task, void (*run)(GTask *task))
{
    Job *job = g_new(Job, 1);

    job->task = task;
    job->run = run;
    g_thread_pool_push(vm->workers, job, /* error= */ NULL);
}

/* --- a machine --- */

static LibvirtMachine *
machine_new(LibvirtVm *vm, const MachineSpec *spec, MachineEnded ended, gpointer ended_data)
{
    LibvirtMachine *machine = g_new0(LibvirtMachine, 1);

    machine->base.vm = &vm->base;
    machine->name = g_strdup(spec->name);
    machine->uuid = g_uuid_string_random();
    machine->socket = g_strdup(spec->socket);
    machine->ended = ended;
    machine->ended_data = ended_data;
    g_hash_table_insert(vm->machines, machine->uuid, machine);
    return machine;
}

/* No event finds the machine any more. */
static void
machine_forget(LibvirtMachine *machine)
{
    LibvirtVm *vm = (LibvirtVm *)machine->base.vm;

    g_clear_handle_id(&machine->announce, g_source_remove);
    g_hash_table_remove(vm->machines, machine->uuid);
}

static void
machine_free(LibvirtMachine *machine)
{
    g_free(machine->name);
    g_free(machine->uuid);
    g_free(machine->socket);
    g_free(machine);
}

static pid_t
libvirt_pid(const Machine *machine)
{
    const LibvirtMachine *self = (const LibvirtMachine *)machine;

    return self->over ? 0 : self->pid;
}

/* libvirt has no call for it, but keeps a file. */
static pid_t
read_pid(const LibvirtVm *vm, const char *name)
{
    g_autofree char *directory = vm->embed.root
                                     ? g_build_filename(vm->embed.root, "run", "qemu", NULL)
                                     : g_strdup("/run/libvirt/qemu");
    g_autofree char *path = g_strdup_printf("%s/%s.pid", directory, name);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, /* length= */ NULL, /* error= */ NULL))
        return 0;
    return (pid_t)g_ascii_strtoll(text, /* endptr= */ NULL, 10);
}

/* What libvirt leaves of a machine: the socket, and a log where no virtlogd looks after it. */
static void
remove_traces(const LibvirtVm *vm, const char *name, const char *socket)
{
    if (socket)
        unlink(socket);
    if (vm->embed.root) {
        g_autofree char *log = g_strdup_printf("%s/log/qemu/%s.log", vm->embed.root, name);

        unlink(log);
    }
}

/* --- start --- */

typedef struct {
    LibvirtVm *vm;
    MachineSpec spec; /* its strings are owned */
    VmFacts facts;    /* strings of the Vm's, or of the probe that waits for this */
    char *uuid;
    char *words;
    LibvirtMachine *machine; /* for the main context only */
    int fd;
    pid_t pid;
} Start;

static Start *
start_new(LibvirtVm *vm, const MachineSpec *spec, const VmFacts *facts, const char *words)
{
    Start *start = g_new0(Start, 1);

    start->vm = vm;
    start->spec = *spec;
    start->spec.name = g_strdup(spec->name);
    start->spec.kernel = g_strdup(spec->kernel);
    start->spec.initrd = g_strdup(spec->initrd);
    start->spec.disk = g_strdup(spec->disk);
    start->spec.ram = g_strdup(spec->ram);
    start->spec.state = g_strdup(spec->state);
    start->spec.socket = g_strdup(spec->socket);
    start->spec.console = g_strdup(spec->console);
    start->facts = *facts;
    start->words = g_strdup(words);
    start->fd = -1;
    return start;
}

static void
start_free(Start *start)
{
    if (start->fd >= 0)
        close(start->fd);
    g_free((char *)start->spec.name);
    g_free((char *)start->spec.kernel);
    g_free((char *)start->spec.initrd);
    g_free((char *)start->spec.disk);
    g_free((char *)start->spec.ram);
    g_free((char *)start->spec.state);
    g_free((char *)start->spec.socket);
    g_free((char *)start->spec.console);
    g_free(start->uuid);
    g_free(start->words);
    g_free(start);
}

/* The listener is libvirt's, made before QEMU runs: connecting does not wait for anybody. */
static int
connect_socket(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        util_set_errno(error, errno, "cannot make a socket");
        return -1;
    }
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        util_set_errno(error, errno, "cannot connect to '%s'", path);
        close(fd);
        return -1;
    }
    return fd;
}

static gboolean
load_state(virDomainPtr domain, const char *path, GCancellable *cancellable, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gboolean loaded;

    if (fd < 0)
        return util_set_errno(error, errno, "cannot open '%s'", path);
    loaded = monitor_load(domain, fd, cancellable, error);
    close(fd);
    return loaded;
}

/* What follows once the domain exists. */
static gboolean
bring_up(Start *start, virDomainPtr domain, GCancellable *cancellable, GError **error)
{
    const MachineSpec *spec = &start->spec;
    gint64 begin = g_get_monotonic_time(), loaded;

    if (spec->state && !load_state(domain, spec->state, cancellable, error))
        return FALSE;
    loaded = g_get_monotonic_time();
    if (spec->state && virDomainResume(domain) < 0)
        return vm_error_set(error, "cannot resume");
    g_debug("machine '%s': loaded in %.1f ms, resumed in %.1f ms", spec->name,
            (double)(loaded - begin) / 1e3, (double)(g_get_monotonic_time() - loaded) / 1e3);
    if (spec->socket) {
        start->fd = connect_socket(spec->socket, error);
        if (start->fd < 0)
            return FALSE;
    }
    start->pid = read_pid(start->vm, spec->name);
    return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

static virDomainPtr
create_from(Start *start, virConnectPtr connection, const char *kernel, GError **error)
{
    const MachineSpec *spec = &start->spec;
    DomainPlan plan = {.spec = spec,
                       .facts = &start->facts,
                       .uuid = start->uuid,
                       .kernel = kernel,
                       .words = start->words,
                       .ram_read_only = start->vm->ram_read_only};
    g_autofree char *xml = domain_xml(&plan);
    gint64 begin = g_get_monotonic_time();
    virDomainPtr domain;

    domain = virDomainCreateXML(connection, xml, spec->state ? VIR_DOMAIN_START_PAUSED : 0);
    if (!domain)
        vm_error_set(error, "libvirt cannot create it");
    g_debug("machine '%s': created in %.1f ms", spec->name,
            (double)(g_get_monotonic_time() - begin) / 1e3);
    return domain;
}

/* A stub of the kernel lies beside the disk, where QEMU gets at it, until QEMU has read it. */
static virDomainPtr
create_domain(Start *start, GError **error)
{
    const MachineSpec *spec = &start->spec;
    g_autoptr(virConnect) connection = vm_connect(start->vm, error);
    g_autofree char *stub = NULL;
    virDomainPtr domain;

    if (!connection || !embed_hand_over(&start->vm->embed, spec, error))
        return NULL;
    if (!spec->state)
        return create_from(start, connection, spec->kernel, error);
    stub = g_strconcat(spec->disk, ".boot", NULL);
    if (!stub_write(spec->kernel, stub, error))
        return NULL;
    domain = create_from(start, connection, stub, error);
    unlink(stub);
    return domain;
}

static void
run_start(GTask *task)
{
    Start *start = g_task_get_task_data(task);
    GCancellable *cancellable = g_task_get_cancellable(task);
    g_autoptr(virDomain) domain = NULL;
    GError *error = NULL;

    if (!g_cancellable_set_error_if_cancelled(cancellable, &error))
        domain = create_domain(start, &error);
    if (domain && bring_up(start, domain, cancellable, &error)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    if (domain)
        virDomainDestroy(domain);
    remove_traces(start->vm, start->spec.name, start->spec.socket);
    g_prefix_error(&error, "machine '%s' did not start: ", start->spec.name);
    g_task_return_error(task, error);
}

static gboolean
check_spec(const MachineSpec *spec, GError **error)
{
    if (!spec->socket || strlen(spec->socket) < sizeof((struct sockaddr_un *)NULL)->sun_path)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "machine '%s' did not start: the path of its socket is too long: '%s'", spec->name,
                spec->socket);
    return FALSE;
}

void
vm_start_with(LibvirtVm *vm, const MachineSpec *spec, const VmFacts *facts, const char *words,
              MachineEnded ended, gpointer ended_data, GCancellable *cancellable,
              GAsyncReadyCallback callback, gpointer data)
{
    Start *start = start_new(vm, spec, facts, words);
    GTask *task = g_task_new(/* source= */ NULL, cancellable, callback, data);
    GError *error = NULL;

    /* A machine that came up in spite of the cancellation is the caller's all the same. */
    g_task_set_check_cancellable(task, FALSE);
    g_task_set_task_data(task, start, (GDestroyNotify)start_free);
    if (!check_spec(spec, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    start->machine = machine_new(vm, spec, ended, ended_data);
    start->uuid = g_strdup(start->machine->uuid);
    vm_run(vm, task, run_start);
}

static void
libvirt_start_async(Vm *vm, const MachineSpec *spec, MachineEnded ended, gpointer ended_data,
                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    LibvirtVm *self = (LibvirtVm *)vm;

    g_return_if_fail(self->facts.accelerator);
    vm_start_with(self, spec, &self->facts, /* words= */ NULL, ended, ended_data, cancellable,
                  callback, data);
}

static Machine *
libvirt_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    Start *start = g_task_get_task_data(G_TASK(result));
    LibvirtMachine *machine = g_steal_pointer(&start->machine);

    if (!g_task_propagate_boolean(G_TASK(result), error)) {
        if (machine) {
            machine_forget(machine);
            machine_free(machine);
        }
        return NULL;
    }
    machine->pid = start->pid;
    machine->given = TRUE;
    if (machine->over)
        vm_machine_over(machine);
    *ret_fd = start->fd;
    start->fd = -1;
    return &machine->base;
}

/* --- save --- */

typedef struct {
    LibvirtVm *vm;
    char *name;
    char *uuid;
    char *path; /* of the state to save, or of the socket to remove; NULL: none */
} Target;

static void
target_free(Target *target)
{
    g_free(target->name);
    g_free(target->uuid);
    g_free(target->path);
    g_free(target);
}

static Target *
target_new(const LibvirtMachine *machine, const char *path)
{
    Target *target = g_new0(Target, 1);

    target->vm = (LibvirtVm *)machine->base.vm;
    target->name = g_strdup(machine->name);
    target->uuid = g_strdup(machine->uuid);
    target->path = g_strdup(path);
    return target;
}

static gboolean
save_state(const Target *target, GError **error)
{
    g_autoptr(virConnect) connection = vm_connect(target->vm, error);
    g_autoptr(virDomain) domain = NULL;
    gboolean saved;
    int fd;

    if (!connection)
        return FALSE;
    domain = virDomainLookupByUUIDString(connection, target->uuid);
    if (!domain)
        return vm_error_set(error, "libvirt has lost it");
    fd = open(target->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return util_set_errno(error, errno, "cannot create '%s'", target->path);
    saved = monitor_save(domain, fd, error);
    close(fd);
    if (!saved)
        unlink(target->path);
    return saved;
}

static void
run_save(GTask *task)
{
    const Target *target = g_task_get_task_data(task);
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    if (!save_state(target, &error)) {
        g_prefix_error(&error, "machine '%s' was not saved: ", target->name);
        g_task_return_error(task, error);
        return;
    }
    g_debug("machine '%s': saved in %.1f ms", target->name,
            (double)(g_get_monotonic_time() - begin) / 1e3);
    g_task_return_boolean(task, TRUE);
}

static void
libvirt_save_async(Machine *machine, const char *path, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    Target *target = target_new((LibvirtMachine *)machine, path);

    g_task_set_task_data(task, target, (GDestroyNotify)target_free);
    vm_run(target->vm, task, run_save);
}

static gboolean
libvirt_save_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- destroy --- */

/* A domain that is gone, or just going, is what was wanted. */
static gboolean
destroy_domain(virDomainPtr domain, GError **error)
{
    if (virDomainDestroy(domain) == 0)
        return TRUE;
    switch (virGetLastErrorCode()) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_OPERATION_INVALID:
        return TRUE;
    default:
        return vm_error_set(error, "machine '%s' was not destroyed", virDomainGetName(domain));
    }
}

static void
run_destroy(GTask *task)
{
    const Target *target = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(virConnect) connection = vm_connect(target->vm, &error);
    g_autoptr(virDomain) domain = NULL;
    gint64 begin = g_get_monotonic_time();

    if (connection) {
        domain = virDomainLookupByUUIDString(connection, target->uuid);
        if (!domain && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
            vm_error_set(&error, "machine '%s' was not destroyed", target->name);
    }
    if (error || (domain && !destroy_domain(domain, &error))) {
        g_task_return_error(task, error);
        return;
    }
    remove_traces(target->vm, target->name, target->path);
    g_debug("machine '%s': destroyed in %.1f ms", target->name,
            (double)(g_get_monotonic_time() - begin) / 1e3);
    g_task_return_boolean(task, TRUE);
}

static void
libvirt_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    LibvirtMachine *self = (LibvirtMachine *)machine;
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    Target *target = target_new(self, self->socket);

    machine_forget(self);
    machine_free(self);
    g_task_set_task_data(task, target, (GDestroyNotify)target_free);
    vm_run(target->vm, task, run_destroy);
}

static gboolean
libvirt_destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- the connection's life --- */

static gboolean
is_stray(LibvirtVm *vm, virDomainPtr domain, const char *prefix)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    return g_str_has_prefix(virDomainGetName(domain), prefix) &&
           virDomainGetUUIDString(domain, uuid) == 0 && !g_hash_table_contains(vm->machines, uuid);
}

static int
libvirt_sweep(Vm *vm, const char *prefix, GError **error)
{
    LibvirtVm *self = (LibvirtVm *)vm;
    g_autoptr(virConnect) connection = vm_connect(self, error);
    virDomainPtr *domains = NULL;
    int found, destroyed = 0;
    gboolean good = TRUE;

    if (!connection)
        return -1;
    found = virConnectListAllDomains(connection, &domains, /* flags= */ 0);
    if (found < 0) {
        vm_error_set(error, "cannot list the machines");
        return -1;
    }
    for (int i = 0; i < found; i++) {
        if (good && is_stray(self, domains[i], prefix)) {
            good = destroy_domain(domains[i], error);
            destroyed++;
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    return good ? destroyed : -1;
}

static void
libvirt_close(Vm *vm)
{
    LibvirtVm *self = (LibvirtVm *)vm;

    if (self->workers)
        g_thread_pool_free(self->workers, /* immediate= */ FALSE, /* wait= */ TRUE);
    vm_disconnect(self);
    embed_clear(&self->embed);
    g_hash_table_unref(self->machines);
    g_mutex_clear(&self->lock);
    g_free((char *)self->facts.hypervisor);
    g_free((char *)self->facts.machine_type);
    g_free((char *)self->facts.cpu_model);
    g_free(self->uri);
    g_free(self);
}

static const VmOps libvirt_ops = {
    .close = libvirt_close,
    .probe_async = libvirt_probe_async,
    .probe_finish = libvirt_probe_finish,
    .start_async = libvirt_start_async,
    .start_finish = libvirt_start_finish,
    .save_async = libvirt_save_async,
    .save_finish = libvirt_save_finish,
    .destroy_async = libvirt_destroy_async,
    .destroy_finish = libvirt_destroy_finish,
    .pid = libvirt_pid,
    .sweep = libvirt_sweep,
};

/* Every error is returned to who called; without this libvirt prints it as well. */
static void
ignore_error(void *data, virErrorPtr error)
{
}

static LibvirtVm *
libvirt_vm_new(const char *uri)
{
    LibvirtVm *vm = g_new0(LibvirtVm, 1);

    vm->base.ops = &libvirt_ops;
    vm->uri = g_strdup(uri);
    vm->machines = g_hash_table_new(g_str_hash, g_str_equal);
    g_mutex_init(&vm->lock);
    return vm;
}

Vm *
vm_libvirt_open(const char *uri, GError **error)
{
    static gsize registered;
    LibvirtVm *vm = libvirt_vm_new(uri);
    g_autoptr(virConnect) connection = NULL;
    gboolean prepared = embed_prepare(uri, &vm->embed, error);

    if (g_once_init_enter(&registered)) {
        virEventRegisterDefaultImpl();
        virSetErrorFunc(/* data= */ NULL, ignore_error);
        g_once_init_leave(&registered, 1);
    }
    if (prepared)
        connection = vm_connect(vm, error);
    if (!connection) {
        libvirt_close(&vm->base);
        return NULL;
    }
    /* Exclusive threads are made here, and so see what embed_prepare() did to the mounts. */
    vm->workers = g_thread_pool_new(work, vm, WORKERS, /* exclusive= */ TRUE, /* error= */ NULL);
    return &vm->base;
}
