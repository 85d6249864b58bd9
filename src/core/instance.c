/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* instance: a machine with its connection and files: its use, its loss, its end. */
#include "claim.h"
#include "instance-private.h"
#include "languages.h"
#include "util.h"

static const char *const reason_names[] = {
    [END_NOT_YET] = "",
    [END_KILLED] = "killed",
    [END_TIMED_OUT] = "timed-out",
    [END_GUEST_SHUT_DOWN] = "guest-shut-down",
    [END_GUEST_PANICKED] = "guest-panicked",
    [END_GUEST_HUNG] = "guest-hung",
    [END_MACHINE_LOST] = "machine-lost",
    [END_PROTOCOL_ERROR] = "protocol-error",
    [END_SERVICE_STOPPED] = "service-stopped",
    [END_CALLER_LEFT] = "caller-left",
};
G_STATIC_ASSERT(G_N_ELEMENTS(reason_names) == _END_MAX);

const char *
end_reason_name(EndReason reason)
{
    return reason_names[reason];
}

Instance *
instance_new(Host *host, const char *id, const MachineUser *user, Template *template)
{
    Instance *instance = g_new0(Instance, 1);

    instance->host = host;
    instance->id = id ? g_strdup(id) : util_new_id();
    instance->name = g_strconcat(INSTANCE_PREFIX, instance->id, NULL);
    instance->disk_dir = g_build_filename(host->store->state, "machines", instance->id, NULL);
    instance->run_dir = g_build_filename(host->store->run, "machines", instance->id, NULL);
    instance->user = *user;
    instance->template = template_ref(template);
    instance->contexts = g_ptr_array_new_with_free_func((GDestroyNotify)context_free);
    host_hold(host);
    host->memory_mib += template->memory_mib;
    return instance;
}

/* --- loss --- */

static gboolean
report_loss(gpointer data)
{
    Instance *instance = data;

    instance->lost_source = 0;
    if (instance->events)
        instance->events->lost(instance, instance->lost_why, instance->events_data);
    else if (instance->link) /* the call that starts or claims it fails */
        guest_link_close(instance->link, "The machine was lost");
    return G_SOURCE_REMOVE;
}

/*
 * The channel closes a moment before libvirt reports why the machine ended, half a second while
 * other machines start. Wait for libvirt's reason, which is more exact.
 */
#define LOSS_PATIENCE_MS 2000

static void
lose(Instance *instance, EndReason why, guint patience_ms)
{
    /* The loss was reported already, or a more exact reason is known. */
    if (instance->is_lost && (instance->lost_source == 0 || patience_ms > 0))
        return;
    instance->is_lost = TRUE;
    instance->lost_why = why;
    g_clear_handle_id(&instance->lost_source, g_source_remove);
    instance->lost_source = g_timeout_add(patience_ms, report_loss, instance);
}

void
instance_lose(Instance *instance, EndReason why)
{
    lose(instance, why, /* patience_ms= */ 0);
}

void
instance_on_link_lost(GuestLink *link, GuestLoss how, const char *message, gpointer data)
{
    static const EndReason reasons[] = {
        [GUEST_GONE] = END_MACHINE_LOST,
        [GUEST_HUNG] = END_GUEST_HUNG,
        [GUEST_BROKE_PROTOCOL] = END_PROTOCOL_ERROR,
    };

    lose(data, reasons[how], how == GUEST_GONE ? LOSS_PATIENCE_MS : 0);
}

static void
on_machine_ended(Machine *machine, MachineEnd how, gpointer data)
{
    static const EndReason reasons[] = {
        [MACHINE_SHUT_DOWN] = END_GUEST_SHUT_DOWN,
        [MACHINE_PANICKED] = END_GUEST_PANICKED,
        [MACHINE_DIED] = END_MACHINE_LOST,
    };

    lose(data, reasons[how], 0);
}

static void
on_machine_stalled(Machine *machine, gboolean is_stalled, gpointer data)
{
    Instance *instance = data;

    instance->is_stalled = is_stalled;
    if (instance->link)
        guest_link_set_stalled(instance->link, is_stalled);
    if (instance->events)
        instance->events->stalled(instance, is_stalled, instance->events_data);
}

const MachineEvents instance_machine_events = {on_machine_ended, on_machine_stalled};

/* --- end --- */

typedef struct {
    Host *host;
    char *disk_dir, *run_dir;
    MachineUser user;
    Template *template;
} Remains;

static void
remove_files(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Remains *remains = data;
    g_autoptr(GError) error = NULL;

    if (!util_remove_tree(remains->disk_dir, &error) || !util_remove_tree(remains->run_dir, &error))
        g_warning("%s", error->message);
    g_task_return_boolean(task, TRUE);
}

static void
remains_free(Remains *remains)
{
    g_free(remains->disk_dir);
    g_free(remains->run_dir);
    template_unref(remains->template);
    g_free(remains);
}

static void
on_files_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    Remains *remains = data;
    Host *host = remains->host;

    instance_close_snapshots(remains->template, remains->user.uid);
    host_return_user(host, &remains->user);
    host->memory_mib -= remains->template->memory_mib;
    host->ending_mib -= remains->template->memory_mib;
    remains_free(remains);
    host_release(host);
}

static void
clear_files(Remains *remains)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_files_removed, remains);

    g_task_set_task_data(task, remains, NULL);
    g_task_run_in_thread(task, remove_files);
}

/* A machine that could not be destroyed still uses its files. The service is stopping then, and its
 * next instance removes both. */
static void
on_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    Remains *remains = data;
    Host *host = remains->host;
    g_autoptr(GError) error = NULL;

    if (machine_destroy_finish(host->vm, result, &error)) {
        clear_files(remains);
        return;
    }
    g_warning("%s", error->message);
    remains_free(remains);
    host_release(host);
}

static void
instance_free(Instance *instance)
{
    g_clear_handle_id(&instance->lost_source, g_source_remove);
    if (instance->late_greeting)
        instance->late_greeting->instance = NULL;
    g_ptr_array_unref(instance->contexts);
    template_unref(instance->template);
    g_free(instance->disk_dir);
    g_free(instance->run_dir);
    g_free(instance->id);
    g_free(instance->name);
    g_free(instance);
}

void
instance_end(Instance *instance, const char *why)
{
    Remains *remains = g_new0(Remains, 1);
    Machine *machine = instance->machine;

    remains->host = instance->host;
    remains->disk_dir = g_steal_pointer(&instance->disk_dir);
    remains->run_dir = g_steal_pointer(&instance->run_dir);
    remains->user = instance->user;
    remains->template = template_ref(instance->template);
    instance->host->ending_mib += instance->template->memory_mib;
    instance->events = NULL;
    guest_link_free(g_steal_pointer(&instance->link), why);
    instance_free(instance);
    if (machine)
        machine_destroy_async(machine, on_destroyed, remains);
    else
        clear_files(remains);
}

void
instance_leave(Instance *instance)
{
    Host *host = instance->host;

    host->machines_stay = TRUE;
    instance->events = NULL;
    if (instance->link)
        guest_link_leave(g_steal_pointer(&instance->link));
    if (instance->machine)
        machine_leave(instance->machine);
    instance_free(instance);
    host_release(host);
}

/* --- use --- */

void
instance_watch(Instance *instance, const InstanceEvents *events, gpointer data)
{
    instance->events = events;
    instance->events_data = data;
    if (events && instance->is_lost &&
        instance->lost_source == 0) /* nobody watched when it was lost */
        instance->lost_source = g_idle_add(report_loss, instance);
}

guint32
instance_uid(const Instance *instance)
{
    return instance->user.uid;
}

const char *
instance_id(const Instance *instance)
{
    return instance->id;
}

const Template *
instance_template(const Instance *instance)
{
    return instance->template;
}

gboolean
instance_is_stalled(const Instance *instance)
{
    return instance->is_stalled;
}

void
instance_hold(Instance *instance, InstanceHold who, gboolean holds)
{
    gboolean was_held = instance->holds != 0;

    instance->holds = holds ? instance->holds | who : instance->holds & ~(guint)who;
    if (instance->machine && !instance->is_lost && was_held != (instance->holds != 0))
        machine_hold(instance->machine, instance->holds != 0);
}

gboolean
instance_is_held(const Instance *instance)
{
    return instance->holds != 0;
}

void
instance_open_net_async(Instance *instance, GAsyncReadyCallback callback, gpointer data)
{
    machine_open_net_async(instance->machine, callback, data);
}

void
instance_trust_async(Instance *instance, const char *certificates, GAsyncReadyCallback callback,
                     gpointer data)
{
    guest_link_trust_async(instance->link, certificates, callback, data);
}

gboolean
instance_trust_finish(GAsyncResult *result, GError **error)
{
    return guest_link_trust_finish(/* link= */ NULL, result, error);
}

char *
instance_disk(const Instance *instance)
{
    return g_build_filename(instance->disk_dir, "disk.qcow2", NULL);
}

GuestLink *
instance_link(Instance *instance)
{
    return instance->link;
}

void
instance_set_owner(Instance *instance, Budget *buffers, Slots *large_frames)
{
    guest_link_set_owner(instance->link, buffers, large_frames);
}

GPtrArray *
instance_contexts(Instance *instance)
{
    return instance->contexts;
}

Context *
instance_default_context(Instance *instance, const char *language)
{
    const char *id = languages_default_context(language);

    if (g_str_equal(id, CONTEXT_ANY_KERNEL))
        return NULL;
    for (guint i = 0; i < instance->contexts->len; i++) {
        Context *context = instance->contexts->pdata[i];

        if (g_str_equal(context->id, id))
            return context;
    }
    g_ptr_array_add(instance->contexts,
                    context_new_default(instance->link, language, /* user= */ NULL,
                                        /* is_warm= */ FALSE));
    return instance->contexts->pdata[instance->contexts->len - 1];
}

void
instance_reseed(Instance *instance, const char *const *environment)
{
    for (guint i = 0; i < instance->contexts->len; i++) {
        Context *context = instance->contexts->pdata[i];

        guest_interpreter_reseed(context->interpreter, environment);
    }
}

void
instance_save_async(Instance *instance, int fd, GAsyncReadyCallback callback, gpointer data)
{
    /* Machines that are restored from the state must not contain an open connection. */
    g_ptr_array_set_size(instance->contexts, 0);
    guest_link_free(g_steal_pointer(&instance->link), "The machine is being snapshotted");
    machine_save_async(instance->machine, fd, callback, data);
}

gboolean
instance_save_finish(Instance *instance, GAsyncResult *result, GError **error)
{
    return machine_save_finish(instance->machine, result, error);
}
