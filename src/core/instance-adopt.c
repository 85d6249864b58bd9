/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * instance-adopt: takes over a machine that the previous instance of the service has left.
 *
 * The agent must report the sandbox's id. The record does not prove that the claim arrived, because
 * it is written before the claim is sent. A machine that has stopped because the host's disk is
 * full, or that is paused, cannot answer now: it is adopted, and answers when it continues.
 */
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "error.h"
#include "instance-private.h"

typedef struct {
    Instance *instance;
    char **languages;
    EndReason why; /* why it failed */
    void (*heard)(gpointer data);
    gpointer heard_data;
    GSource *first_byte; /* NULL: it was heard, or nothing can be */
    int first_fd;        /* its descriptor */
} InstanceAdoption;

/* --- the first byte --- */

static void
stop_listening(InstanceAdoption *adoption)
{
    if (!adoption->first_byte)
        return;
    g_source_destroy(adoption->first_byte);
    g_clear_pointer(&adoption->first_byte, g_source_unref);
    close(adoption->first_fd);
}

static gboolean
on_first_byte(int fd, GIOCondition condition, gpointer data)
{
    InstanceAdoption *adoption = data;

    if (condition & G_IO_IN)
        adoption->heard(adoption->heard_data);
    stop_listening(adoption);
    return G_SOURCE_REMOVE;
}

/* A source of higher priority than the link's, so it is dispatched before the link reads. The link
 * may close its descriptor at any time, so the source has one of its own. */
static void
listen_for_first_byte(InstanceAdoption *adoption, int fd)
{
    adoption->first_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (adoption->first_fd < 0)
        return;
    adoption->first_byte = g_unix_fd_source_new(adoption->first_fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_source_set_priority(adoption->first_byte, G_PRIORITY_HIGH);
    g_source_set_callback(adoption->first_byte, G_SOURCE_FUNC(on_first_byte), adoption, NULL);
    g_source_attach(adoption->first_byte, /* context= */ NULL);
}

static void
adoption_free(gpointer data)
{
    InstanceAdoption *adoption = data;

    stop_listening(adoption);
    if (adoption->instance)
        instance_end(adoption->instance, "The machine could not be adopted");
    g_strfreev(adoption->languages);
    g_free(adoption);
}

/* Takes the error. */
static void
give_up(GTask *task, EndReason why, GError *error)
{
    InstanceAdoption *adoption = g_task_get_task_data(task);

    stop_listening(adoption);
    adoption->why = why;
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void
end_unwanted(gpointer instance)
{
    instance_end(instance, "Nobody wants this machine any more");
}

/* Does not wait for interpreters that are still busy; executions do. */
static void
finish(GTask *task)
{
    InstanceAdoption *adoption = g_task_get_task_data(task);
    Instance *instance = adoption->instance;

    stop_listening(adoption);
    for (char **language = adoption->languages; *language; language++) {
        Context *context = instance_default_context(instance, *language);

        if (context &&
            guest_interpreter_state(context->interpreter) == GUEST_INTERPRETER_NOT_STARTED)
            guest_interpreter_adopt(context->interpreter);
    }
    g_task_return_pointer(task, g_steal_pointer(&adoption->instance), end_unwanted);
    g_object_unref(task);
}

static gboolean
check_identity(const Instance *instance, GError **error)
{
    const char *id = guest_link_sandbox_id(instance->link);

    if (g_str_equal(id, instance->id))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "%s",
                *id ? "its agent says that it is another's" : "its claim was not finished");
    return FALSE;
}

static void
on_greeted(GObject *source, GAsyncResult *result, gpointer data)
{
    Instance *instance = ((InstanceAdoption *)g_task_get_task_data(data))->instance;
    GError *error = NULL;

    if (guest_link_greet_finish(instance->link, result, &error) && check_identity(instance, &error))
        finish(data);
    else if (instance->is_lost)
        give_up(data, instance->lost_why, error);
    else
        give_up(data,
                g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT) ? END_GUEST_HUNG
                                                                             : END_MACHINE_LOST,
                error);
}

/* The machine continues. Its loss, if there is one, is reported to whoever watches the instance. */
static void
on_late_greeting(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree LateGreeting *late = data;
    Instance *instance = late->instance;
    g_autoptr(GError) error = NULL;
    gboolean has_greeted = guest_link_greet_finish(/* link= */ NULL, result, &error);

    if (!instance)
        return;
    instance->late_greeting = NULL;
    if (has_greeted && !check_identity(instance, &error))
        instance_lose(instance, END_MACHINE_LOST);
    else if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT))
        instance_lose(instance, END_GUEST_HUNG);
}

static void
greet_late(Instance *instance)
{
    instance->late_greeting = g_new0(LateGreeting, 1);
    instance->late_greeting->instance = instance;
    guest_link_set_stalled(instance->link, TRUE);
    guest_link_greet_async(instance->link, INSTANCE_ADOPT_TIMEOUT_S, on_late_greeting,
                           instance->late_greeting);
}

static void
on_machine_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    InstanceAdoption *adoption = g_task_get_task_data(task);
    Instance *instance = adoption->instance;
    GError *error = NULL;
    int fd;

    instance->machine = vm_adopt_finish(instance->host->vm, result, &fd, &error);
    if (!instance->machine && g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST)) {
        give_up(task, END_MACHINE_LOST, error);
    } else if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT)) {
        give_up(task, END_GUEST_HUNG, error);
    } else if (!instance->machine) {
        instance_leave(g_steal_pointer(&adoption->instance));
        give_up(task, END_NOT_YET, error);
    } else {
        listen_for_first_byte(adoption, fd);
        instance->link =
            guest_link_new(fd, &instance->host->pace.grace_s, instance_on_link_lost, instance);
        if (instance->is_stalled || instance->holds != 0) { /* or it stops in a moment */
            greet_late(instance);
            finish(task);
        } else {
            guest_link_greet_async(instance->link, INSTANCE_ADOPT_TIMEOUT_S, on_greeted, task);
        }
    }
}

void
instance_adopt_async(Host *host, const Record *record, Template *template,
                     void (*heard)(gpointer data), GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    InstanceAdoption *adoption = g_new0(InstanceAdoption, 1);
    MachineUser user = host_keep_user(host, record->machine_uid);
    Instance *instance = instance_new(host, record->id, &user, template);
    g_autofree char *socket = g_build_filename(instance->run_dir, "agent", NULL);
    g_autofree char *disk = g_build_filename(instance->disk_dir, "disk.qcow2", NULL);
    MachineSpec spec = {.name = instance->name,
                        .socket = socket,
                        .disk = disk,
                        .is_held = record->paused_since_us != 0};

    instance->holds = spec.is_held ? INSTANCE_HELD_FOR_USER : 0;
    adoption->instance = instance;
    adoption->heard = heard;
    adoption->heard_data = data;
    adoption->languages = g_strdupv(record->languages);
    g_task_set_task_data(task, adoption, adoption_free);
    vm_adopt_async(host->vm, &spec, &instance_machine_events, instance, on_machine_adopted, task);
}

Instance *
instance_adopt_finish(GAsyncResult *result, EndReason *ret_why, GError **error)
{
    const InstanceAdoption *adoption = g_task_get_task_data(G_TASK(result));
    Instance *instance = g_task_propagate_pointer(G_TASK(result), error);

    if (!instance)
        *ret_why = adoption->why;
    return instance;
}
