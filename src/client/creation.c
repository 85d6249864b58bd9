/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * creation: wait, create, and start again if the template was not ready after all.
 *
 * The template may be prepared anew between the two calls, for example because libvirt was
 * upgraded. Then the service reports BUSY or TEMPLATE_NOT_READY.
 */
#include "creation.h"

typedef struct {
    GVariant *options;
    GUnixFDList *fds; /* NULL: none */
    char *template;   /* NULL: the default */
    TemplateProgress progress;
    gpointer progress_data;
    GError *refusal; /* of the last CreateSandbox() */
} SandboxCreation;

static void
creation_free(gpointer data)
{
    SandboxCreation *creation = data;

    g_variant_unref(creation->options);
    g_clear_object(&creation->fds);
    g_free(creation->template);
    g_clear_error(&creation->refusal);
    g_free(creation);
}

static void on_waited(GObject *source, GAsyncResult *result, gpointer data);

static void
wait_for_template(GTask *task)
{
    const SandboxCreation *creation = g_task_get_task_data(task);

    template_wait_async(g_task_get_source_object(task), creation->template, creation->progress,
                        creation->progress_data, g_task_get_cancellable(task), on_waited, task);
}

static gboolean
may_be_preparing(const GError *error)
{
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY) ||
           g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY);
}

static void
on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    SandboxCreation *creation = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_proxy_call_with_unix_fd_list_finish(
        G_DBUS_PROXY(source), /* ret_fds= */ NULL, result, &error);
    char *path = NULL;

    if (answer != NULL) {
        g_variant_get(answer, "(o)", &path);
        g_task_return_pointer(task, path, g_free);
        g_object_unref(task);
    } else if (may_be_preparing(error)) {
        g_clear_error(&creation->refusal);
        creation->refusal = g_steal_pointer(&error);
        wait_for_template(task);
    } else {
        g_task_return_error(task, g_steal_pointer(&error));
        g_object_unref(task);
    }
}

/* A refused creation is tried again only if the template was being prepared. */
static void
on_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    SandboxCreation *creation = g_task_get_task_data(task);
    GError *error = NULL;
    gboolean has_waited;
    g_autoptr(GVariant) template = template_wait_finish(result, &has_waited, &error);

    if (error == NULL && creation->refusal != NULL && !has_waited)
        error = g_steal_pointer(&creation->refusal);
    if (error != NULL) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    /* The generated function passes no descriptors: the method's signature has no handle. */
    g_dbus_proxy_call_with_unix_fd_list(G_DBUS_PROXY(source), "CreateSandbox",
                                        g_variant_new("(@a{sv})", creation->options), CLIENT_CALL,
                                        creation->fds, /* cancellable= */ NULL, on_created, task);
}

void
creation_async(ClocheManager *manager, GVariant *options, GUnixFDList *fds,
               TemplateProgress progress, gpointer progress_data, GCancellable *cancellable,
               GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(manager, cancellable, callback, data);
    SandboxCreation *creation = g_new0(SandboxCreation, 1);

    g_task_set_check_cancellable(task, FALSE);
    creation->options = g_variant_ref_sink(options);
    g_set_object(&creation->fds, fds);
    g_variant_lookup(options, "template", "s", &creation->template);
    creation->progress = progress;
    creation->progress_data = progress_data;
    g_task_set_task_data(task, creation, creation_free);
    wait_for_template(task);
}

char *
creation_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
