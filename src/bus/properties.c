/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * properties: org.freedesktop.DBus.Properties of the manager, sandboxes and processes. All
 * properties are read-only.
 */
#include "error.h"
#include "handlers.h"
#include "reply.h"

/* Returns all properties of the object. Fails if the object does not have this interface. */
static GVariant *
all_of(Call *call, const char *interface, GError **error)
{
    const char *own = call->process   ? "org.cloche1.Process"
                      : call->sandbox ? "org.cloche1.Sandbox"
                                      : "org.cloche1.Manager";

    if (g_str_equal(interface, own) || *interface == '\0')
        return g_variant_ref_sink(call->process   ? reply_process(call->process)
                                  : call->sandbox ? reply_sandbox(call->sandbox)
                                                  : reply_manager(call->core));
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "this object has no properties in the interface '%s'", interface);
    return NULL;
}

void
properties_get_all(Call *call, GVariant *parameters)
{
    const char *interface;
    GError *error = NULL;
    g_autoptr(GVariant) all = NULL;

    g_variant_get(parameters, "(&s)", &interface);
    all = all_of(call, interface, &error);
    if (all)
        call_answer(call, g_variant_new("(@a{sv})", all));
    else
        call_fail(call, error);
}

void
properties_get(Call *call, GVariant *parameters)
{
    const char *interface, *name;
    GError *error = NULL;
    g_autoptr(GVariant) all = NULL, value = NULL;

    g_variant_get(parameters, "(&s&s)", &interface, &name);
    all = all_of(call, interface, &error);
    value = all ? g_variant_lookup_value(all, name, NULL) : NULL;
    if (value)
        call_answer(call, g_variant_new("(v)", value));
    else
        call_fail(call, error ? error
                              : g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                                            "there is no property '%s'", name));
}
