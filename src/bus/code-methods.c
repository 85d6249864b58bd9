/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* code-methods: the methods of org.cloche1.Sandbox that execute code, and those of its contexts. */
#include <string.h>

#include "error.h"
#include "handlers.h"
#include "languages.h"
#include "reply.h"

/* --- the code, and its context --- */

const Option sandbox_code_options[] = {
    {"language", "s"}, {"context", "s"}, {"environment", "a{ss}"},
    {"timeout", "t"},  {"silent", "b"},  {"store-history", "b"},
    {"colors", "b"},   {"drain", "b"},   {NULL, NULL},
};

typedef struct {
    char *language; /* NULL: not given */
    char **environment;
    GuestCode code;
    Context *context; /* valid until the handler returns */
} CodeRequest;

static void
request_clear(CodeRequest *request)
{
    g_clear_pointer(&request->language, g_free);
    g_clear_pointer(&request->environment, g_strfreev);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CodeRequest, request_clear)

/* Returns NULL when the option is not given. */
static char *
language_option(GVariant *options)
{
    const char *name;

    return g_variant_lookup(options, "language", "&s", &name) ? languages_canonical(name) : NULL;
}

static gboolean
find_context(Call *call, CodeRequest *request, GError **error)
{
    const char *id = NULL;

    request->language = language_option(call->options);
    g_variant_lookup(call->options, "context", "&s", &id);
    if (request->language && id) {
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                            "option 'language' cannot be given with 'context', which has one");
        return FALSE;
    }
    request->context = id ? core_find_context(call->sandbox, id, error)
                          : core_default_context(call->sandbox, request->language, error);
    if (request->context)
        request->code.dialect =
            languages_dialect(request->language ? request->language : request->context->language);
    return request->context != NULL;
}

static gboolean
unpack_request(Call *call, GVariant *parameters, CodeRequest *request, GError **error)
{
    gboolean store_history = TRUE;

    g_variant_get(parameters, "(&s@a{sv})", &request->code.code, NULL);
    if (!code_check(request->code.code, error) ||
        !call_unpack_timeout(call, &request->code.timeout_ms, error) ||
        !(request->environment = options_environment(call->options, "environment", error)) ||
        !find_context(call, request, error))
        return FALSE;
    g_variant_lookup(call->options, "silent", "b", &request->code.silent);
    g_variant_lookup(call->options, "store-history", "b", &store_history);
    g_variant_lookup(call->options, "colors", "b", &request->code.with_colours);
    g_variant_lookup(call->options, "drain", "b", &request->code.drains);
    request->code.no_history = !store_history;
    request->code.environment = (const char *const *)request->environment;
    return TRUE;
}

/* --- RunCode, StreamCode --- */

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(GuestExecution) execution = core_execute_finish(result, &error);

    if (execution)
        call_answer(call, g_variant_new("(@a{sv})", reply_execution(execution)));
    else
        call_fail(call, error);
}

void
sandbox_run_code(Call *call, GVariant *parameters)
{
    g_auto(CodeRequest) request = {0};
    GError *error = NULL;

    if (unpack_request(call, parameters, &request, &error))
        core_execute_async(call->sandbox, request.context, &request.code, call->peer->left,
                           on_executed, call);
    else
        call_fail(call, error);
}

void
sandbox_stream_code(Call *call, GVariant *parameters)
{
    g_auto(CodeRequest) request = {0};
    GError *error = NULL;
    int fd = -1;

    if (unpack_request(call, parameters, &request, &error))
        fd = core_stream_code(call->sandbox, request.context, &request.code, &error);
    if (fd >= 0)
        call_answer_with_fds(call, g_variant_new("(h)", 0),
                             g_unix_fd_list_new_from_array(&fd, 1)); /* takes it */
    else
        call_fail(call, error);
}

/* --- IsComplete --- */

#define CHECK_SIZE_MAX (128u * 1024) /* bytes of code: an interpreter parses them in a moment */
#define CHECK_TIMEOUT_MS 10000u      /* from when it begins */

const Option sandbox_is_complete_options[] = {{"language", "s"}, {"context", "s"}, {NULL, NULL}};

static void
on_checked(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(GuestExecution) execution = core_execute_finish(result, &error);

    if (execution)
        call_answer(call, g_variant_new("(ss)", guest_execution_completeness_name(execution),
                                        execution->indent ? execution->indent : ""));
    else
        call_fail(call, error);
}

void
sandbox_is_complete(Call *call, GVariant *parameters)
{
    g_auto(CodeRequest) request = {.code.is_check = TRUE, .code.timeout_ms = CHECK_TIMEOUT_MS};
    GError *error = NULL;

    g_variant_get(parameters, "(&s@a{sv})", &request.code.code, NULL);
    if (!code_check(request.code.code, &error) || !find_context(call, &request, &error))
        call_fail(call, error);
    else if (strlen(request.code.code) > CHECK_SIZE_MAX)
        call_answer(call, g_variant_new("(ss)", "unknown", ""));
    else
        core_execute_async(call->sandbox, request.context, &request.code, call->peer->left,
                           on_checked, call);
}

/* --- contexts --- */

static void
on_context_created(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autofree char *id = core_create_context_finish(result, &error);

    if (id)
        call_answer(call, g_variant_new("(s)", id));
    else
        call_fail(call, error);
}

const Option sandbox_create_context_options[] = {
    {"language", "s"}, {"cwd", "s"}, {"environment", "a{ss}"}, {NULL, NULL}};

void
sandbox_create_context(Call *call, GVariant *parameters)
{
    g_autofree char *language = NULL;
    g_auto(GStrv) environment = NULL;
    ContextRequest request = {.cwd = ""};
    GError *error = NULL;

    environment = options_environment(call->options, "environment", &error);
    if (!environment) {
        call_fail(call, error);
        return;
    }
    request.language = language = language_option(call->options);
    g_variant_lookup(call->options, "cwd", "&s", &request.cwd);
    if (strlen(request.cwd) > OPTION_PATH_MAX) {
        g_set_error(&error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "cwd: at most %u bytes, not %zu", OPTION_PATH_MAX, strlen(request.cwd));
        call_fail(call, error);
        return;
    }
    request.environment = (const char *const *)environment;
    core_create_context_async(call->core, call->sandbox, &request, on_context_created, call);
}

void
sandbox_list_contexts(Call *call, GVariant *parameters)
{
    GPtrArray *contexts = core_contexts(call->sandbox);
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < contexts->len; i++)
        g_variant_builder_add_value(&list, reply_context(contexts->pdata[i]));
    call_answer(call, g_variant_new("(aa{sv})", &list));
}

/* Returns the context of the first argument; NULL: the call has failed. */
static Context *
named_context(Call *call, GVariant *parameters)
{
    const char *id;
    GError *error = NULL;
    Context *context;

    g_variant_get(parameters, "(&s)", &id);
    context = core_find_context(call->sandbox, id, &error);
    if (!context)
        call_fail(call, error);
    return context;
}

static void
on_context_restarted(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;

    if (core_restart_context_finish(result, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
sandbox_restart_context(Call *call, GVariant *parameters)
{
    Context *context = named_context(call, parameters);

    if (context)
        core_restart_context_async(context, on_context_restarted, call);
}

void
sandbox_interrupt_context(Call *call, GVariant *parameters)
{
    Context *context = named_context(call, parameters);

    if (!context)
        return;
    core_interrupt_context(context);
    call_answer(call, NULL);
}

void
sandbox_remove_context(Call *call, GVariant *parameters)
{
    Context *context = named_context(call, parameters);

    if (!context)
        return;
    core_remove_context(call->sandbox, context);
    call_answer(call, NULL);
}
