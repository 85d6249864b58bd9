/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox-methods: the methods of org.cloche1.Sandbox. */
#include <string.h>

#include "call.h"
#include "error.h"
#include "options.h"
#include "reply.h"

/* --- Run --- */

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

gboolean
call_unpack_timeout(Call *call, GVariant *options, guint64 *ret_ms, GError **error)
{
    guint64 timeout_s;

    if (!g_variant_lookup(options, "timeout", "t", &timeout_s))
        return TRUE;
    if (!core_check_timeout(call->core, timeout_s, error))
        return FALSE;
    *ret_ms = timeout_s * 1000;
    return TRUE;
}

gboolean
call_begin_process(Call *call, GError **error)
{
    call->charged = call->sandbox->owner;
    return core_begin_process(call->core, call->charged, error);
}

static void
on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(GuestRun) run = guest_run_finish(result, &error);

    core_end_process(call->core, call->charged);
    if (run)
        call_answer(call, reply_run(run));
    else
        call_fail(call, error);
}

void
sandbox_run(Call *call, GVariant *parameters)
{
    static const Option known[] = {
        {"cwd", "s"},      {"environment", "a{ss}"}, {"user", "s"},
        {"stdin", "s|ay"}, {"timeout", "t"},         {NULL, NULL},
    };
    g_autofree const char **argv = NULL;
    g_autoptr(GVariant) options = NULL;
    g_auto(GStrv) environment = NULL;
    g_autoptr(GBytes) input = NULL;
    GuestStart start = {0};
    GError *error = NULL;

    g_variant_get(parameters, "(^a&s@a{sv})", &argv, &options);
    if (!options_check(options, known, &error) || !argv_check(argv, &error) ||
        !unpack_stdin(options, &input, &error) ||
        !call_unpack_timeout(call, options, &start.timeout_ms, &error) ||
        !(environment = options_environment(options, "environment", &error)) ||
        !call_begin_process(call, &error)) {
        call_fail(call, error);
        return;
    }
    g_variant_lookup(options, "cwd", "&s", &start.cwd);
    g_variant_lookup(options, "user", "&s", &start.user);
    start.argv = argv;
    start.environment = (const char *const *)environment;
    start.flags = input ? 0 : START_NO_STDIN;
    guest_run_async(instance_link(call->sandbox->instance), &start, input, call->peer->left, on_run,
                    call);
}

/* --- the rest --- */

void
sandbox_set_timeout(Call *call, GVariant *parameters)
{
    guint64 timeout_s;
    GError *error = NULL;

    g_variant_get(parameters, "(t)", &timeout_s);
    if (core_set_timeout(call->core, call->sandbox, timeout_s, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
sandbox_kill(Call *call, GVariant *parameters)
{
    core_end(call->core, call->sandbox, END_KILLED);
    call_answer(call, NULL);
}
