/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-start: makes a machine, by booting or by restoring.
 *
 * When a step fails, the machine is destroyed before the caller gets the error, even if libvirt
 * cannot be reached for a long time: the caller gets a running machine or nothing. The machine is
 * in the table before libvirt creates it, so no event comes too early.
 */
#include "vm-start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-destroy.h"
#include "vm-domain-xml.h"
#include "vm-error.h"
#include "vm-files.h"
#include "vm-limits.h"
#include "vm-monitor.h"
#include "vm-stub.h"

typedef struct {
    LibvirtVm *vm;
    MachineSpec spec;      /* its strings are owned */
    VmFacts facts;         /* its strings belong to the Vm, or to the probe that waits for this */
    gboolean checks_facts; /* they are the Vm's, and may be outdated */
    char *uuid;
    char *kernel_options;
    LibvirtMachine *machine; /* main context only */
    int fd;
    pid_t pid;
    gboolean may_exist; /* libvirt was asked to create it, whatever it answered */
    GError *error;      /* why it is destroyed again */
} MachineStart;

static MachineStart *
start_new(LibvirtVm *vm, const MachineSpec *spec, const VmFacts *facts, const char *kernel_options)
{
    MachineStart *start = g_new0(MachineStart, 1);

    start->vm = vm;
    start->spec = *spec;
    start->spec.name = g_strdup(spec->name);
    start->spec.kernel = g_strdup(spec->kernel);
    start->spec.initrd = g_strdup(spec->initrd);
    start->spec.disk = g_strdup(spec->disk);
    start->spec.ram = g_strdup(spec->ram);
    start->spec.state = g_strdup(spec->state);
    start->spec.socket = g_strdup(spec->socket);
    start->spec.net_socket = g_strdup(spec->net_socket);
    start->spec.console = g_strdup(spec->console);
    start->facts = *facts;
    start->checks_facts = facts == &vm->known.facts;
    start->kernel_options = g_strdup(kernel_options);
    start->fd = -1;
    return start;
}

static void
start_free(MachineStart *start)
{
    if (start->fd >= 0)
        close(start->fd);
    if (start->machine)
        vm_machine_free(start->machine);
    g_free((char *)start->spec.name);
    g_free((char *)start->spec.kernel);
    g_free((char *)start->spec.initrd);
    g_free((char *)start->spec.disk);
    g_free((char *)start->spec.ram);
    g_free((char *)start->spec.state);
    g_free((char *)start->spec.socket);
    g_free((char *)start->spec.net_socket);
    g_free((char *)start->spec.console);
    g_free(start->uuid);
    g_free(start->kernel_options);
    g_clear_error(&start->error);
    g_free(start);
}

static gboolean
load_state(virDomainPtr domain, const MachineSpec *spec, GCancellable *cancellable, GError **error)
{
    int fd = spec->state_fd > 0 ? fcntl(spec->state_fd, F_DUPFD_CLOEXEC, 0)
                                : open(spec->state, O_RDONLY | O_CLOEXEC);
    gboolean loaded;

    if (fd < 0)
        return util_set_errno(error, errno, "cannot open '%s'", spec->state);
    loaded = monitor_load(domain, fd, cancellable, error);
    close(fd);
    return loaded;
}

/* The steps after the domain was created. */
static gboolean
bring_up(MachineStart *start, virDomainPtr domain, GCancellable *cancellable, GError **error)
{
    const MachineSpec *spec = &start->spec;
    gint64 begin = g_get_monotonic_time(), loaded;

    start->pid = vm_read_pid(&start->vm->embed, spec->name);
    if (start->vm->has_slice && !limits_set(start->pid, spec, start->facts.emulated, error))
        return FALSE;
    if (spec->state && !load_state(domain, spec, cancellable, error))
        return FALSE;
    loaded = g_get_monotonic_time();
    if (spec->state && virDomainResume(domain) < 0)
        return vm_error_set(error, "cannot resume");
    g_debug("machine '%s': loaded in %.1f ms, resumed in %.1f ms", spec->name,
            (double)(loaded - begin) / 1e3, (double)(g_get_monotonic_time() - loaded) / 1e3);
    if (spec->socket) {
        start->fd = vm_connect_socket(spec->socket, error);
        if (start->fd < 0)
            return FALSE;
    }
    return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

static virDomainPtr
create_from(MachineStart *start, virConnectPtr libvirt, const char *kernel, GError **error)
{
    const MachineSpec *spec = &start->spec;
    DomainPlan plan = {.spec = spec,
                       .facts = &start->facts,
                       .uuid = start->uuid,
                       .kernel = kernel,
                       .kernel_options = start->kernel_options,
                       .in_slice = start->vm->has_slice,
                       .is_unprivileged = start->vm->is_unprivileged,
                       .ram_read_only = start->vm->known.ram_read_only};
    g_autofree char *xml = domain_xml(&plan);
    gint64 begin = g_get_monotonic_time();
    virDomainPtr domain;

    start->may_exist = TRUE;
    domain = virDomainCreateXML(libvirt, xml, spec->state ? VIR_DOMAIN_START_PAUSED : 0);
    if (!domain)
        vm_error_set(error, "libvirt cannot create it");
    g_debug("machine '%s': created in %.1f ms", spec->name,
            (double)(g_get_monotonic_time() - begin) / 1e3);
    return domain;
}

static gboolean
check_facts(LibvirtVm *vm, virConnectPtr libvirt, GError **error)
{
    return facts_check(&vm->known, libvirt, connection_count_openings(vm->connection), error);
}

/* A restored machine gets a stub of the kernel, which exists until QEMU has started. */
static virDomainPtr
create_domain(MachineStart *start, GError **error)
{
    const MachineSpec *spec = &start->spec;
    g_autoptr(virConnect) libvirt = connection_get(start->vm->connection, error);
    g_autofree char *stub = NULL;
    virDomainPtr domain;

    if (!libvirt || (start->checks_facts && !check_facts(start->vm, libvirt, error)))
        return NULL;
    if (!spec->state)
        return create_from(start, libvirt, spec->kernel, error);
    stub = g_build_filename(start->vm->boot_folder, spec->name, NULL);
    if (!stub_write(spec->kernel, stub, error))
        return NULL;
    domain = create_from(start, libvirt, stub, error);
    unlink(stub);
    return domain;
}

static void
run_start(GTask *task)
{
    MachineStart *start = g_task_get_task_data(task);
    GCancellable *cancellable = g_task_get_cancellable(task);
    g_autoptr(virDomain) domain = NULL;
    GError *error = NULL;

    if (!g_cancellable_set_error_if_cancelled(cancellable, &error))
        domain = create_domain(start, &error);
    if (domain && bring_up(start, domain, cancellable, &error)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    g_prefix_error(&error, "machine '%s' did not start: ", start->spec.name);
    g_task_return_error(task, error);
}

/* A machine that could not be destroyed is destroyed when the service starts again. */
static void
on_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    MachineStart *start = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    if (!libvirt_destroy_finish(&start->vm->base, result, &error))
        g_warning("%s", error->message);
    g_task_return_error(task, g_steal_pointer(&start->error));
}

static void
on_start_tried(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    MachineStart *start = g_task_get_task_data(task);

    if (g_task_propagate_boolean(G_TASK(result), &start->error)) {
        g_task_return_boolean(task, TRUE);
    } else if (start->may_exist) {
        LibvirtMachine *machine = g_steal_pointer(&start->machine);

        libvirt_destroy_async(&machine->base, on_destroyed, g_steal_pointer(&task));
    } else {
        g_task_return_error(task, g_steal_pointer(&start->error));
    }
}

static gboolean
check_socket(const char *machine, const char *path, GError **error)
{
    if (!path || strlen(path) < sizeof((struct sockaddr_un *)NULL)->sun_path)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "machine '%s' did not start: the path of its socket is too long: '%s'", machine,
                path);
    return FALSE;
}

static gboolean
check_spec(const MachineSpec *spec, GError **error)
{
    return check_socket(spec->name, spec->socket, error) &&
           check_socket(spec->name, spec->net_socket, error);
}

void
vm_start_with(LibvirtVm *vm, const MachineSpec *spec, const VmFacts *facts,
              const char *kernel_options, const MachineEvents *events, gpointer events_data,
              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    MachineStart *start = start_new(vm, spec, facts, kernel_options);
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data), *attempt;
    GError *error = NULL;

    g_task_set_task_data(task, start, (GDestroyNotify)start_free);
    if (!check_spec(spec, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    start->uuid = g_uuid_string_random();
    start->machine = vm_machine_new(&vm->machines, spec, events, events_data);
    vm_machine_set_uuid(start->machine, start->uuid);
    attempt = g_task_new(/* source= */ NULL, cancellable, on_start_tried, task);
    /* A machine that started in spite of the cancellation is returned to the caller. */
    g_task_set_check_cancellable(attempt, FALSE);
    g_task_set_task_data(attempt, start, /* free= */ NULL);
    workers_run(vm->workers, attempt, run_start);
}

void
libvirt_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data)
{
    LibvirtVm *self = (LibvirtVm *)vm;

    g_return_if_fail(self->known.facts.accelerator);
    vm_start_with(self, spec, &self->known.facts, /* kernel_options= */ NULL, events, events_data,
                  cancellable, callback, data);
}

Machine *
libvirt_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error)
{
    MachineStart *start = g_task_get_task_data(G_TASK(result));

    if (!g_task_propagate_boolean(G_TASK(result), error))
        return NULL;
    *ret_fd = start->fd;
    start->fd = -1;
    return vm_machine_give(g_steal_pointer(&start->machine), start->pid);
}
