/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guard: the one table of who may call what. A method without a row is closed. */
#include "call.h"

#define MANAGER "org.cloche1.Manager"
#define SANDBOX "org.cloche1.Sandbox"
#define OBJECTS "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

static const Method methods[] = {
    {MANAGER, "CreateSandbox", ACCESS_ANYBODY, manager_create_sandbox},
    {MANAGER, "RunCode", ACCESS_ANYBODY, manager_run_code},
    {MANAGER, "GetSandbox", ACCESS_ANYBODY, manager_get_sandbox},
    {MANAGER, "ListSandboxes", ACCESS_ANYBODY, manager_list_sandboxes},
    {MANAGER, "KillSandbox", ACCESS_ANYBODY, manager_kill_sandbox},
    {MANAGER, "ListTemplates", ACCESS_ANYBODY, manager_list_templates},
    {OBJECTS, "GetManagedObjects", ACCESS_ANYBODY, manager_get_managed_objects},

    {SANDBOX, "Run", ACCESS_OWNER, sandbox_run},
    {SANDBOX, "RunCode", ACCESS_OWNER, sandbox_run_code},
    {SANDBOX, "SetTimeout", ACCESS_OWNER, sandbox_set_timeout},
    {SANDBOX, "Kill", ACCESS_OWNER, sandbox_kill},

    /* The server finds the sandbox for these too, when the object is one. */
    {PROPERTIES, "Get", ACCESS_ANYBODY, properties_get},
    {PROPERTIES, "GetAll", ACCESS_ANYBODY, properties_get_all},
};

const Method *
guard_find(const char *interface, const char *method)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
        if (g_str_equal(methods[i].interface, interface) && g_str_equal(methods[i].method, method))
            return &methods[i];
    return NULL;
}

const Method *
guard_methods(gsize *ret_count)
{
    *ret_count = G_N_ELEMENTS(methods);
    return methods;
}
