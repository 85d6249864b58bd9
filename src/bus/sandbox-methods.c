/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox-methods: the methods of org.cloche1.Sandbox. */
#include "error.h"
#include "handlers.h"
#include "reply.h"

/* --- Run --- */

const Option sandbox_run_options[] = {
    {"cwd", "s"},      {"environment", "a{ss}"}, {"user", "s"},
    {"stdin", "s|ay"}, {"timeout", "t"},         {NULL, NULL},
};

static gboolean
unpack_stdin(GVariant *options, GBytes **ret_input, GError **error)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(options, "stdin", NULL);
    gsize size;
    const void *data;

    if (!value)
        return TRUE;
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        data = g_variant_get_string(value, &size);
    else
        data = g_variant_get_fixed_array(value, &size, 1);
    if (size > OPTION_STDIN_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "stdin: at most %u bytes, not %zu", OPTION_STDIN_MAX, size);
        return FALSE;
    }
    *ret_input = g_bytes_new(data, size);
    return TRUE;
}

static void
on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(GuestRun) run = core_run_finish(result, &error);

    if (run)
        call_answer(call, reply_run(run));
    else
        call_fail(call, error);
}

void
sandbox_run(Call *call, GVariant *parameters)
{
    g_autofree const char **argv = NULL;
    g_auto(GStrv) environment = NULL;
    g_autoptr(GBytes) input = NULL;
    GuestStart start = {0};
    GError *error = NULL;

    g_variant_get(parameters, "(^a&s@a{sv})", &argv, NULL);
    if (!argv_check(argv, &error) || !unpack_stdin(call->options, &input, &error) ||
        !call_unpack_timeout(call, &start.timeout_ms, &error) ||
        !(environment = options_environment(call->options, "environment", &error))) {
        call_fail(call, error);
        return;
    }
    g_variant_lookup(call->options, "cwd", "&s", &start.cwd);
    g_variant_lookup(call->options, "user", "&s", &start.user);
    start.argv = argv;
    start.environment = (const char *const *)environment;
    start.flags = input ? 0 : START_NO_STDIN;
    core_run_async(call->sandbox, &start, input, call->peer->left, on_run, call);
}

/* --- the rest --- */

static void
on_timeout_set(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;

    if (core_set_timeout_finish(result, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
sandbox_set_timeout(Call *call, GVariant *parameters)
{
    guint64 timeout_s;

    g_variant_get(parameters, "(t)", &timeout_s);
    core_set_timeout_async(call->core, call->sandbox, timeout_s, on_timeout_set, call);
}

static void
on_paused(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;

    if (core_pause_finish(result, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
sandbox_pause(Call *call, GVariant *parameters)
{
    core_pause_async(call->core, call->sandbox, on_paused, call);
}

const Option sandbox_resume_options[] = {{"timeout", "t"}, {NULL, NULL}};

gboolean
sandbox_unpack_resume(Call *call, GError **error)
{
    guint64 timeout_s;

    return !g_variant_lookup(call->options, "timeout", "t", &timeout_s) ||
           core_check_timeout(call->core, timeout_s, error);
}

static void
on_resumed(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;

    if (core_resume_finish(result, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
sandbox_resume(Call *call, GVariant *parameters)
{
    guint64 timeout_s = 0;

    g_variant_lookup(call->options, "timeout", "t", &timeout_s);
    core_resume_async(call->core, call->sandbox, timeout_s, on_resumed, call);
}

void
sandbox_kill(Call *call, GVariant *parameters)
{
    core_end(call->core, call->sandbox, END_KILLED, /* detail= */ NULL);
    call_answer(call, NULL);
}
