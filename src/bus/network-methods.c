/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-methods: the methods of org.cloche1.Sandbox that are about its network. */
#include "handlers.h"
#include "network-options.h"
#include "reply.h"

/* --- SetNetwork --- */

gboolean
sandbox_unpack_set_network(Call *call, GError **error)
{
    return network_options_unpack(call, call->options, error);
}

static void
on_network_set(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;

    if (core_set_network_finish(result, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
sandbox_set_network(Call *call, GVariant *parameters)
{
    core_set_network_async(call->core, call->sandbox, &call->network, on_network_set, call);
}

/* --- what it does --- */

static void
on_traffic(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    EgressTraffic traffic;

    if (core_traffic_finish(result, &traffic, &error))
        call_answer(call, g_variant_new("(@a{st})", reply_traffic(&traffic)));
    else
        call_fail(call, error);
}

void
sandbox_get_traffic(Call *call, GVariant *parameters)
{
    core_traffic_async(call->sandbox, on_traffic, call);
}

const Option sandbox_watch_connections_options[] = {{NULL, NULL}};

void
sandbox_watch_connections(Call *call, GVariant *parameters)
{
    GError *error = NULL;
    int fd = core_watch_connections(call->sandbox, &error);

    if (fd >= 0)
        call_answer_with_fds(call, g_variant_new("(h)", 0),
                             g_unix_fd_list_new_from_array(&fd, 1)); /* takes it */
    else
        call_fail(call, error);
}
