/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * template-wait: the list is requested at the start and after each change.
 *
 * The handler is connected before the first request, so no change can be missed. A change during a
 * request leads to one more request. If the service or the bus goes away, the next request returns
 * the error.
 */
#include "template-wait.h"

typedef struct {
    ClocheManager *manager;
    char *name; /* NULL: the default */
    TemplateProgress progress;
    gpointer progress_data;
    gulong on_changed, on_owner, on_closed;
    GSource *on_cancelled; /* NULL: there is no cancellable */
    gboolean is_asking;    /* a request is on its way */
    gboolean has_changed;  /* something has changed since that request */
    gboolean has_waited;
} TemplateWait;

/* Finds a template in the answer of ListTemplates(). Returns NULL if there is none of that name. */
static GVariant *
find_template(GVariant *templates, const char *name)
{
    for (gsize i = 0; i < g_variant_n_children(templates); i++) {
        g_autoptr(GVariant) template = g_variant_get_child_value(templates, i);
        const char *found = "";

        g_variant_lookup(template, "name", "&s", &found);
        if (g_strcmp0(found, name) == 0)
            return g_steal_pointer(&template);
    }
    return NULL;
}

static gboolean
is_preparing(GVariant *template)
{
    const char *state = "";

    g_variant_lookup(template, "state", "&s", &state);
    return g_str_equal(state, "preparing") || g_str_equal(state, "checking");
}

static void
template_wait_free(gpointer data)
{
    TemplateWait *wait = data;

    g_object_unref(wait->manager);
    g_free(wait->name);
    g_free(wait);
}

/* Before the task returns: its caller may keep the result longer than it waits. */
static void
stop_watching(TemplateWait *wait)
{
    GDBusConnection *connection = g_dbus_proxy_get_connection(G_DBUS_PROXY(wait->manager));

    g_signal_handler_disconnect(wait->manager, wait->on_changed);
    g_signal_handler_disconnect(wait->manager, wait->on_owner);
    g_signal_handler_disconnect(connection, wait->on_closed);
    if (wait->on_cancelled != NULL)
        g_source_destroy(wait->on_cancelled);
    g_clear_pointer(&wait->on_cancelled, g_source_unref);
}

/* Ends the wait; description and error are taken. */
static void
end_wait(GTask *task, GVariant *description, GError *error)
{
    stop_watching(g_task_get_task_data(task));
    if (error != NULL)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, description, (GDestroyNotify)g_variant_unref);
    g_object_unref(task);
}

static void
report_progress(const TemplateWait *wait, GVariant *template)
{
    const char *name = "", *step = "";
    double fraction = 0;

    if (wait->progress == NULL)
        return;
    g_variant_lookup(template, "name", "&s", &name);
    g_variant_lookup(template, "step", "&s", &step);
    g_variant_lookup(template, "progress", "d", &fraction);
    wait->progress(name, step, fraction, wait->progress_data);
}

/* Returns TRUE, and the template's description or NULL, if there is nothing to wait for. */
static gboolean
is_over(TemplateWait *wait, GVariant *templates, GVariant **ret_template)
{
    const char *name =
        wait->name != NULL ? wait->name : cloche_manager_get_default_template(wait->manager);
    g_autoptr(GVariant) template = find_template(templates, name);

    if (template != NULL && is_preparing(template)) {
        wait->has_waited = TRUE;
        report_progress(wait, template);
        return FALSE;
    }
    *ret_template = g_steal_pointer(&template);
    return TRUE;
}

static void on_templates(GObject *source, GAsyncResult *result, gpointer data);

static void
ask(GTask *task)
{
    TemplateWait *wait = g_task_get_task_data(task);

    wait->has_changed = FALSE;
    wait->is_asking = TRUE;
    cloche_manager_call_list_templates(wait->manager, CLIENT_CALL, g_task_get_cancellable(task),
                                       on_templates, task);
}

static void
on_templates(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    TemplateWait *wait = g_task_get_task_data(task);
    g_autoptr(GVariant) templates = NULL;
    GVariant *template = NULL;
    GError *error = NULL;

    wait->is_asking = FALSE;
    if (!cloche_manager_call_list_templates_finish(wait->manager, &templates, result, &error) ||
        is_over(wait, templates, &template))
        end_wait(task, template, error);
    else if (wait->has_changed)
        ask(task);
}

static void
ask_again(GTask *task)
{
    TemplateWait *wait = g_task_get_task_data(task);

    wait->has_changed = TRUE;
    if (!wait->is_asking)
        ask(task);
}

static void
on_changed(ClocheManager *manager, const char *name, gpointer task)
{
    ask_again(task);
}

static void
on_owner(GObject *manager, GParamSpec *property, gpointer task)
{
    ask_again(task);
}

static void
on_closed(GDBusConnection *connection, gboolean remote_peer_vanished, GError *error, gpointer task)
{
    ask_again(task);
}

/* A request that is on its way is cancelled as well, and ends the task. */
static gboolean
on_cancelled(GCancellable *cancellable, gpointer data)
{
    const TemplateWait *wait = g_task_get_task_data(data);
    GError *error = NULL;

    if (wait->is_asking)
        return G_SOURCE_CONTINUE;
    g_cancellable_set_error_if_cancelled(cancellable, &error);
    end_wait(data, /* description= */ NULL, error);
    return G_SOURCE_REMOVE;
}

static void
watch(GTask *task)
{
    TemplateWait *wait = g_task_get_task_data(task);
    GDBusConnection *connection = g_dbus_proxy_get_connection(G_DBUS_PROXY(wait->manager));
    GCancellable *cancellable = g_task_get_cancellable(task);

    wait->on_changed =
        g_signal_connect(wait->manager, "template-changed", G_CALLBACK(on_changed), task);
    wait->on_owner =
        g_signal_connect(wait->manager, "notify::g-name-owner", G_CALLBACK(on_owner), task);
    wait->on_closed = g_signal_connect(connection, "closed", G_CALLBACK(on_closed), task);
    if (cancellable == NULL)
        return;
    wait->on_cancelled = g_cancellable_source_new(cancellable);
    g_source_set_callback(wait->on_cancelled, G_SOURCE_FUNC(on_cancelled), task,
                          /* notify= */ NULL);
    g_source_attach(wait->on_cancelled, g_task_get_context(task));
}

void
template_wait_async(ClocheManager *manager, const char *name, TemplateProgress progress,
                    gpointer progress_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data)
{
    GTask *task = g_task_new(manager, cancellable, callback, data);
    TemplateWait *wait = g_new0(TemplateWait, 1);

    wait->manager = g_object_ref(manager);
    wait->name = g_strdup(name);
    wait->progress = progress;
    wait->progress_data = progress_data;
    g_task_set_task_data(task, wait, template_wait_free);
    watch(task);
    ask(task);
}

GVariant *
template_wait_finish(GAsyncResult *result, gboolean *ret_waited, GError **error)
{
    GTask *task = G_TASK(result);
    const TemplateWait *wait = g_task_get_task_data(task);

    if (ret_waited != NULL)
        *ret_waited = wait->has_waited;
    return g_task_propagate_pointer(task, error);
}
