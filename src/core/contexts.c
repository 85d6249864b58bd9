/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* contexts: finds, creates, adopts and removes the contexts of a sandbox. */
#include "contexts.h"

#include "error.h"
#include "languages.h"
#include "registry.h"

static Context *
find(const Sandbox *sandbox, const char *id)
{
    GPtrArray *contexts = instance_contexts(sandbox->instance);

    for (guint i = 0; i < contexts->len; i++) {
        Context *context = contexts->pdata[i];

        if (g_str_equal(context->id, id))
            return context;
    }
    return NULL;
}

Context *
core_default_context(Sandbox *sandbox, const char *language, GError **error)
{
    const char *name = language ? language : sandbox->languages[0];

    if (!sandbox_check_language(sandbox->template, sandbox->languages, name, error))
        return NULL;
    return instance_default_context(sandbox->instance, name);
}

static gint
by_age(gconstpointer a, gconstpointer b)
{
    const Context *first = *(Context *const *)a, *second = *(Context *const *)b;
    guint first_number = context_number(first->id, first->language);
    guint second_number = context_number(second->id, second->language);

    return (first_number > second_number) - (first_number < second_number);
}

GPtrArray *
core_contexts(Sandbox *sandbox)
{
    GPtrArray *contexts = instance_contexts(sandbox->instance);

    for (char **language = sandbox->languages; *language; language++)
        instance_default_context(sandbox->instance, *language);
    g_ptr_array_sort(contexts, by_age); /* default contexts have no number */
    return contexts;
}

Context *
core_find_context(Sandbox *sandbox, const char *id, GError **error)
{
    Context *context = find(sandbox, id);

    if (!context && g_strv_contains((const char *const *)sandbox->languages, id) &&
        g_str_equal(languages_default_context(id), id))
        context = instance_default_context(sandbox->instance, id);
    if (!context)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_CONTEXT,
                    "sandbox '%s' has no context '%s'", sandbox->id, id);
    return context;
}

void
core_remove_context(Sandbox *sandbox, Context *context)
{
    GPtrArray *contexts = instance_contexts(sandbox->instance);
    const char *why = "The context was removed before this was executed to its end";
    guint index;

    if (context->is_default) { /* the next runner of this name starts when this one has ended */
        guest_interpreter_stop(context->interpreter, why);
        return;
    }
    if (g_ptr_array_find(contexts, context, &index))
        g_ptr_array_steal_index(contexts, index);
    /* A callback of an execution may end the sandbox. */
    guest_interpreter_remove(g_steal_pointer(&context->interpreter), why);
    context_free(context);
}

void
core_restart_context_async(Context *context, GAsyncReadyCallback callback, gpointer data)
{
    guest_interpreter_restart_async(context->interpreter, callback, data);
}

gboolean
core_restart_context_finish(GAsyncResult *result, GError **error)
{
    return guest_interpreter_open_finish(NULL, result, error);
}

void
core_interrupt_context(Context *context)
{
    guest_interpreter_interrupt(context->interpreter);
}

/* --- making --- */

typedef struct {
    Core *core;
    char *sandbox_id, *id;
} Making;

static void
making_free(gpointer data)
{
    Making *making = data;

    g_free(making->sandbox_id);
    g_free(making->id);
    g_free(making);
}

static void
on_ready(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    const Making *making = g_task_get_task_data(task);
    Sandbox *sandbox = registry_lookup(making->core, making->sandbox_id);
    Context *context = sandbox ? find(sandbox, making->id) : NULL;
    GError *error = NULL;

    if (guest_interpreter_open_finish(NULL, result, &error)) {
        g_task_return_pointer(task, g_strdup(making->id), g_free);
        return;
    }
    if (context)
        core_remove_context(sandbox, context);
    g_task_return_error(task, error);
}

static guint
count_created(const Sandbox *sandbox)
{
    const GPtrArray *contexts = instance_contexts(sandbox->instance);
    guint count = 0;

    for (guint i = 0; i < contexts->len; i++)
        count += !((const Context *)contexts->pdata[i])->is_default;
    return count;
}

static gboolean
check(const Sandbox *sandbox, const char *language, GError **error)
{
    if (!sandbox_check_language(sandbox->template, sandbox->languages, language, error))
        return FALSE;
    if (count_created(sandbox) < CONTEXTS_MAX)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                "contexts: sandbox '%s' has %u, which is all that it may have; remove one",
                sandbox->id, CONTEXTS_MAX);
    return FALSE;
}

void
core_create_context_async(Core *core, Sandbox *sandbox, const ContextRequest *request,
                          GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    const char *language = request->language ? request->language : sandbox->languages[0];
    GError *error = NULL;
    Making *making;
    Context *context;

    if (!check(sandbox, language, &error)) {
        g_task_return_error(task, error);
        return;
    }
    context = context_new(instance_link(sandbox->instance), language, ++sandbox->last_context,
                          request->cwd, request->environment);
    g_ptr_array_add(instance_contexts(sandbox->instance), context);
    making = g_new0(Making, 1);
    making->core = core;
    making->sandbox_id = g_strdup(sandbox->id);
    making->id = g_strdup(context->id);
    g_task_set_task_data(task, making, making_free);
    guest_interpreter_restart_async(context->interpreter, on_ready, g_steal_pointer(&task));
}

char *
core_create_context_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* --- contexts of the previous instance of the service --- */

gboolean
contexts_adopt(Sandbox *sandbox, const GuestKept *kept)
{
    GPtrArray *contexts = instance_contexts(sandbox->instance);
    Context *context = context_from_tag(instance_link(sandbox->instance), kept->tag,
                                        (const char *const *)kept->environment);

    if (!context)
        return FALSE;
    if (find(sandbox, context->id) || contexts->len >= 2 * CONTEXTS_MAX) {
        context_free(context);
        return TRUE;
    }
    sandbox->last_context =
        MAX(sandbox->last_context, context_number(context->id, context->language));
    g_ptr_array_add(contexts, context);
    guest_interpreter_adopt(context->interpreter);
    return TRUE;
}
