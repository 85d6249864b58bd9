/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-capture: machines that are captured, and how they run again.
 *
 * libvirt suspends the machine and knows that it did: so libvirtd may be restarted, and the next
 * instance of this program adopts the machine as one that was held, and resumes it. A machine that
 * cannot be resumed counts as stalled, and is resumed as after a full disk.
 */
#include "vm-capture.h"

#include "error.h"
#include "vm-capture-work.h"

#define TIMEOUT_MS (MACHINE_CAPTURE_TIMEOUT_S * 1000)

/* A capture, or what ends one. */
typedef struct {
    CaptureWork work;
    LibvirtMachine *machine; /* main context only; NULL: it was freed */
    GTask *task;             /* of the caller; NULL: none */
} Capture;

static void
capture_free(gpointer data)
{
    Capture *capture = data;

    if (capture->machine)
        capture->machine->capture_holder = NULL;
    g_clear_object(&capture->task);
    g_free(capture->work.name);
    g_free(capture->work.uuid);
    g_free(capture);
}

/* Runs a step in a worker. Takes the task. */
static void
begin_step(LibvirtMachine *machine, GTask *task, int fd, void (*run)(GTask *attempt),
           GAsyncReadyCallback done)
{
    Capture *capture = g_new0(Capture, 1);
    GTask *attempt = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, done, capture);

    capture->work = (CaptureWork){.vm = (LibvirtVm *)machine->base.vm,
                                  .name = g_strdup(machine->name),
                                  .uuid = g_strdup(machine->uuid),
                                  .pid = machine->pid,
                                  .fd = fd,
                                  .stopped_us = machine->stopped_us};
    capture->machine = machine;
    capture->task = task;
    machine->capture_holder = &capture->machine;
    g_task_set_task_data(attempt, capture, /* free= */ NULL);
    workers_run(capture->work.vm->workers, attempt, run);
}

/* Takes the error (NULL: it succeeded), and frees the capture. */
static void
finish_step(Capture *capture, const char *what, GError *error)
{
    LibvirtMachine *machine = capture->machine;
    g_autoptr(GTask) task = g_steal_pointer(&capture->task);

    if (machine && capture->work.stands_still && !machine->has_ended)
        vm_machine_set_stalled(machine, TRUE);
    if (machine)
        vm_machine_follow_owner(machine); /* who may have changed their mind meanwhile */
    if (error)
        g_prefix_error(&error, "machine '%s' was not %s: ", capture->work.name, what);
    capture_free(capture);
    if (task && error) {
        g_task_return_error(task, error);
    } else if (task) {
        g_task_return_boolean(task, TRUE);
    } else if (error) {
        g_warning("%s", error->message);
        g_error_free(error);
    }
}

static GTask *
new_task(GAsyncReadyCallback callback, gpointer data)
{
    return g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
}

/* --- the end --- */

static void
run_end(GTask *attempt)
{
    Capture *capture = g_task_get_task_data(attempt);
    GError *error = NULL;

    if (capture_work_end(&capture->work, &error))
        g_task_return_boolean(attempt, TRUE);
    else
        g_task_return_error(attempt, error);
}

static void
on_end_tried(GObject *source, GAsyncResult *result, gpointer data)
{
    Capture *capture = data;
    GError *error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    if (capture->machine)
        capture->machine->capture = CAPTURE_NONE;
    finish_step(capture, "released", error);
}

/* Takes the task (NULL: none). A machine that is held meanwhile stands still already. */
static void
end(LibvirtMachine *machine, GTask *task)
{
    g_clear_handle_id(&machine->capture_timer, g_source_remove);
    if (!machine->is_held) {
        machine->capture = CAPTURE_ENDS;
        begin_step(machine, task, /* fd= */ -1, run_end, on_end_tried);
        return;
    }
    machine->capture = CAPTURE_NONE;
    vm_machine_set_stalled(machine, TRUE);
    if (task)
        g_task_return_boolean(task, TRUE);
    g_clear_object(&task);
}

static gboolean
on_timeout(gpointer data)
{
    LibvirtMachine *machine = data;

    machine->capture_timer = 0;
    g_warning("machine '%s' was captured and not released within %d s, and runs again",
              machine->name, MACHINE_CAPTURE_TIMEOUT_S);
    end(machine, /* task= */ NULL);
    return G_SOURCE_REMOVE;
}

void
vm_capture_abandon(LibvirtMachine *machine)
{
    if (machine->capture == CAPTURE_STANDS && !machine->has_ended)
        end(machine, /* task= */ NULL);
}

static GError *
refuse_release(const LibvirtMachine *machine)
{
    if (machine->has_ended)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                           "machine '%s' was not released: it has ended", machine->name);
    if (machine->capture != CAPTURE_STANDS)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT,
                           "machine '%s' was not released: it ran already", machine->name);
    return NULL;
}

void
libvirt_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data)
{
    LibvirtMachine *self = (LibvirtMachine *)machine;
    g_autoptr(GTask) task = new_task(callback, data);
    GError *error = refuse_release(self);

    if (error)
        g_task_return_error(task, error);
    else
        end(self, g_steal_pointer(&task));
}

gboolean
libvirt_release_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- the begin --- */

static void
run_begin(GTask *attempt)
{
    Capture *capture = g_task_get_task_data(attempt);
    GError *error = NULL;

    if (capture_work_begin(&capture->work, &error))
        g_task_return_boolean(attempt, TRUE);
    else
        g_task_return_error(attempt, error);
}

static void
stand(LibvirtMachine *machine, gint64 stopped_us)
{
    gint64 passed_ms = (g_get_monotonic_time() - stopped_us) / 1000;

    machine->capture = CAPTURE_STANDS;
    machine->stopped_us = stopped_us;
    machine->capture_timer =
        g_timeout_add((guint)MAX(TIMEOUT_MS - passed_ms, 0), on_timeout, machine);
}

static void
on_begin_tried(GObject *source, GAsyncResult *result, gpointer data)
{
    Capture *capture = data;
    LibvirtMachine *machine = capture->machine;
    GError *error = NULL;
    gboolean captured = g_task_propagate_boolean(G_TASK(result), &error);

    if (machine)
        machine->capture = CAPTURE_NONE;
    if (captured && machine && machine->has_ended)
        error = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "it has ended");
    else if (captured && machine)
        stand(machine, capture->work.stopped_us);
    finish_step(capture, "captured", error);
}

static GError *
refuse_capture(const LibvirtMachine *machine)
{
    const char *reason = NULL;

    if (machine->has_ended)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                           "machine '%s' was not captured: it has ended", machine->name);
    if (machine->is_held)
        reason = "it is held";
    else if (machine->is_stalled)
        reason = "it stands still";
    else if (machine->capture != CAPTURE_NONE)
        reason = "it is being captured";
    return reason ? g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                                "machine '%s' was not captured: %s", machine->name, reason)
                  : NULL;
}

void
libvirt_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data)
{
    LibvirtMachine *self = (LibvirtMachine *)machine;
    g_autoptr(GTask) task = new_task(callback, data);
    GError *error = refuse_capture(self);

    if (error) {
        g_task_return_error(task, error);
        return;
    }
    self->capture = CAPTURE_BEGINS;
    self->stopped_us = 0;
    begin_step(self, g_steal_pointer(&task), fd, run_begin, on_begin_tried);
}

gboolean
libvirt_capture_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
