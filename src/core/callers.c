/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* callers: those that wait for a machine of one template, in turn between users. */
#include "callers.h"

#include "error.h"

struct Callers {
    Host *host;
    Template *template;
    GQueue lines;        /* of Line: the user whose turn it is is the first */
    guint count;         /* of tasks in all lines */
    gboolean are_served; /* they are in host->waiting */
};

/* The callers of one user; it has one at least. */
typedef struct {
    guint32 owner;
    GQueue tasks; /* of GTask, with a reference each */
} Line;

Callers *
callers_new(Host *host, Template *template)
{
    Callers *callers = g_new0(Callers, 1);

    callers->host = host;
    callers->template = template_ref(template);
    g_queue_init(&callers->lines);
    return callers;
}

void
callers_free(Callers *callers)
{
    g_assert(callers->count == 0);
    template_unref(callers->template);
    g_free(callers);
}

guint
callers_count(const Callers *callers)
{
    return callers->count;
}

static Line *
find_line(Callers *callers, guint32 owner)
{
    for (GList *l = callers->lines.head; l; l = l->next)
        if (((Line *)l->data)->owner == owner)
            return l->data;
    return NULL;
}

void
callers_set_served(Callers *callers, gboolean are_served)
{
    if (are_served == callers->are_served)
        return;
    callers->are_served = are_served;
    if (are_served)
        callers->host->waiting += callers->count;
    else
        callers->host->waiting -= callers->count;
}

/* --- leaving the queue --- */

/* The task's timeout and cancellable are watched only while it waits. */
static void
leave(Callers *callers, GTask *task)
{
    Line *line = g_object_get_data(G_OBJECT(task), "line");

    g_queue_remove(&line->tasks, task);
    callers->count--;
    if (line->tasks.length == 0) {
        g_queue_remove(&callers->lines, line);
        g_free(line);
    }
    if (callers->are_served)
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
    Line *line = g_queue_pop_head(&callers->lines);
    GTask *task;

    if (!line)
        return NULL;
    g_queue_push_tail(&callers->lines, line); /* the next user's turn */
    task = g_queue_peek_head(&line->tasks);
    leave(callers, task);
    return task;
}

void
callers_fail(Callers *callers, const GError *error)
{
    while (callers->count > 0) {
        Line *line = g_queue_peek_head(&callers->lines);

        return_error(callers, g_queue_peek_head(&line->tasks), g_error_copy(error));
    }
}

/* Takes the error. What was kept for the caller is free for other pools. */
static void
give_up(Callers *callers, GTask *task, GError *error)
{
    Host *host = callers->host;

    return_error(callers, task, error);
    host_changed(host);
}

static gboolean
on_timeout(gpointer data)
{
    GTask *task = data;
    Callers *callers = g_object_get_data(G_OBJECT(task), "callers");
    const Template *template = callers->template;

    give_up(callers, task,
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

    give_up(g_object_get_data(G_OBJECT(task), "callers"), task,
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
callers_add(Callers *callers, guint32 owner, GTask *task, GError **error)
{
    Line *line = find_line(callers, owner);

    if (line && line->tasks.length >= CALLERS_USER_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "%d callers of user %u wait for template '%s' already; try again",
                    CALLERS_USER_MAX, owner, callers->template->name);
        return FALSE;
    }
    if (callers->count >= CALLERS_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "%d callers wait for template '%s' already; try again", CALLERS_MAX,
                    callers->template->name);
        return FALSE;
    }
    if (!line) {
        line = g_new0(Line, 1);
        line->owner = owner;
        g_queue_init(&line->tasks);
        g_queue_push_tail(&callers->lines, line);
    }
    g_object_set_data(G_OBJECT(task), "callers", callers);
    g_object_set_data(G_OBJECT(task), "line", line);
    watch(task);
    g_queue_push_tail(&line->tasks, task);
    callers->count++;
    if (callers->are_served)
        callers->host->waiting++;
    return TRUE;
}
