/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-destroy: destroys machines, and tries again until libvirt can.
 *
 * Only libvirt can end a QEMU that runs as another user, and libvirtd may not be running. An
 * attempt occupies a worker; the pause between two attempts is a timer, so machines that cannot be
 * destroyed do not keep workers from other tasks. While libvirtd does not answer, systemd kills the
 * QEMU; the machine is destroyed when libvirtd has confirmed it.
 */
#include "vm-destroy.h"

#include <libvirt/virterror.h>

#include "error.h"
#include "vm-error.h"
#include "vm-files.h"
#include "vm-limits.h"

/* Between attempts. A new connection ends the pause. */
#define RETRY_MIN_S 1
#define RETRY_MAX_S 30

typedef struct {
    GTask *task; /* of the caller of libvirt_destroy_async() */
    LibvirtVm *vm;
    char *name, *uuid;
    char *socket; /* NULL: it has none */
    pid_t pid;    /* 0: it has ended, or was killed without libvirt */
    guint pause_s;
    guint timer; /* 0: an attempt is under way */
} Destroy;

static void try_destroy(Destroy *destroy);

/*
 * Whether libvirtd was killed while it started the machine, before there was a QEMU. The next
 * libvirtd lists such a machine, restores the job that started it, and waits for ever for the end
 * of that job, even after further restarts.
 */
static gboolean
was_never_started(virDomainPtr domain, const Destroy *destroy)
{
    pid_t pid = vm_read_pid(&destroy->vm->embed, destroy->name);
    int state, reason;

    if (pid > 0 && vm_is_alive(pid))
        return FALSE;
    return virDomainGetState(domain, &state, &reason, /* flags= */ 0) == 0 &&
           state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_STARTING_UP;
}

/* A machine that is gone or about to end counts as destroyed. */
static gboolean
destroy_domain(virDomainPtr domain, const Destroy *destroy, GError **error)
{
    int code;

    if (virDomainDestroy(domain) == 0)
        return TRUE;
    code = virGetLastErrorCode();
    if (code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID)
        return TRUE;
    vm_error_set(error, "machine '%s' was not destroyed", destroy->name);
    if (code != VIR_ERR_OPERATION_TIMEOUT || !was_never_started(domain, destroy))
        return FALSE;
    g_clear_error(error);
    g_warning("libvirtd was killed while it started machine '%s', and still lists it; it has no "
              "QEMU, and uses nothing",
              destroy->name);
    return TRUE;
}

/* A deadline or a kill takes effect even while libvirt does not answer. */
static void
kill_without_libvirt(Destroy *destroy)
{
    g_autoptr(GError) error = NULL;

    if (destroy->pid <= 0 || !destroy->vm->has_slice)
        return;
    if (limits_kill(destroy->pid, destroy->name, &error))
        destroy->pid = 0;
    else
        g_debug("machine '%s' was not killed: %s", destroy->name, error->message);
}

/* libvirt cannot remove the scope of a machine that it does not know any more. */
static void
stop_scopes(const Destroy *destroy)
{
    g_auto(GStrv) units = destroy->vm->has_slice ? limits_list_scopes(destroy->name) : NULL;

    for (guint i = 0; units && units[i]; i++) {
        g_autofree char *machine = limits_scope_machine(units[i]);

        if (g_strcmp0(machine, destroy->name) == 0) /* the name may begin another one */
            limits_stop_scope(units[i]);
    }
}

static gboolean
destroy_now(Destroy *destroy, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(destroy->vm->connection, error);
    g_autoptr(virDomain) domain = NULL;

    if (!libvirt) {
        kill_without_libvirt(destroy);
        g_prefix_error(error, "machine '%s' was not destroyed: ", destroy->name);
        return FALSE;
    }
    domain = virDomainLookupByUUIDString(libvirt, destroy->uuid);
    if (!domain && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
        return vm_error_set(error, "machine '%s' was not destroyed", destroy->name);
    if (domain && !destroy_domain(domain, destroy, error))
        return FALSE;
    if (!domain)
        stop_scopes(destroy);
    vm_remove_files(&destroy->vm->embed, destroy->name, destroy->socket);
    return TRUE;
}

static void
run_destroy(GTask *attempt)
{
    Destroy *destroy = g_task_get_task_data(attempt);
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    if (!destroy_now(destroy, &error)) {
        g_task_return_error(attempt, error);
        return;
    }
    g_debug("machine '%s': destroyed in %.1f ms", destroy->name,
            (double)(g_get_monotonic_time() - begin) / 1e3);
    g_task_return_boolean(attempt, TRUE);
}

/* Takes the error (NULL: the machine is gone). */
static void
finish_destroy(Destroy *destroy, GError *error)
{
    if (error)
        g_task_return_error(destroy->task, error);
    else
        g_task_return_boolean(destroy->task, TRUE);
    g_object_unref(destroy->task);
    g_free(destroy->name);
    g_free(destroy->uuid);
    g_free(destroy->socket);
    g_free(destroy);
}

static gboolean
on_pause_over(gpointer data)
{
    Destroy *destroy = data;

    destroy->timer = 0;
    g_ptr_array_remove_fast(destroy->vm->retries, destroy);
    try_destroy(destroy);
    return G_SOURCE_REMOVE;
}

static void
on_destroy_tried(GObject *source, GAsyncResult *result, gpointer data)
{
    Destroy *destroy = data;
    LibvirtVm *vm = destroy->vm;
    GError *error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error) || vm->stops_trying) {
        finish_destroy(destroy, error);
        return;
    }
    g_warning("%s; trying again in %u s", error->message, destroy->pause_s);
    g_error_free(error);
    g_ptr_array_add(vm->retries, destroy);
    destroy->timer = g_timeout_add_seconds(destroy->pause_s, on_pause_over, destroy);
    destroy->pause_s = MIN(destroy->pause_s * 2, RETRY_MAX_S);
}

static void
try_destroy(Destroy *destroy)
{
    GTask *attempt = g_task_new(/* source= */ NULL, NULL, on_destroy_tried, destroy);

    g_task_set_task_data(attempt, destroy, /* free= */ NULL);
    workers_run(destroy->vm->workers, attempt, run_destroy);
}

void
libvirt_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    LibvirtMachine *self = (LibvirtMachine *)machine;
    Destroy *destroy = g_new0(Destroy, 1);

    destroy->task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    destroy->vm = (LibvirtVm *)machine->vm;
    destroy->name = g_strdup(self->name);
    destroy->uuid = g_strdup(self->uuid);
    destroy->socket = g_strdup(self->socket);
    destroy->pid = self->has_ended ? 0 : self->pid;
    destroy->pause_s = RETRY_MIN_S;
    vm_machine_free(self);
    try_destroy(destroy);
}

gboolean
libvirt_destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* Removes one that waits for its next attempt from the list, or returns NULL. */
static Destroy *
take_waiting(LibvirtVm *vm)
{
    Destroy *destroy;

    if (vm->retries->len == 0)
        return NULL;
    destroy = g_ptr_array_steal_index_fast(vm->retries, 0);
    g_clear_handle_id(&destroy->timer, g_source_remove);
    return destroy;
}

void
vm_retry_destroys(LibvirtVm *vm)
{
    Destroy *destroy;

    while ((destroy = take_waiting(vm)))
        try_destroy(destroy);
}

void
vm_stop_destroys(LibvirtVm *vm)
{
    Destroy *destroy;

    while ((destroy = take_waiting(vm)))
        finish_destroy(destroy, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                            "machine '%s' was not destroyed; the service "
                                            "destroys it when it starts again",
                                            destroy->name));
}
