/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-save: writes a machine's device state to a file. */
#include "vm-save.h"

#include "vm-error.h"
#include "vm-monitor.h"

typedef struct {
    LibvirtVm *vm;
    char *name;
    char *uuid;
    int fd; /* borrowed */
} Save;

static void
save_free(gpointer data)
{
    Save *save = data;

    g_free(save->name);
    g_free(save->uuid);
    g_free(save);
}

static gboolean
save_state(const Save *save, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(save->vm->connection, error);
    g_autoptr(virDomain) domain = NULL;

    if (!libvirt)
        return FALSE;
    domain = virDomainLookupByUUIDString(libvirt, save->uuid);
    if (!domain)
        return vm_error_set(error, "libvirt does not know it");
    return monitor_save(domain, save->fd, error);
}

static void
run_save(GTask *task)
{
    const Save *save = g_task_get_task_data(task);
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    if (!save_state(save, &error)) {
        g_prefix_error(&error, "machine '%s' was not saved: ", save->name);
        g_task_return_error(task, error);
        return;
    }
    g_debug("machine '%s': saved in %.1f ms", save->name,
            (double)(g_get_monotonic_time() - begin) / 1e3);
    g_task_return_boolean(task, TRUE);
}

void
libvirt_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    const LibvirtMachine *self = (const LibvirtMachine *)machine;
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    Save *save = g_new0(Save, 1);

    save->vm = (LibvirtVm *)machine->vm;
    save->name = g_strdup(self->name);
    save->uuid = g_strdup(self->uuid);
    save->fd = fd;
    g_task_set_task_data(task, save, save_free);
    workers_run(save->vm->workers, task, run_save);
}

gboolean
libvirt_save_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
