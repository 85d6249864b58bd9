/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * instance-start: how a machine begins: booted or restored.
 *
 * A start is a chain of asynchronous calls. Each callback makes the next call; when one fails,
 * instance_end() removes what exists so far.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "access.h"
#include "error.h"
#include "exercise.h"
#include "folder.h"
#include "instance-private.h"
#include "startup.h"
#include "util.h"

#define BOOT_TIMEOUT_S 180 /* emulated, on a busy host */
#define RESTORE_TIMEOUT_S 30
#define BOOT_EXERCISES 25 /* node compiles what runs often: the snapshot has that done */

typedef struct {
    Instance *instance;
    gboolean boots;
    gboolean has_ram;          /* the machine's user can open the RAM file */
    GCancellable *cancellable; /* NULL, or the task's */
    gulong cancel_handler;
} Start;

/* QEMU keeps the descriptor that it has; no other process of its user can open the file again. */
static void
close_ram(Start *start)
{
    g_autoptr(GError) error = NULL;

    const Instance *instance = start->instance;

    if (start->has_ram &&
        !access_revoke(instance->template->files->ram, instance->user.uid, &error))
        g_warning("%s", error->message);
    start->has_ram = FALSE;
}

static void
start_free(gpointer data)
{
    Start *start = data;

    if (start->instance)
        close_ram(start);
    if (start->cancel_handler != 0)
        g_signal_handler_disconnect(start->cancellable, start->cancel_handler);
    if (start->instance)
        instance_end(start->instance, "The machine could not be started");
    g_free(start);
}

static void
return_error(GTask *task, GError *error)
{
    g_task_return_error(task, error);
    g_object_unref(task);
}

/* For a start that succeeds after its caller has left. */
static void
end_unwanted(gpointer instance)
{
    instance_end(instance, "Nobody wants this machine any more");
}

static void
finish(GTask *task)
{
    Start *start = g_task_get_task_data(task);

    g_task_return_pointer(task, g_steal_pointer(&start->instance), end_unwanted);
    g_object_unref(task);
}

static void
on_exercised(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (exercise_finish(result, &error))
        finish(data);
    else
        return_error(data, error);
}

static void
begin_exercise(GTask *task)
{
    Start *start = g_task_get_task_data(task);

    exercise_async(start->instance->link, start->instance->template, start->instance->contexts,
                   start->boots ? BOOT_EXERCISES : start->instance->host->pace.exercises,
                   on_exercised, task);
}

static void
on_started_up(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (startup_finish(result, &error))
        begin_exercise(data);
    else
        return_error(data, error);
}

static void open_next_runner(GTask *task);

static void
on_runner_open(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (guest_interpreter_open_finish(NULL, result, &error))
        open_next_runner(data);
    else
        return_error(data, error);
}

static void
open_next_runner(GTask *task)
{
    Start *start = g_task_get_task_data(task);
    Instance *instance = start->instance;
    const char *language = instance->template->runners[instance->contexts->len];
    Context *context;

    if (language) {
        context =
            context_new_default(instance->link, language, instance->template->user, start->boots);
        g_ptr_array_add(instance->contexts, context);
        guest_interpreter_open_async(context->interpreter, on_runner_open, task);
        return;
    }
    if (start->boots)
        startup_async(instance->template, instance->contexts, on_started_up, task);
    else
        begin_exercise(task);
}

static void
on_greeted(GObject *source, GAsyncResult *result, gpointer data)
{
    Start *start = g_task_get_task_data(data);
    GError *error = NULL;

    if (!guest_link_greet_finish(start->instance->link, result, &error))
        return_error(data, error);
    else if (start->instance->template->snapshot)
        finish(data); /* its processes stand still: wake.h */
    else
        open_next_runner(data);
}

/* Ends the call that the start waits for, and with it the start. */
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
    close_ram(start);
    if (!instance->machine) {
        return_error(data, error);
        return;
    }
    instance->link =
        guest_link_new(fd, &instance->host->pace.grace_s, instance_on_link_lost, instance);
    guest_link_greet_async(instance->link, start->boots ? BOOT_TIMEOUT_S : RESTORE_TIMEOUT_S,
                           on_greeted, data);
    start->cancellable = g_task_get_cancellable(data);
    if (g_cancellable_is_cancelled(start->cancellable))
        on_start_cancelled(start->cancellable, start);
    else if (start->cancellable)
        start->cancel_handler = g_signal_connect(start->cancellable, "cancelled",
                                                 G_CALLBACK(on_start_cancelled), start);
}

static char *
state_of(const Template *template)
{
    return template->snapshot ? snapshot_path(template->snapshot, SNAPSHOT_STATE)
                              : template_files_path(template->files, "state");
}

static void
start_machine(GTask *task)
{
    Start *start = g_task_get_task_data(task);
    Instance *instance = start->instance;
    const Template *template = instance->template;
    g_autofree char *disk = start->boots
                                ? template_files_staging_path(template->files, "disk.qcow2")
                                : instance_disk(instance);
    g_autofree char *state = start->boots ? NULL : state_of(template);
    g_autofree char *socket = g_build_filename(instance->run_dir, "agent", NULL);
    MachineSpec spec = {
        .name = instance->name,
        .kernel = template->kernel,
        .initrd = template->initrd,
        .disk = disk,
        .ram = template->files->ram,
        .state = state,
        .socket = socket,
        .user = instance->user,
        .vcpus = template->vcpus,
        .memory_mib = template->memory_mib,
    };

    vm_start_async(instance->host->vm, &spec, &instance_machine_events, instance,
                   g_task_get_cancellable(task), on_machine_started, task);
}

/* --- files, in a worker thread --- */

/* The disk is there already: it becomes the template's. */
static gboolean
open_boot_disk(const Instance *instance, GError **error)
{
    g_autofree char *disk = template_files_staging_path(instance->template->files, "disk.qcow2");

    return access_grant(disk, instance->user.uid, "rw", error);
}

static gboolean
copy_blank(const Instance *instance, GError **error)
{
    g_autofree char *blank = template_files_path(instance->template->files, "blank.qcow2");
    g_autofree char *disk = instance_disk(instance);
    g_autoptr(GFile) source = g_file_new_for_path(blank);
    g_autoptr(GFile) target = g_file_new_for_path(disk);

    if (!g_file_copy(source, target, G_FILE_COPY_TARGET_DEFAULT_PERMS, NULL, NULL, NULL, error)) {
        g_prefix_error(error, "Cannot make '%s': ", disk);
        return FALSE;
    }
    return (g_chmod(disk, 0600) == 0 ||
            util_set_errno(error, errno, "Cannot set the mode of '%s'", disk)) &&
           access_grant(disk, instance->user.uid, "rw", error);
}

/* A disk that lies on that of the snapshot. */
static gboolean
make_overlay(const Instance *instance, GError **error)
{
    g_autofree char *disk = instance_disk(instance);
    g_autofree char *below = snapshot_path(instance->template->snapshot, SNAPSHOT_DISK);

    return vm_create_overlay(disk, below, "qcow2", error) &&
           access_grant(disk, instance->user.uid, "rw", error);
}

static gboolean
make_disk(const Start *start, GError **error)
{
    const Instance *instance = start->instance;

    if (start->boots)
        return open_boot_disk(instance, error);
    return instance->template->snapshot ? make_overlay(instance, error)
                                        : copy_blank(instance, error);
}

static gboolean
make_folders(const Instance *instance, GError **error)
{
    return store_make_folder(instance->host->store, instance->disk_dir, error) &&
           folder_make(instance->run_dir, 0700, error);
}

static void
make_files(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Start *start = data;
    const Instance *instance = start->instance;
    GError *error = NULL;

    if (make_folders(instance, &error) && make_disk(start, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

gboolean
instance_open_snapshots(const Template *template, uid_t uid, GError **error)
{
    for (; template && template->snapshot; template = template->parent) {
        g_autofree char *disk = snapshot_path(template->snapshot, SNAPSHOT_DISK);

        if (!access_grant(disk, uid, "r", error))
            return FALSE;
    }
    return TRUE;
}

void
instance_close_snapshots(const Template *template, uid_t uid)
{
    for (; template && template->snapshot; template = template->parent) {
        g_autofree char *disk = snapshot_path(template->snapshot, SNAPSHOT_DISK);
        g_autoptr(GError) error = NULL;

        if (!access_revoke(disk, uid, &error))
            g_warning("%s", error->message);
    }
}

/* In the main thread, because machines that start at the same time share the access list. */
static gboolean
open_ram(GTask *task, GError **error)
{
    Start *start = g_task_get_task_data(task);
    const Instance *instance = start->instance;

    start->has_ram = access_grant(instance->template->files->ram, instance->user.uid, "rw", error);
    return start->has_ram && instance_open_snapshots(instance->template, instance->user.uid, error);
}

static void
on_files_made(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error) && open_ram(data, &error))
        start_machine(data);
    else
        return_error(data, error);
}

static void
instance_start(Host *host, Template *template, gboolean boots, GCancellable *cancellable,
               GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    g_autoptr(GTask) files = NULL;
    Start *start;
    MachineUser user;
    GError *error = NULL;

    if (!host_take_user(host, &user, &error)) {
        return_error(task, error);
        return;
    }
    start = g_new0(Start, 1);
    start->instance = instance_new(host, /* id= */ NULL, &user, template);
    start->boots = boots;
    g_task_set_task_data(task, start, start_free);
    files = g_task_new(NULL, NULL, on_files_made, task);
    g_task_set_task_data(files, start, NULL);
    g_task_run_in_thread(files, make_files);
}

void
instance_boot_async(Host *host, Template *template, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data)
{
    instance_start(host, template, /* boots= */ TRUE, cancellable, callback, data);
}

void
instance_restore_async(Host *host, Template *template, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer data)
{
    instance_start(host, template, /* boots= */ FALSE, cancellable, callback, data);
}

Instance *
instance_start_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
