/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manager: the methods of org.cloche1.Manager. */
#include <string.h>

#include "error.h"
#include "handlers.h"
#include "languages.h"
#include "network-options.h"
#include "reply.h"

/* One-shot code: its sandbox ends so long after the timeout of the code, if nothing ends it before.
 */
#define CODE_SLACK_S 60u

/* --- options --- */

const Option manager_create_sandbox_options[] = {
    {"template", "s"},    {"snapshot", "s"},   {"timeout", "t"},         {"on-timeout", "s"},
    {"auto-resume", "b"}, {"name", "s"},       {"metadata", "a{ss}"},    {"environment", "a{ss}"},
    {"vcpus", "u"},       {"memory-mib", "t"}, {"idempotency-key", "s"}, {"network", "a{sv}"},
    {NULL, NULL},
};

const Option manager_run_code_options[] = {
    {"template", "s"},     {"snapshot", "s"},    {"timeout", "t"},    {"name", "s"},
    {"metadata", "a{ss}"}, {"vcpus", "u"},       {"memory-mib", "t"}, {"environment", "a{ss}"},
    {"colors", "b"},       {"network", "a{sv}"}, {NULL, NULL},
};

static gboolean
unpack_network(Call *call, GError **error)
{
    g_autoptr(GVariant) dict = g_variant_lookup_value(call->options, "network", NULL);

    if (!dict)
        return TRUE;
    if (!network_options_unpack(call, dict, error))
        return FALSE;
    call->new_sandbox.request.network = &call->network;
    return TRUE;
}

static gboolean
unpack_origin(Call *call, GError **error)
{
    CreateRequest *request = &call->new_sandbox.request;

    g_variant_lookup(call->options, "template", "&s", &request->template);
    g_variant_lookup(call->options, "snapshot", "&s", &request->snapshot);
    if (!request->template || !request->snapshot)
        return TRUE;
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                        "snapshot: a sandbox begins from a template or from a snapshot, not from "
                        "both");
    return FALSE;
}

/* What both CreateSandbox and RunCode take. The other strings of the request belong to the
 * options. */
static gboolean
unpack_sandbox(Call *call, guint64 default_timeout_s, GError **error)
{
    NewSandbox *new_sandbox = &call->new_sandbox;
    CreateRequest *request = &new_sandbox->request;

    new_sandbox->timeout_s = default_timeout_s;
    g_variant_lookup(call->options, "timeout", "t", &new_sandbox->timeout_s);
    g_variant_lookup(call->options, "vcpus", "u", &request->vcpus);
    g_variant_lookup(call->options, "memory-mib", "t", &request->memory_mib);
    request->name = new_sandbox->name = options_name(call->options, "name", error);
    if (!new_sandbox->name || !unpack_origin(call, error))
        return FALSE;
    request->metadata = options_metadata(call->options, "metadata", error);
    if (!request->metadata)
        return FALSE;
    request->environment = options_environment(call->options, "environment", error);
    return request->environment && unpack_network(call, error);
}

static gboolean
check_key(const char *key, GError **error)
{
    if (!key || (strlen(key) >= 1 && strlen(key) <= SANDBOX_IDEMPOTENCY_KEY_MAX))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "idempotency-key: it must have 1 to %d bytes, not %zu", SANDBOX_IDEMPOTENCY_KEY_MAX,
                strlen(key));
    return FALSE;
}

static gboolean
unpack_on_timeout(GVariant *options, gboolean *ret_pauses, GError **error)
{
    const char *what = "kill";

    g_variant_lookup(options, "on-timeout", "&s", &what);
    *ret_pauses = g_str_equal(what, "pause");
    if (*ret_pauses || g_str_equal(what, "kill"))
        return TRUE;
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                        "on-timeout: it must be 'kill' or 'pause'");
    return FALSE;
}

/* --- CreateSandbox --- */

gboolean
manager_unpack_create(Call *call, GError **error)
{
    CreateRequest *request = &call->new_sandbox.request;

    g_variant_lookup(call->options, "idempotency-key", "&s", &request->idempotency_key);
    g_variant_lookup(call->options, "auto-resume", "b", &request->resumes_for_calls);
    if (!unpack_on_timeout(call->options, &request->pauses_on_timeout, error) ||
        !check_key(request->idempotency_key, error) ||
        !unpack_sandbox(call, SANDBOX_TIMEOUT_DEFAULT_S, error))
        return FALSE;
    request->timeout_s = call->new_sandbox.timeout_s;
    return TRUE;
}

static void
on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autofree char *id = core_create_finish(call->core, result, &error);
    g_autofree char *path = id ? reply_path(id) : NULL;

    if (id)
        call_answer(call, g_variant_new("(o)", path));
    else
        call_fail(call, error);
}

void
manager_create_sandbox(Call *call, GVariant *parameters)
{
    core_create_async(call->core, call->viewer.uid, &call->new_sandbox.request, call->peer->left,
                      on_created, call);
}

/* --- RunCode --- */

gboolean
manager_unpack_run_code(Call *call, GError **error)
{
    guint64 most_s = MIN(core_config(call->core)->lifetime_max_s, SANDBOX_TIMEOUT_MAX_S);
    const char *code;

    g_variant_get_child(call->parameters, 1, "&s", &code);
    if (!code_check(code, error) || !unpack_sandbox(call, MANAGER_CODE_TIMEOUT_S, error) ||
        !core_check_timeout(call->core, call->new_sandbox.timeout_s, error))
        return FALSE;
    call->new_sandbox.request.timeout_s = MIN(call->new_sandbox.timeout_s + CODE_SLACK_S, most_s);
    return TRUE;
}

static void
on_code_run(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(GuestExecution) execution = core_run_code_finish(result, &error);

    if (execution)
        call_answer(call, g_variant_new("(@a{sv})", reply_execution(execution)));
    else
        call_fail(call, error);
}

void
manager_run_code(Call *call, GVariant *parameters)
{
    const char *name;
    g_autofree char *language = NULL;
    GuestCode code = {.timeout_ms = call->new_sandbox.timeout_s * 1000};

    g_variant_get(parameters, "(&s&s@a{sv})", &name, &code.code, NULL);
    language = languages_canonical(name);
    g_variant_lookup(call->options, "colors", "b", &code.with_colours);
    core_run_code_async(call->core, call->viewer.uid, &call->new_sandbox.request, language, &code,
                        call->peer->left, on_code_run, call);
}

/* --- the rest --- */

void
manager_get_sandbox(Call *call, GVariant *parameters)
{
    const char *id;
    GError *error = NULL;
    g_autofree char *path = NULL;

    g_variant_get(parameters, "(&s)", &id);
    if (!core_find(call->core, &call->viewer, id, &error)) {
        call_fail(call, error);
        return;
    }
    path = reply_path(id);
    call_answer(call, g_variant_new("(o)", path));
}

void
manager_kill_sandbox(Call *call, GVariant *parameters)
{
    const char *id;
    GError *error = NULL;
    Sandbox *sandbox;

    g_variant_get(parameters, "(&s)", &id);
    sandbox = core_find(call->core, &call->viewer, id, &error);
    if (!sandbox) {
        call_fail(call, error);
        return;
    }
    core_end(call->core, sandbox, END_KILLED, /* detail= */ NULL);
    call_answer(call, NULL);
}

void
manager_get_quota(Call *call, GVariant *parameters)
{
    call_answer(call, reply_quota(call->core, &call->viewer));
}

void
manager_list_templates(Call *call, GVariant *parameters)
{
    g_autoptr(GList) templates = templates_list(core_templates(call->core));
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (GList *l = templates; l; l = l->next)
        g_variant_builder_add_value(&list, reply_template(l->data));
    call_answer(call, g_variant_new("(aa{sv})", &list));
}

void
manager_get_managed_objects(Call *call, GVariant *parameters)
{
    g_autoptr(GPtrArray) all = core_list(call->core);
    GVariantBuilder objects;

    g_variant_builder_init(&objects, G_VARIANT_TYPE("a{oa{sa{sv}}}"));
    for (guint i = 0; i < all->len; i++) {
        const Sandbox *sandbox = all->pdata[i];
        g_autofree char *path = reply_path(sandbox->id);
        GVariantBuilder interfaces;

        if (!core_may_see(&call->peer->viewer, sandbox->owner))
            continue;
        g_variant_builder_init(&interfaces, G_VARIANT_TYPE("a{sa{sv}}"));
        g_variant_builder_add(&interfaces, "{s@a{sv}}", "org.cloche1.Sandbox",
                              reply_sandbox(sandbox));
        g_variant_builder_add(&objects, "{oa{sa{sv}}}", path, &interfaces);
    }
    call_answer(call, g_variant_new("(a{oa{sa{sv}}})", &objects));
}

void
manager_introspect_sandboxes(Call *call, GVariant *parameters)
{
    g_autoptr(GPtrArray) all = core_list(call->core);
    g_autoptr(GString) xml =
        g_string_new("<!DOCTYPE node PUBLIC "
                     "\"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
                     " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
                     "<node>\n"
                     "  <interface name=\"org.freedesktop.DBus.Introspectable\">\n"
                     "    <method name=\"Introspect\">\n"
                     "      <arg type=\"s\" name=\"xml_data\" direction=\"out\"/>\n"
                     "    </method>\n"
                     "  </interface>\n");

    for (guint i = 0; i < all->len; i++) {
        const Sandbox *sandbox = all->pdata[i];

        if (core_may_see(&call->viewer, sandbox->owner))
            g_string_append_printf(xml, "  <node name=\"%s\"/>\n", sandbox->id);
    }
    g_string_append(xml, "</node>\n");
    call_answer(call, g_variant_new("(s)", xml->str));
}
