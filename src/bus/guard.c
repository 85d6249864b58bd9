/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guard: the one table of who may call what. A method without a row is closed.
 *
 * For an id that is not the caller's own, polkit is asked before anything is looked up, whether
 * there is such a sandbox or not: so neither the answer nor a dialog tells.
 */
#include <string.h>

#include "call.h"
#include "reply.h"

#define MANAGER "org.cloche1.Manager"
#define SANDBOX "org.cloche1.Sandbox"
#define PROCESS "org.cloche1.Process"
#define OBJECTS "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

static const Method methods[] = {
    {MANAGER, "CreateSandbox", ACCESS_CREATOR, manager_create_sandbox},
    {MANAGER, "RunCode", ACCESS_CREATOR, manager_run_code},
    {MANAGER, "GetSandbox", ACCESS_NAMED, manager_get_sandbox},
    {MANAGER, "ListSandboxes", ACCESS_LISTER, manager_list_sandboxes},
    {MANAGER, "KillSandbox", ACCESS_NAMED, manager_kill_sandbox},
    {MANAGER, "ListTemplates", ACCESS_ANYBODY, manager_list_templates},
    {MANAGER, "GetQuota", ACCESS_ANYBODY, manager_get_quota},
    {OBJECTS, "GetManagedObjects", ACCESS_ANYBODY, manager_get_managed_objects},

    {SANDBOX, "Run", ACCESS_SANDBOX, sandbox_run},
    {SANDBOX, "RunCode", ACCESS_SANDBOX, sandbox_run_code},
    {SANDBOX, "StreamCode", ACCESS_SANDBOX, sandbox_stream_code},
    {SANDBOX, "CreateContext", ACCESS_SANDBOX, sandbox_create_context},
    {SANDBOX, "ListContexts", ACCESS_SANDBOX, sandbox_list_contexts},
    {SANDBOX, "RestartContext", ACCESS_SANDBOX, sandbox_restart_context},
    {SANDBOX, "InterruptContext", ACCESS_SANDBOX, sandbox_interrupt_context},
    {SANDBOX, "RemoveContext", ACCESS_SANDBOX, sandbox_remove_context},
    {SANDBOX, "Start", ACCESS_SANDBOX, sandbox_start},
    {SANDBOX, "OpenTerminal", ACCESS_SANDBOX, sandbox_open_terminal},
    {SANDBOX, "ListProcesses", ACCESS_SANDBOX, sandbox_list_processes},
    {SANDBOX, "ReadFile", ACCESS_SANDBOX, sandbox_read_file},
    {SANDBOX, "WriteFile", ACCESS_SANDBOX, sandbox_write_file},
    {SANDBOX, "Append", ACCESS_SANDBOX, sandbox_append},
    {SANDBOX, "ListDirectory", ACCESS_SANDBOX, sandbox_list_directory},
    {SANDBOX, "Stat", ACCESS_SANDBOX, sandbox_stat},
    {SANDBOX, "MakeDirectory", ACCESS_SANDBOX, sandbox_make_directory},
    {SANDBOX, "Move", ACCESS_SANDBOX, sandbox_move},
    {SANDBOX, "Copy", ACCESS_SANDBOX, sandbox_copy},
    {SANDBOX, "Remove", ACCESS_SANDBOX, sandbox_remove},
    {SANDBOX, "Chmod", ACCESS_SANDBOX, sandbox_chmod},
    {SANDBOX, "Chown", ACCESS_SANDBOX, sandbox_chown},
    {SANDBOX, "ReadLink", ACCESS_SANDBOX, sandbox_read_link},
    {SANDBOX, "Watch", ACCESS_SANDBOX, sandbox_watch},
    {SANDBOX, "Download", ACCESS_SANDBOX, sandbox_download},
    {SANDBOX, "Upload", ACCESS_SANDBOX, sandbox_upload},
    {SANDBOX, "OpenPort", ACCESS_SANDBOX, sandbox_open_port},
    {SANDBOX, "ListPorts", ACCESS_SANDBOX, sandbox_list_ports},
    {SANDBOX, "SetTimeout", ACCESS_SANDBOX, sandbox_set_timeout},
    {SANDBOX, "Kill", ACCESS_SANDBOX, sandbox_kill},

    {PROCESS, "Signal", ACCESS_SANDBOX, process_signal},
    {PROCESS, "Kill", ACCESS_SANDBOX, process_kill},
    {PROCESS, "Attach", ACCESS_SANDBOX, process_attach},
    {PROCESS, "Wait", ACCESS_SANDBOX, process_wait},
    {PROCESS, "CloseInput", ACCESS_SANDBOX, process_close_input},
    {PROCESS, "Resize", ACCESS_SANDBOX, process_resize},

    /* Of the object of a sandbox or a process they are ACCESS_SANDBOX. */
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

/* --- what polkit is asked --- */

enum { CREATE, USE, MANAGE_OTHERS };

static const char *const actions[] = {
    [CREATE] = "org.cloche1.create",
    [USE] = "org.cloche1.use",
    [MANAGE_OTHERS] = "org.cloche1.manage-others",
};

#define ID_MAX 64u

const char *const *
guard_actions(gsize *ret_count)
{
    *ret_count = G_N_ELEMENTS(actions);
    return actions;
}

void
guard_question_clear(GuardQuestion *question)
{
    g_clear_pointer(&question->details, g_strfreev);
}

char *
guard_object_id(const char *path, guint32 *ret_process)
{
    const char *name, *separator;
    guint64 number = 0;

    *ret_process = 0;
    if (g_str_has_prefix(path, SANDBOX_PATH "/"))
        return g_strdup(path + strlen(SANDBOX_PATH "/"));
    if (!g_str_has_prefix(path, PROCESS_PATH "/"))
        return NULL;
    name = path + strlen(PROCESS_PATH "/");
    separator = strchr(name, '_');
    if (separator && g_ascii_string_to_unsigned(separator + 1, 10, 1, G_MAXUINT32, &number, NULL))
        *ret_process = (guint32)number;
    return separator ? g_strndup(name, (gsize)(separator - name)) : g_strdup(name);
}

static void
add_detail(GStrvBuilder *details, const char *key, const char *value)
{
    g_strv_builder_add_many(details, key, value, NULL);
}

static void
add_number(GStrvBuilder *details, const char *key, guint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);

    add_detail(details, key, text);
}

/* What will be made, as far as it can be told; the handler checks the words. No text of the
 * caller's own is among it: an administrator who is asked for a password reads these. */
static GuardQuestion
ask_create(const Method *method, Core *core, const Peer *peer, GVariant *parameters)
{
    g_autoptr(GStrvBuilder) details = g_strv_builder_new();
    g_autoptr(GVariant) options =
        g_variant_get_child_value(parameters, g_variant_n_children(parameters) - 1);
    gboolean is_code = g_str_equal(method->method, "RunCode");
    guint64 timeout_s = is_code ? MANAGER_CODE_TIMEOUT_S : SANDBOX_TIMEOUT_DEFAULT_S;
    const char *name = core_config(core)->default_template;
    const Template *template;

    g_variant_lookup(options, "template", "&s", &name);
    g_variant_lookup(options, "timeout", "t", &timeout_s);
    template = templates_find(core_templates(core), name);
    if (template) {
        add_detail(details, "template", template->name);
        add_number(details, "memory", template->memory_mib);
        add_number(details, "vcpus", template->vcpus);
    }
    add_number(details, "timeout", timeout_s);
    add_detail(details, "network", "none");
    add_number(details, "owner", peer->viewer.uid);
    return (GuardQuestion){actions[CREATE], g_strv_builder_end(details)};
}

/* Others are not asked about what is none: nobody has to read it, and nobody has it. */
static gboolean
may_be_id(const char *id)
{
    gsize length = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789");

    return length >= 1 && length <= ID_MAX && id[length] == '\0';
}

static GuardQuestion
ask_sandbox(Core *core, const Peer *peer, const char *id)
{
    g_autoptr(GStrvBuilder) details = g_strv_builder_new();

    add_detail(details, "sandbox", id);
    if (core_is_owner(core, peer->viewer.uid, id)) {
        if (peer->may_use)
            return (GuardQuestion){0};
        add_number(details, "owner", peer->viewer.uid);
        return (GuardQuestion){actions[USE], g_strv_builder_end(details)};
    }
    if (peer->viewer.sees_all || !may_be_id(id))
        return (GuardQuestion){0};
    return (GuardQuestion){actions[MANAGE_OTHERS], g_strv_builder_end(details)};
}

static GuardQuestion
ask_list(const Peer *peer, GVariant *parameters)
{
    g_autoptr(GVariant) options = g_variant_get_child_value(parameters, 0);
    gboolean all_users = FALSE;

    g_variant_lookup(options, "all-users", "b", &all_users);
    if (!all_users || peer->viewer.sees_all)
        return (GuardQuestion){0};
    return (GuardQuestion){actions[MANAGE_OTHERS], g_new0(char *, 1)};
}

GuardQuestion
guard_ask(const Method *method, Core *core, const Peer *peer, const char *path,
          GVariant *parameters)
{
    guint32 process;
    g_autofree char *object_id = guard_object_id(path, &process);
    const char *id = object_id;

    if (id)
        return ask_sandbox(core, peer, id);
    switch (method->access) {
    case ACCESS_CREATOR:
        return ask_create(method, core, peer, parameters);
    case ACCESS_NAMED:
        g_variant_get_child(parameters, 0, "&s", &id);
        return ask_sandbox(core, peer, id);
    case ACCESS_LISTER:
        return ask_list(peer, parameters);
    default:
        return (GuardQuestion){0};
    }
}

gboolean
guard_is_about_own(const GuardQuestion *question)
{
    return !g_str_equal(question->action, actions[MANAGE_OTHERS]);
}

void
guard_remember(const Method *method, const GuardQuestion *question, Peer *peer, Viewer *viewer)
{
    if (g_str_equal(question->action, actions[USE]))
        peer->may_use = TRUE;
    if (!g_str_equal(question->action, actions[MANAGE_OTHERS]))
        return;
    viewer->sees_all = TRUE;
    /* Of one sandbox it was said for that one. */
    if (method->access == ACCESS_LISTER)
        peer->viewer.sees_all = TRUE;
}
