/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-trust: the certificates that a guest trusts, besides those of its image.
 *
 * The guest is asked only if they have changed. When it fails, what the guest trusts is not known.
 */
#include "instance.h"
#include "network-private.h"

static void
on_trusted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Network *network = g_task_get_task_data(task);
    GError *error = NULL;

    if (!instance_trust_finish(result, &error)) {
        g_clear_pointer(&network->trusted, g_free);
        g_prefix_error(&error, "network: the guest did not take its certificates: ");
        g_task_return_error(task, error);
        return;
    }
    g_task_return_boolean(task, TRUE);
}

void
network_trust_async(Network *network, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    const char *wanted = network->certificates ? network->certificates : "";

    g_task_set_task_data(task, network_ref(network), (GDestroyNotify)network_unref);
    if (g_strcmp0(network->trusted ? network->trusted : "", wanted) == 0) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
        return;
    }
    g_free(network->trusted);
    network->trusted = g_strdup(wanted);
    instance_trust_async(network->sandbox->instance, wanted, on_trusted, task);
}

gboolean
network_trust_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
