/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guard: the one table of who may call what. A method without a row is refused.
 *
 * For an id that is not the caller's own, polkit is consulted before the sandbox is looked up,
 * whether it exists or not: neither the answer nor a dialog reveals it.
 */
#include "guard.h"

#include <string.h>

#include "handlers.h"
#include "network-options.h"
#include "reply.h"

#define MANAGER "org.cloche1.Manager"
#define SANDBOX "org.cloche1.Sandbox"
#define PROCESS "org.cloche1.Process"
#define OBJECTS "org.freedesktop.DBus.ObjectManager"
#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* What a call may weigh (message_weight()): ids and numbers; paths; metadata, an environment and a
 * command; the same with code or standard input. */
#define SMALL (16u * 1024)
#define PATHS (32u * 1024)
#define REQUEST (1024u * 1024)
#define CODE (REQUEST + OPTION_CODE_MAX)
G_STATIC_ASSERT(OPTION_CODE_MAX >= OPTION_STDIN_MAX);

#define IS_SHORT TRUE

static const Method methods[] = {
    {MANAGER, "CreateSandbox", ACCESS_CREATOR, manager_create_sandbox_options,
     manager_create_sandbox, REQUEST, manager_unpack_create, !IS_SHORT, NET_SECRETS_MAX},
    {MANAGER, "RunCode", ACCESS_CREATOR, manager_run_code_options, manager_run_code, CODE,
     manager_unpack_run_code, !IS_SHORT, NET_SECRETS_MAX},
    {MANAGER, "GetSandbox", ACCESS_NAMED, NULL, manager_get_sandbox, SMALL, NULL, IS_SHORT},
    {MANAGER, "ListSandboxes", ACCESS_LISTER, manager_list_sandboxes_options,
     manager_list_sandboxes, REQUEST, manager_unpack_list, IS_SHORT},
    {MANAGER, "KillSandbox", ACCESS_NAMED, NULL, manager_kill_sandbox, SMALL, NULL, IS_SHORT},
    {MANAGER, "ListTemplates", ACCESS_ANYBODY, NULL, manager_list_templates, SMALL, NULL, IS_SHORT},
    {MANAGER, "ListSnapshots", ACCESS_LISTER, manager_list_snapshots_options,
     manager_list_snapshots, SMALL, manager_unpack_list, IS_SHORT},
    {MANAGER, "RemoveSnapshot", ACCESS_SNAPSHOT, NULL, manager_remove_snapshot, SMALL, NULL,
     IS_SHORT},
    {MANAGER, "GetQuota", ACCESS_ANYBODY, NULL, manager_get_quota, SMALL, NULL, IS_SHORT},
    {OBJECTS, "GetManagedObjects", ACCESS_ANYBODY, NULL, manager_get_managed_objects, SMALL, NULL,
     IS_SHORT},
    {INTROSPECTABLE, "Introspect", ACCESS_ANYBODY, NULL, manager_introspect_sandboxes, SMALL, NULL,
     IS_SHORT},

    {SANDBOX, "Run", ACCESS_SANDBOX, sandbox_run_options, sandbox_run, CODE},
    {SANDBOX, "RunCode", ACCESS_SANDBOX, sandbox_code_options, sandbox_run_code, CODE},
    {SANDBOX, "StreamCode", ACCESS_SANDBOX, sandbox_code_options, sandbox_stream_code, CODE},
    {SANDBOX, "IsComplete", ACCESS_SANDBOX, sandbox_is_complete_options, sandbox_is_complete, CODE},
    {SANDBOX, "CreateContext", ACCESS_SANDBOX, sandbox_create_context_options,
     sandbox_create_context, REQUEST},
    {SANDBOX, "ListContexts", ACCESS_SANDBOX, NULL, sandbox_list_contexts, SMALL, NULL, IS_SHORT},
    {SANDBOX, "RestartContext", ACCESS_SANDBOX, NULL, sandbox_restart_context, SMALL},
    {SANDBOX, "InterruptContext", ACCESS_SANDBOX, NULL, sandbox_interrupt_context, SMALL, NULL,
     IS_SHORT},
    {SANDBOX, "RemoveContext", ACCESS_SANDBOX, NULL, sandbox_remove_context, SMALL, NULL, IS_SHORT},
    {SANDBOX, "Start", ACCESS_SANDBOX, sandbox_start_options, sandbox_start, REQUEST},
    {SANDBOX, "OpenTerminal", ACCESS_SANDBOX, sandbox_open_terminal_options, sandbox_open_terminal,
     REQUEST},
    {SANDBOX, "ListProcesses", ACCESS_SANDBOX, NULL, sandbox_list_processes, SMALL},
    {SANDBOX, "ReadFile", ACCESS_SANDBOX, sandbox_read_file_options, sandbox_read_file, PATHS},
    {SANDBOX, "WriteFile", ACCESS_SANDBOX, sandbox_write_file_options, sandbox_write_file, PATHS,
     NULL, !IS_SHORT, 1},
    {SANDBOX, "Append", ACCESS_SANDBOX, sandbox_append_options, sandbox_append, PATHS, NULL,
     !IS_SHORT, 1},
    {SANDBOX, "ListDirectory", ACCESS_SANDBOX, sandbox_list_directory_options,
     sandbox_list_directory, REQUEST},
    {SANDBOX, "Stat", ACCESS_SANDBOX, sandbox_stat_options, sandbox_stat, PATHS},
    {SANDBOX, "MakeDirectory", ACCESS_SANDBOX, sandbox_make_directory_options,
     sandbox_make_directory, PATHS},
    {SANDBOX, "Move", ACCESS_SANDBOX, sandbox_move_options, sandbox_move, PATHS},
    {SANDBOX, "Copy", ACCESS_SANDBOX, sandbox_copy_options, sandbox_copy, PATHS},
    {SANDBOX, "Remove", ACCESS_SANDBOX, sandbox_remove_options, sandbox_remove, PATHS},
    {SANDBOX, "Chmod", ACCESS_SANDBOX, sandbox_chmod_options, sandbox_chmod, PATHS},
    {SANDBOX, "Chown", ACCESS_SANDBOX, sandbox_chown_options, sandbox_chown, PATHS},
    {SANDBOX, "ReadLink", ACCESS_SANDBOX, sandbox_path_options, sandbox_read_link, PATHS},
    {SANDBOX, "Watch", ACCESS_SANDBOX, sandbox_watch_options, sandbox_watch, PATHS},
    {SANDBOX, "Download", ACCESS_SANDBOX, sandbox_path_options, sandbox_download, PATHS},
    {SANDBOX, "Upload", ACCESS_SANDBOX, sandbox_path_options, sandbox_upload, PATHS, NULL,
     !IS_SHORT, 1},
    {SANDBOX, "OpenPort", ACCESS_SANDBOX, sandbox_open_port_options, sandbox_open_port, SMALL},
    {SANDBOX, "ListPorts", ACCESS_SANDBOX, NULL, sandbox_list_ports, SMALL},
    {SANDBOX, "Snapshot", ACCESS_SANDBOX, sandbox_snapshot_options, sandbox_snapshot, SMALL},
    {SANDBOX, "Fork", ACCESS_SANDBOX, sandbox_fork_options, sandbox_fork, REQUEST,
     .makes_sandboxes = TRUE},
    {SANDBOX, "SetTimeout", ACCESS_SANDBOX, NULL, sandbox_set_timeout, SMALL, NULL, IS_SHORT},
    {SANDBOX, "Pause", ACCESS_SANDBOX, NULL, sandbox_pause, SMALL, NULL, IS_SHORT,
     .is_for_paused = TRUE},
    {SANDBOX, "Resume", ACCESS_SANDBOX, sandbox_resume_options, sandbox_resume, SMALL,
     sandbox_unpack_resume, IS_SHORT, .is_for_paused = TRUE},
    {SANDBOX, "SetNetwork", ACCESS_SANDBOX, network_options, sandbox_set_network, REQUEST,
     sandbox_unpack_set_network, !IS_SHORT, NET_SECRETS_MAX},
    {SANDBOX, "GetTraffic", ACCESS_SANDBOX, NULL, sandbox_get_traffic, SMALL},
    {SANDBOX, "WatchConnections", ACCESS_SANDBOX, sandbox_watch_connections_options,
     sandbox_watch_connections, SMALL},
    {SANDBOX, "Kill", ACCESS_SANDBOX, NULL, sandbox_kill, SMALL, NULL, IS_SHORT,
     .without_machine = TRUE},

    {PROCESS, "Signal", ACCESS_SANDBOX, NULL, process_signal, SMALL, NULL, IS_SHORT},
    {PROCESS, "Kill", ACCESS_SANDBOX, NULL, process_kill, SMALL, NULL, IS_SHORT},
    {PROCESS, "Attach", ACCESS_SANDBOX, NULL, process_attach, SMALL, NULL, IS_SHORT},
    {PROCESS, "Wait", ACCESS_SANDBOX, NULL, process_wait, SMALL},
    {PROCESS, "CloseInput", ACCESS_SANDBOX, NULL, process_close_input, SMALL, NULL, IS_SHORT},
    {PROCESS, "Resize", ACCESS_SANDBOX, NULL, process_resize, SMALL, NULL, IS_SHORT},

    /* On the object of a sandbox or a process, guard_ask() treats them as ACCESS_SANDBOX. */
    {PROPERTIES, "Get", ACCESS_ANYBODY, NULL, properties_get, SMALL, NULL, IS_SHORT,
     .without_machine = TRUE},
    {PROPERTIES, "GetAll", ACCESS_ANYBODY, NULL, properties_get_all, SMALL, NULL, IS_SHORT,
     .without_machine = TRUE},
};

const Method *
guard_find(const char *interface, const char *method)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
        if (g_str_equal(methods[i].interface, interface) && g_str_equal(methods[i].method, method))
            return &methods[i];
    return NULL;
}

gsize
guard_weight_max(const char *interface, const char *method)
{
    const Method *found = interface && method ? guard_find(interface, method) : NULL;

    return found ? found->weight_max : SMALL;
}

guint
guard_fds_max(const char *interface, const char *method)
{
    const Method *found = interface && method ? guard_find(interface, method) : NULL;

    return found ? found->fds_max : 0;
}

const Method *
guard_methods(gsize *ret_count)
{
    *ret_count = G_N_ELEMENTS(methods);
    return methods;
}

/* --- questions to polkit --- */

enum { CREATE, USE, MANAGE_OTHERS, NETWORK, NETWORK_PRIVATE };

static const char *const actions[] = {
    [CREATE] = "org.cloche1.create",
    [USE] = "org.cloche1.use",
    [MANAGE_OTHERS] = "org.cloche1.manage-others",
    [NETWORK] = "org.cloche1.network",
    [NETWORK_PRIVATE] = "org.cloche1.network-private",
};

#define ID_MAX 64u

const char *const *
guard_actions(gsize *ret_count)
{
    *ret_count = G_N_ELEMENTS(actions);
    return actions;
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

/* What the sandbox begins from; NULL: nothing that the caller may use. */
static const Template *
template_of(const Call *call)
{
    const char *snapshot = call->new_sandbox.request.snapshot;
    const char *named = call->new_sandbox.request.template;
    const char *name = named ? named : core_config(call->core)->default_template;

    if (snapshot)
        return core_find_snapshot(call->core, &call->viewer, snapshot, /* error= */ NULL);
    return templates_find(core_templates(call->core), name);
}

/* The network that the call gives to a sandbox; NULL: none. */
static const NetPolicy *
network_of(const Call *call)
{
    const Template *template = call->method->access == ACCESS_CREATOR ? template_of(call) : NULL;
    const NetPolicy *policy = call->network.policy;

    if (!policy && template)
        policy = template->network;
    return policy && policy->mode != NET_OFF ? policy : NULL;
}

/* What will be made. No text of the caller is included, because an administrator who is asked for a
 * password reads these details. */
static GuardQuestion
ask_create(const Call *call)
{
    g_autoptr(GStrvBuilder) details = g_strv_builder_new();
    const Template *template = template_of(call);
    const NetPolicy *network = network_of(call);

    if (template) {
        add_detail(details, "template", template->name);
        if (template->snapshot)
            add_detail(details, "snapshot", template->snapshot->id);
        add_number(details, "memory", template->memory_mib);
        add_number(details, "vcpus", template->vcpus);
    }
    add_number(details, "timeout", call->new_sandbox.timeout_s);
    add_detail(details, "network", network ? net_mode_name(network->mode) : "none");
    add_number(details, "owner", call->viewer.uid);
    return (GuardQuestion){actions[CREATE], g_strv_builder_end(details)};
}

/* A malformed id cannot name a sandbox, so polkit is not consulted. */
static gboolean
may_be_id(const char *id)
{
    gsize length = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789");

    return length >= 1 && length <= ID_MAX && id[length] == '\0';
}

static GuardQuestion
ask_own_or_others(const Call *call, const char *kind, const char *id, gboolean is_own)
{
    g_autoptr(GStrvBuilder) details = g_strv_builder_new();
    const Peer *peer = call->peer;

    add_detail(details, kind, id);
    if (is_own && !peer->may_use) {
        add_number(details, "owner", peer->viewer.uid);
        return (GuardQuestion){actions[USE], g_strv_builder_end(details)};
    }
    if (is_own || peer->viewer.sees_all || !may_be_id(id))
        return (GuardQuestion){0};
    return (GuardQuestion){actions[MANAGE_OTHERS], g_strv_builder_end(details)};
}

static GuardQuestion
ask_sandbox(const Call *call, const char *id)
{
    return ask_own_or_others(call, "sandbox", id,
                             core_is_owner(call->core, call->peer->viewer.uid, id));
}

static GuardQuestion
ask_list(const Call *call)
{
    if (!call->lists_all_users || call->peer->viewer.sees_all)
        return (GuardQuestion){0};
    return (GuardQuestion){actions[MANAGE_OTHERS], g_new0(char *, 1)};
}

/* Targets are entries that were parsed, so no other text of the caller is among them. A call that
 * cannot succeed asks nothing. */
static GuardQuestion
ask_network(const Call *call, const char *id)
{
    g_autoptr(GStrvBuilder) details = g_strv_builder_new();
    const NetPolicy *policy = network_of(call);
    const Sandbox *sandbox = id ? core_find(call->core, &call->viewer, id, NULL) : NULL;
    g_autofree char *targets = NULL;
    gboolean is_private;

    if (!policy || (id && !sandbox))
        return (GuardQuestion){0};
    is_private = net_policy_wants_private(policy);
    targets = g_strjoinv(" ", policy->allow);
    add_detail(details, "mode", net_mode_name(policy->mode));
    add_detail(details, "private", is_private ? "true" : "false");
    add_detail(details, "targets", targets);
    if (sandbox)
        add_detail(details, "sandbox", sandbox->id);
    add_number(details, "owner", sandbox ? sandbox->owner : call->viewer.uid);
    return (GuardQuestion){actions[is_private ? NETWORK_PRIVATE : NETWORK],
                           g_strv_builder_end(details)};
}

/* Sandboxes that begin from another one. A call that cannot succeed asks nothing. */
static GuardQuestion
ask_fork(const Call *call, const char *id)
{
    g_autoptr(GStrvBuilder) details = g_strv_builder_new();
    const Sandbox *sandbox = core_find(call->core, &call->viewer, id, NULL);
    guint64 timeout_s = SANDBOX_TIMEOUT_DEFAULT_S;
    guint32 count;

    if (!sandbox)
        return (GuardQuestion){0};
    g_variant_get_child(call->parameters, 0, "u", &count);
    g_variant_lookup(call->options, "timeout", "t", &timeout_s);
    add_detail(details, "template", sandbox->template);
    add_number(details, "memory", sandbox->memory_mib);
    add_number(details, "vcpus", sandbox->vcpus);
    add_number(details, "timeout", timeout_s);
    add_detail(details, "network", "none");
    add_detail(details, "sandbox", sandbox->id);
    add_number(details, "count", count);
    add_number(details, "owner", sandbox->owner);
    return (GuardQuestion){actions[CREATE], g_strv_builder_end(details)};
}

static GuardQuestion
ask_access(const Call *call, const char *object_id)
{
    const char *id = object_id;

    if (id)
        return ask_sandbox(call, id);
    switch (call->method->access) {
    case ACCESS_CREATOR:
        return ask_create(call);
    case ACCESS_NAMED:
        g_variant_get_child(call->parameters, 0, "&s", &id);
        return ask_sandbox(call, id);
    case ACCESS_SNAPSHOT:
        g_variant_get_child(call->parameters, 0, "&s", &id);
        return ask_own_or_others(call, "snapshot", id,
                                 core_owns_snapshot(call->core, call->peer->viewer.uid, id));
    case ACCESS_LISTER:
        return ask_list(call);
    default:
        return (GuardQuestion){0};
    }
}

GuardQuestion
guard_ask(const Call *call)
{
    guint32 process;
    g_autofree char *id = guard_object_id(call->path, &process);
    GuardQuestion question = {0};

    if (!call->has_access)
        question = ask_access(call, id);
    if (!question.action && call->method->makes_sandboxes && !call->has_create)
        question = ask_fork(call, id);
    if (!question.action && !call->has_network)
        question = ask_network(call, id);
    return question;
}

gboolean
guard_is_about_own(const GuardQuestion *question)
{
    return !g_str_equal(question->action, actions[MANAGE_OTHERS]);
}

void
guard_remember(Call *call)
{
    gboolean is_network = g_str_equal(call->question.action, actions[NETWORK]) ||
                          g_str_equal(call->question.action, actions[NETWORK_PRIVATE]);

    call->has_access = TRUE;
    call->has_network = call->has_network || is_network;
    call->has_create = call->has_create || g_str_equal(call->question.action, actions[CREATE]);
    if (g_str_equal(call->question.action, actions[USE]))
        call->peer->may_use = TRUE;
    if (!g_str_equal(call->question.action, actions[MANAGE_OTHERS]))
        return;
    call->viewer.sees_all = TRUE;
    /* For one sandbox, the answer holds for that sandbox. */
    if (call->method->access == ACCESS_LISTER)
        call->peer->viewer.sees_all = TRUE;
}
