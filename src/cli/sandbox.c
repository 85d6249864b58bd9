/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox: the calls around one, and the lease that keeps it as long as we live. */
#include "sandbox.h"

#include "template.h"

#define LEASE_S 300

struct SandboxLease {
    Cli *cli;
    ClocheSandbox *sandbox;
    guint64 seconds;
    guint timer;
};

/*
 * Not cancelled by a signal: nobody would know the sandbox that the service is about to make. The
 * caller looks at cli->signal afterwards.
 */
static char *
call_create(Cli *cli, GVariant *options, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    char *path;

    cloche_manager_call_create_sandbox(cli->manager, options, CLIENT_CALL, /* cancellable= */ NULL,
                                       cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_manager_call_create_sandbox_finish(cli->manager, &path, reply, error))
        return NULL;
    return path;
}

char *
sandbox_create(Cli *cli, const char *template, GVariant *options, GError **error)
{
    g_autoptr(GVariant) held = g_variant_ref_sink(options);
    g_autoptr(GError) problem = NULL;
    char *path = NULL;

    do {
        g_autoptr(GVariant) description = template_await(cli, template, &problem);

        if (problem == NULL)
            path = call_create(cli, held, &problem);
    } while (problem != NULL && template_is_coming(cli, template, &problem));
    if (problem != NULL)
        g_propagate_error(error, g_steal_pointer(&problem));
    else
        template_warn_emulated(cli);
    return path;
}

ClocheSandbox *
sandbox_find(Cli *cli, const char *id, GError **error)
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

gboolean
sandbox_kill(Cli *cli, const char *id, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_manager_call_kill_sandbox(cli->manager, id, CLIENT_CALL, /* cancellable= */ NULL,
                                     cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_manager_call_kill_sandbox_finish(cli->manager, reply, error);
}

/* Fails when the sandbox ended; the call that runs in it tells that. */
static gboolean
on_lease_due(gpointer data)
{
    SandboxLease *lease = data;

    cloche_sandbox_call_set_timeout(lease->sandbox, lease->seconds, CLIENT_CALL,
                                    /* cancellable= */ NULL,
                                    /* callback= */ NULL, /* data= */ NULL);
    return G_SOURCE_CONTINUE;
}

static guint64
lease_seconds(Cli *cli)
{
    GVariant *limits = cloche_manager_get_limits(cli->manager);
    guint64 longest = LEASE_S;

    if (limits != NULL)
        g_variant_lookup(limits, "lifetime", "t", &longest);
    return MIN(longest, LEASE_S);
}

SandboxLease *
sandbox_lease(Cli *cli, const char *template, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    guint64 seconds = lease_seconds(cli);
    g_autofree char *path = NULL;
    ClocheSandbox *sandbox;
    SandboxLease *lease;

    g_variant_dict_insert(&options, "timeout", "t", seconds);
    if (template != NULL)
        g_variant_dict_insert(&options, "template", "s", template);
    path = sandbox_create(cli, template, g_variant_dict_end(&options), error);
    if (path == NULL)
        return NULL;
    sandbox = client_sandbox(cli->manager, path, error);
    if (sandbox == NULL)
        return NULL;
    lease = g_new0(SandboxLease, 1);
    lease->cli = cli;
    lease->sandbox = sandbox;
    lease->seconds = seconds;
    lease->timer = g_timeout_add(seconds * 1000 / 3, on_lease_due, lease);
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
    return client_sandbox_id(g_dbus_proxy_get_object_path(G_DBUS_PROXY(lease->sandbox)));
}

void
sandbox_lease_end(SandboxLease *lease)
{
    if (lease == NULL)
        return;
    g_source_remove(lease->timer);
    sandbox_kill(lease->cli, sandbox_lease_id(lease),
                 /* error= */ NULL); /* it may have ended itself */
    g_object_unref(lease->sandbox);
    g_free(lease);
}
