/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* callers: those that wait for a machine of one template, in the order of their calls. */
#include "callers.h"

#include "error.h"

struct Callers {
    Host *host;
    Template *template;
    GQueue tasks; /* of GTask, with a reference each */
};

Callers *
callers_new(Host *host, Template *template)
{
    Callers *callers = g_new0(Callers, 1);

    callers->host = host;
    callers->template = template_ref(template);
    g_queue_init(&callers->tasks);
    return callers;
}

void
callers_free(Callers *callers)
{
    g_assert(callers->tasks.length == 0);
    template_unref(callers->template);
    g_free(callers);
}

guint
callers_count(const Callers *callers)
{
    return callers->tasks.length;
}

/* --- leaving the queue --- */

/* The task's timeout and cancellable are watched only while it waits. */
static void
leave(Callers *callers, GTask *task)
{
    g_queue_remove(&callers->tasks, task);
    callers->host->waiting--;
    g_object_set_data(G_OBJECT(task), "sources", NULL);
}

/* Takes the error. */
static void
return_error(Callers *callers, GTask *task, GError *error)
{
    leave(callers, task);
    g_task_return_error(task, error);
    g_object_unref(task);
}

GTask *
callers_next(Callers *callers)
{
    GTask *task = g_queue_peek_head(&callers->tasks);

    if (task)
        leave(callers, task);
    return task;
}

void
callers_fail(Callers *callers, const GError *error)
{
    while (callers->tasks.length > 0)
        return_error(callers, g_queue_peek_head(&callers->tasks), g_error_copy(error));
}

static gboolean
on_timeout(gpointer data)
{
    GTask *task = data;
    Callers *callers = g_object_get_data(G_OBJECT(task), "callers");
    const Template *template = callers->template;

    return_error(
        callers, task,
        g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "No machine of template '%s' became ready within %d seconds%s; try "
                    "again",
                    template->name, CALLERS_WAIT_S,
                    template->state == TEMPLATE_READY ? "" : ": it is still being prepared"));
    return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled(GCancellable *cancellable, gpointer data)
{
    GTask *task = data;

    return_error(g_object_get_data(G_OBJECT(task), "callers"), task,
                 g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has left"));
    return G_SOURCE_REMOVE;
}

/* --- joining it --- */

static void
destroy_source(gpointer source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

static void
attach(GPtrArray *sources, GSource *source, GSourceFunc function, GTask *task)
{
    g_source_set_callback(source, function, task, NULL);
    g_source_attach(source, NULL);
    g_ptr_array_add(sources, source);
}

static void
watch(GTask *task)
{
    GPtrArray *sources = g_ptr_array_new_with_free_func(destroy_source);
    GCancellable *cancellable = g_task_get_cancellable(task);

    attach(sources, g_timeout_source_new_seconds(CALLERS_WAIT_S), on_timeout, task);
    if (cancellable)
        attach(sources, g_cancellable_source_new(cancellable),
               G_SOURCE_FUNC((void (*)(void))on_cancelled), task);
    g_object_set_data_full(G_OBJECT(task), "sources", sources, (GDestroyNotify)g_ptr_array_unref);
}

gboolean
callers_add(Callers *callers, GTask *task, GError **error)
{
    if (callers->tasks.length >= CALLERS_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "%d callers wait for template '%s' already; try again", CALLERS_MAX,
                    callers->template->name);
        return FALSE;
    }
    g_object_set_data(G_OBJECT(task), "callers", callers);
    watch(task);
    g_queue_push_tail(&callers->tasks, task);
    callers->host->waiting++;
    return TRUE;
}
