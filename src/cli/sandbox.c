/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox: calls that create, find and kill a sandbox, for several verbs. */
#include "sandbox.h"

#include "creation.h"
#include "lease.h"
#include "list.h"
#include "template.h"
#include "term.h"

/* The number of sandboxes that an error names if a name or prefix matches several. */
#define SHOWN_MAX 4u

struct SandboxLease {
    Cli *cli;
    ClocheSandbox *sandbox;
    Lease *lease;
};

char *
sandbox_create(Cli *cli, GVariant *options, GUnixFDList *fds, GError **error)
{
    TermProgress progress = {0};
    g_autoptr(GAsyncResult) reply = NULL;
    char *path;

    creation_async(cli->manager, options, fds, template_show_progress, &progress, cli->interrupted,
                   cli_on_reply, &reply);
    cli_await(&reply);
    term_progress_end(&progress);
    path = creation_finish(reply, error);
    if (path != NULL)
        template_warn_emulated(cli);
    return path;
}

/* --- finding --- */

typedef enum {
    BY_NAME,
    BY_PREFIX,
} Key;

static gboolean
fits(GVariant *sandbox, Key key, const char *word)
{
    g_autoptr(GVariant) properties = g_variant_get_child_value(sandbox, 1);
    const char *value = "";

    g_variant_lookup(properties, key == BY_NAME ? "Name" : "Id", "&s", &value);
    return key == BY_NAME ? g_str_equal(value, word) : g_str_has_prefix(value, word);
}

/* Returns the ids of matching sandboxes, separated by spaces; only the first SHOWN_MAX. */
static char *
find_fitting(GPtrArray *sandboxes, Key key, const char *word, guint *ret_n)
{
    g_autoptr(GString) ids = g_string_new(NULL);

    *ret_n = 0;
    for (guint i = 0; i < sandboxes->len; i++) {
        const char *path;

        if (!fits(sandboxes->pdata[i], key, word))
            continue;
        g_variant_get_child(sandboxes->pdata[i], 0, "&o", &path);
        if (++*ret_n <= SHOWN_MAX)
            g_string_append_printf(ids, "%s%s", ids->len > 0 ? " " : "", client_sandbox_id(path));
    }
    if (*ret_n > SHOWN_MAX)
        g_string_append(ids, " ...");
    return g_string_free(g_steal_pointer(&ids), FALSE);
}

static GPtrArray *
list_own(Cli *cli, GError **error)
{
    g_autoptr(GVariant) filter = g_variant_ref_sink(g_variant_new("a{sv}", NULL));

    return list_read(cli, filter, error);
}

/* A word that is not a complete id is looked up only among the caller's sandboxes: for the ids of
 * others, polkit may ask for a password. */
char *
sandbox_resolve(Cli *cli, const char *word, GError **error)
{
    const char *id = g_str_has_prefix(word, CLIENT_SANDBOX_PATH) ? client_sandbox_id(word) : word;
    g_autoptr(GPtrArray) sandboxes = NULL;

    if (client_is_sandbox_id(id))
        return g_strdup(id);
    sandboxes = list_own(cli, error);
    if (sandboxes == NULL)
        return NULL;
    for (Key key = BY_NAME; key <= BY_PREFIX && *id != '\0'; key++) {
        guint n;
        g_autofree char *found = find_fitting(sandboxes, key, id, &n);

        if (n == 1)
            return g_steal_pointer(&found);
        if (n > 1) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        key == BY_NAME ? "%u sandboxes have the name '%s': %s"
                                       : "%u sandboxes have an id that begins with '%s': %s",
                        n, word, found);
            return NULL;
        }
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX, "there is no sandbox '%s'",
                word);
    return NULL;
}

static ClocheSandbox *
get_sandbox(Cli *cli, const char *id, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autofree char *path = NULL;

    cloche_manager_call_get_sandbox(cli->manager, id, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                    &reply);
    cli_await(&reply);
    if (!cloche_manager_call_get_sandbox_finish(cli->manager, &path, reply, error))
        return NULL;
    return client_sandbox(cli->manager, path, error);
}

ClocheSandbox *
sandbox_find(Cli *cli, const char *word, GError **error)
{
    g_autofree char *id = sandbox_resolve(cli, word, error);

    return id != NULL ? get_sandbox(cli, id, error) : NULL;
}

const char *
sandbox_id(ClocheSandbox *sandbox)
{
    return client_sandbox_id(g_dbus_proxy_get_object_path(G_DBUS_PROXY(sandbox)));
}

GVariant *
sandbox_properties(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    GDBusProxy *proxy = G_DBUS_PROXY(sandbox);
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) answer = NULL;

    g_dbus_connection_call(g_dbus_proxy_get_connection(proxy), g_dbus_proxy_get_name(proxy),
                           g_dbus_proxy_get_object_path(proxy), "org.freedesktop.DBus.Properties",
                           "GetAll", g_variant_new("(s)", g_dbus_proxy_get_interface_name(proxy)),
                           G_VARIANT_TYPE("(a{sv})"), CLIENT_CALL, cli->interrupted, cli_on_reply,
                           &reply);
    cli_await(&reply);
    answer = g_dbus_connection_call_finish(g_dbus_proxy_get_connection(proxy), reply, error);
    return answer != NULL ? g_variant_get_child_value(answer, 0) : NULL;
}

/* --- ending, and the lease --- */

gboolean
sandbox_kill(Cli *cli, const char *id, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_manager_call_kill_sandbox(cli->manager, id, CLIENT_CALL, /* cancellable= */ NULL,
                                     cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_manager_call_kill_sandbox_finish(cli->manager, reply, error);
}

SandboxLease *
sandbox_lease(Cli *cli, const char *template, const NetworkPolicy *network, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    guint64 seconds = lease_seconds(cli->manager);
    g_autofree char *path = NULL;
    ClocheSandbox *sandbox;
    SandboxLease *lease;

    g_variant_dict_insert(&options, "timeout", "t", seconds);
    if (template != NULL)
        g_variant_dict_insert(&options, "template", "s", template);
    network_policy_add(network, &options);
    path = sandbox_create(cli, g_variant_dict_end(&options), network->fds, error);
    if (path == NULL)
        return NULL;
    sandbox = client_sandbox(cli->manager, path, error);
    if (sandbox == NULL)
        return NULL;
    lease = g_new0(SandboxLease, 1);
    lease->cli = cli;
    lease->sandbox = sandbox;
    lease->lease = lease_new(sandbox, seconds);
    return lease;
}

ClocheSandbox *
sandbox_lease_get(SandboxLease *lease)
{
    return lease->sandbox;
}

const char *
sandbox_lease_id(SandboxLease *lease)
{
    return sandbox_id(lease->sandbox);
}

void
sandbox_lease_end(SandboxLease *lease)
{
    if (lease == NULL)
        return;
    lease_free(lease->lease);
    /* Without an error: the sandbox may have ended by itself. */
    sandbox_kill(lease->cli, sandbox_lease_id(lease), /* error= */ NULL);
    g_object_unref(lease->sandbox);
    g_free(lease);
}
