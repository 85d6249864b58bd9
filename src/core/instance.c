/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * instance: a machine, its connection and its files, as one.
 *
 * A start goes through steps, each an asynchronous call whose callback begins the next; at any of
 * them it may fail, and then instance_end() takes away whatever there is so far.
 */
#include "instance.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "exercise.h"
#include "util.h"

#define BOOT_TIMEOUT_S 180 /* emulated, on a busy host */
#define RESTORE_TIMEOUT_S 30
#define BOOT_EXERCISES 1
#define RESTORE_EXERCISES 3 /* the first two are the slow ones, where machines are emulated */

struct Instance {
    Host *host;
    char *id, *name;
    char *disk_dir, *run_dir; /* removed with it */
    Machine *machine;
    GuestLink *link;
    const Image *image;      /* outlives it */
    GPtrArray *interpreters; /* of GuestInterpreter, in the order of the image's languages */
    guint64 memory_mib;
    gboolean is_lost, is_given;
    EndReason lost_why;
    guint lost_source;
    InstanceLost lost;
    gpointer lost_data;
};

typedef struct {
    Instance *instance;
    const Image *image; /* both outlive every start */
    const Template *template;
    gboolean boots;
    GCancellable *cancellable; /* NULL, or the task's */
    gulong cancel_handler;
} Start;

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

void
host_hold(Host *host)
{
    host->count++;
}

void
host_release(Host *host)
{
    host->count--;
    host_changed(host);
}

void
host_changed(Host *host)
{
    host->on_change(host->on_change_data);
}

/* --- loss --- */

static gboolean
tell_loss(gpointer data)
{
    Instance *instance = data;

    instance->lost_source = 0;
    if (instance->lost)
        instance->lost(instance, instance->lost_why, instance->lost_data);
    else if (instance->link) /* whoever starts or claims it hears it from what he waits for */
        guest_link_close(instance->link, "The machine was lost");
    return G_SOURCE_REMOVE;
}

/*
 * The channel closes a moment before libvirt tells why: its reason is the better one, if it comes.
 * While other machines are being started, that moment is half a second.
 */
#define LOSS_PATIENCE_MS 2000

static void
lose(Instance *instance, EndReason why, guint patience_ms)
{
    /* It was told already, or a better reason is known. */
    if (instance->is_lost && (instance->lost_source == 0 || patience_ms > 0))
        return;
    instance->is_lost = TRUE;
    instance->lost_why = why;
    g_clear_handle_id(&instance->lost_source, g_source_remove);
    instance->lost_source = g_timeout_add(patience_ms, tell_loss, instance);
}

static void
on_link_lost(GuestLink *link, GuestLoss how, const char *message, gpointer data)
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

/* --- end --- */

typedef struct {
    Host *host;
    char *disk_dir, *run_dir;
    guint64 memory_mib;
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
on_files_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    Remains *remains = data;
    Host *host = remains->host;

    host->memory_mib -= remains->memory_mib;
    host->ending_mib -= remains->memory_mib;
    g_free(remains->disk_dir);
    g_free(remains->run_dir);
    g_free(remains);
    host_release(host);
}

static void
clear_files(Remains *remains)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_files_removed, remains);

    g_task_set_task_data(task, remains, NULL);
    g_task_run_in_thread(task, remove_files);
}

static void
on_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    Remains *remains = data;
    g_autoptr(GError) error = NULL;

    if (!machine_destroy_finish(remains->host->vm, result, &error))
        g_warning("Cannot destroy a machine: %s", error->message);
    clear_files(remains);
}

void
instance_end(Instance *instance, const char *why)
{
    Remains *remains = g_new0(Remains, 1);
    Machine *machine = instance->machine;

    remains->host = instance->host;
    remains->disk_dir = g_steal_pointer(&instance->disk_dir);
    remains->run_dir = g_steal_pointer(&instance->run_dir);
    remains->memory_mib = instance->memory_mib;
    instance->host->ending_mib += instance->memory_mib;
    if (instance->is_given)
        instance->host->wanted_mib -= instance->memory_mib;
    g_clear_handle_id(&instance->lost_source, g_source_remove);
    instance->lost = NULL;
    guest_link_free(g_steal_pointer(&instance->link), why);
    g_ptr_array_unref(instance->interpreters);
    g_free(instance->id);
    g_free(instance->name);
    g_free(instance);
    if (machine)
        machine_destroy_async(machine, on_destroyed, remains);
    else
        clear_files(remains);
}

/* --- start --- */

static void
start_free(gpointer data)
{
    Start *start = data;

    if (start->cancel_handler != 0)
        g_signal_handler_disconnect(start->cancellable, start->cancel_handler);
    if (start->instance)
        instance_end(start->instance, "The machine could not be started");
    g_free(start);
}

static void
fail(GTask *task, GError *error)
{
    g_task_return_error(task, error);
    g_object_unref(task);
}

/* For a start that succeeded when its caller had left. */
static void
end_unwanted(gpointer instance)
{
    instance_end(instance, "Nobody wants this machine any more");
}

static void
on_exercised(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Start *start = g_task_get_task_data(task);
    GError *error = NULL;

    if (!exercise_finish(result, &error)) {
        fail(task, error);
        return;
    }
    g_task_return_pointer(task, g_steal_pointer(&start->instance), end_unwanted);
    g_object_unref(task);
}

static void open_next_runner(GTask *task);

static void
on_runner_open(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (guest_interpreter_open_finish(NULL, result, &error))
        open_next_runner(data);
    else
        fail(data, error);
}

static void
open_next_runner(GTask *task)
{
    Start *start = g_task_get_task_data(task);
    Instance *instance = start->instance;
    const char *language = start->image->languages[instance->interpreters->len];
    GuestInterpreter *interpreter;

    if (language) {
        interpreter = guest_interpreter_new(instance->link, language, start->image->user);
        g_ptr_array_add(instance->interpreters, interpreter);
        guest_interpreter_open_async(interpreter, on_runner_open, task);
        return;
    }
    exercise_async(instance->link, start->image, instance->interpreters,
                   start->boots ? BOOT_EXERCISES : RESTORE_EXERCISES, on_exercised, task);
}

static void
on_greeted(GObject *source, GAsyncResult *result, gpointer data)
{
    Start *start = g_task_get_task_data(data);
    GError *error = NULL;

    if (guest_link_greet_finish(start->instance->link, result, &error))
        open_next_runner(data);
    else
        fail(data, error);
}

/* The call that the start waits for ends, and the start with it. */
static void
on_start_cancelled(GCancellable *cancellable, gpointer data)
{
    Start *start = data;

    if (start->instance)
        guest_link_close(start->instance->link, "The start was given up");
}

static void
on_machine_started(GObject *source, GAsyncResult *result, gpointer data)
{
    Start *start = g_task_get_task_data(data);
    Instance *instance = start->instance;
    GError *error = NULL;
    int fd;

    instance->machine = vm_start_finish(instance->host->vm, result, &fd, &error);
    if (!instance->machine) {
        fail(data, error);
        return;
    }
    instance->link = guest_link_new(fd, on_link_lost, instance);
    guest_link_greet_async(instance->link, start->boots ? BOOT_TIMEOUT_S : RESTORE_TIMEOUT_S,
                           on_greeted, data);
    start->cancellable = g_task_get_cancellable(data);
    if (g_cancellable_is_cancelled(start->cancellable))
        on_start_cancelled(start->cancellable, start);
    else if (start->cancellable)
        start->cancel_handler = g_signal_connect(start->cancellable, "cancelled",
                                                 G_CALLBACK(on_start_cancelled), start);
}

static void
start_machine(GTask *task)
{
    Start *start = g_task_get_task_data(task);
    Instance *instance = start->instance;
    g_autofree char *kernel = image_path(start->image, "kernel");
    g_autofree char *initrd = image_path(start->image, "initrd");
    g_autofree char *disk = start->boots ? template_staging_path(start->template, "disk.qcow2")
                                         : g_build_filename(instance->disk_dir, "disk.qcow2", NULL);
    g_autofree char *state = start->boots ? NULL : template_path(start->template, "state");
    g_autofree char *socket = g_build_filename(instance->run_dir, "agent", NULL);
    g_autofree char *console =
        start->boots ? template_staging_path(start->template, "console") : NULL;
    MachineSpec spec = {
        .name = instance->name,
        .kernel = kernel,
        .initrd = initrd,
        .disk = disk,
        .ram = start->template->ram,
        .state = state,
        .socket = socket,
        .console = console,
        .vcpus = start->image->vcpus,
        .memory_mib = start->image->memory_mib,
    };

    vm_start_async(instance->host->vm, &spec, on_machine_ended, instance,
                   g_task_get_cancellable(task), on_machine_started, task);
}

static gboolean
copy_file(const char *from, const char *to, GError **error)
{
    g_autoptr(GFile) source = g_file_new_for_path(from);
    g_autoptr(GFile) target = g_file_new_for_path(to);

    return g_file_copy(source, target, G_FILE_COPY_NONE, NULL, NULL, NULL, error) &&
           (g_chmod(to, 0660) == 0 ||
            util_set_errno(error, errno, "Cannot set the mode of '%s'", to));
}

/* Folders and disk, in a worker thread. */
static void
make_files(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Start *start = data;
    const Instance *instance = start->instance;
    g_autofree char *base = image_path(start->image, "disk.ext4");
    g_autofree char *staged = template_staging_path(start->template, "disk.qcow2");
    g_autofree char *blank = template_path(start->template, "blank.qcow2");
    g_autofree char *disk = g_build_filename(instance->disk_dir, "disk.qcow2", NULL);
    GError *error = NULL;

    if (util_make_directory(instance->disk_dir, 02770, &error) &&
        util_make_directory(instance->run_dir, 02770, &error) &&
        (start->boots ? vm_create_overlay(staged, base, "raw", &error)
                      : copy_file(blank, disk, &error)))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
on_files_made(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error))
        start_machine(data);
    else
        fail(data, error);
}

static Instance *
instance_new(Host *host, const Image *image)
{
    Instance *instance = g_new0(Instance, 1);

    instance->host = host;
    instance->id = util_new_id();
    instance->name = g_strconcat("cloche-", instance->id, NULL);
    instance->disk_dir = g_build_filename(host->store->state, "machines", instance->id, NULL);
    instance->run_dir = g_build_filename(host->store->run, "machines", instance->id, NULL);
    instance->memory_mib = image->memory_mib;
    instance->image = image;
    instance->interpreters = g_ptr_array_new_with_free_func((GDestroyNotify)guest_interpreter_free);
    host_hold(host);
    host->memory_mib += instance->memory_mib;
    return instance;
}

static void
instance_start(Host *host, const Image *image, const Template *template, gboolean boots,
               GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    g_autoptr(GTask) files = g_task_new(NULL, NULL, on_files_made, task);
    Start *start = g_new0(Start, 1);

    start->instance = instance_new(host, image);
    start->image = image;
    start->template = template;
    start->boots = boots;
    g_task_set_task_data(task, start, start_free);
    g_task_set_task_data(files, start, NULL);
    g_task_run_in_thread(files, make_files);
}

void
instance_boot_async(Host *host, const Image *image, const Template *template,
                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    instance_start(host, image, template, TRUE, cancellable, callback, data);
}

void
instance_restore_async(Host *host, const Image *image, const Template *template,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    instance_start(host, image, template, FALSE, cancellable, callback, data);
}

Instance *
instance_start_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* --- use --- */

void
instance_watch(Instance *instance, InstanceLost lost, gpointer data)
{
    instance->lost = lost;
    instance->lost_data = data;
}

void
instance_give(Instance *instance)
{
    instance->is_given = TRUE;
}

const char *
instance_id(const Instance *instance)
{
    return instance->id;
}

GuestLink *
instance_link(Instance *instance)
{
    return instance->link;
}

GuestInterpreter *
instance_interpreter(Instance *instance, const char *language)
{
    for (guint i = 0; i < instance->interpreters->len; i++)
        if (g_str_equal(instance->image->languages[i], language))
            return instance->interpreters->pdata[i];
    return NULL;
}

void
instance_reseed(Instance *instance, const char *const *environment)
{
    for (guint i = 0; i < instance->interpreters->len; i++)
        guest_interpreter_reseed(instance->interpreters->pdata[i], environment);
}

void
instance_save_async(Instance *instance, const char *path, GAsyncReadyCallback callback,
                    gpointer data)
{
    /* The template's machines must not believe that this connection still stands. */
    g_ptr_array_set_size(instance->interpreters, 0);
    guest_link_free(g_steal_pointer(&instance->link), "The machine is being snapshotted");
    machine_save_async(instance->machine, path, callback, data);
}

gboolean
instance_save_finish(Instance *instance, GAsyncResult *result, GError **error)
{
    return machine_save_finish(instance->machine, result, error);
}
