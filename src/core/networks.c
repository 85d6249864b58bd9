/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networks: all networks, and cloche-egress.
 *
 * After each new connection, cloche-egress lists its workers. Those that belong to no sandbox are
 * ended, and each sandbox with a network gets its policy again: a worker that continues keeps the
 * connections that the policy allows.
 */
#include "journal.h"
#include "network-private.h"

static void
each_network(Core *core, void (*visit)(Network *network, gpointer data), gpointer data)
{
    g_autoptr(GList) all = g_hash_table_get_values(core->networks);

    for (GList *l = all; l; l = l->next)
        visit(l->data, data);
}

/* --- which workers there are --- */

/* What is under way has the port of its own. cloche-egress may know no more of a sandbox than its
 * secrets. */
static void
take_worker(Network *network, gpointer data)
{
    GHashTable *workers = data;
    const char *id = network->sandbox->id;
    gboolean has_policy = GPOINTER_TO_INT(g_hash_table_lookup(workers, id)) != 0;
    gboolean is_known = g_hash_table_remove(workers, id);

    if (network->change)
        return;
    network->has_port = has_policy;
    if (is_known && (!network_is_on(network) || network->is_spent)) {
        egress_remove(network->core->egress, id);
        network->has_port = FALSE;
    }
}

/* That of a new sandbox is off until it is opened. */
static void
hand_over(Network *network, gpointer data)
{
    if (network->state == NETWORK_OFF)
        return;
    network->must_hand_over = TRUE;
    network_go_on(network);
}

/* What is under way will be handed over. */
static void
hand_over_idle(Network *network, gpointer data)
{
    if (!network->change)
        hand_over(network, data);
}

static void
remove_strangers(Core *core, GHashTable *workers)
{
    GHashTableIter iter;
    gpointer id;

    g_hash_table_iter_init(&iter, workers);
    while (g_hash_table_iter_next(&iter, &id, /* value= */ NULL))
        egress_remove(core->egress, id);
}

static void
on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    Core *core = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) workers = egress_list_finish(result, &error);

    if (workers && !core->is_stopping) {
        each_network(core, take_worker, workers);
        remove_strangers(core, workers);
        core->knows_workers = TRUE;
        each_network(core, hand_over_idle, NULL);
    }
    host_release(&core->host);
}

/* --- events --- */

static void
on_connected(gpointer data)
{
    Core *core = data;

    host_hold(&core->host);
    egress_list_async(core->egress, on_listed, core);
}

static void
lose_worker(Network *network, gpointer data)
{
    network->has_port = FALSE;
    if (network->state == NETWORK_ON)
        network_set_state(network, NETWORK_CLOSED, NETWORK_AWAY);
}

static void
on_disconnected(gpointer data)
{
    Core *core = data;

    core->knows_workers = FALSE;
    each_network(core, lose_worker, NULL);
}

/* It stays closed when this service is restarted. */
static void
spend(Network *network, const char *reason)
{
    network->is_spent = TRUE;
    if (network->change) /* which sets the state */
        return;
    network_set_state(network, NETWORK_CLOSED, reason);
    network_write_record(network);
}

static void
on_lost(const char *id, const char *reason, gpointer data)
{
    const Core *core = data;
    Network *network = g_hash_table_lookup(core->networks, id);

    if (!network || !network_is_on(network))
        return;
    network->has_port = FALSE;
    network_note_loss(network, reason);
    journal_network_lost(network->sandbox, reason);
    spend(network, reason);
}

static void
on_exhausted(const char *id, gpointer data)
{
    const Core *core = data;
    Network *network = g_hash_table_lookup(core->networks, id);

    if (!network || !network_is_on(network))
        return;
    network_note_exhaustion(network);
    journal_network_lost(network->sandbox, NETWORK_EXHAUSTED);
    spend(network, NETWORK_EXHAUSTED);
}

static const EgressEvents egress_events = {on_connected, on_disconnected, on_lost, on_exhausted};

/* --- the service --- */

void
networks_start(Core *core)
{
    if (core->egress)
        egress_start(core->egress, &egress_events, core);
}

void
networks_stop(Core *core)
{
    core->knows_workers = FALSE;
    g_clear_pointer(&core->egress, egress_close);
}

void
networks_reconfigure(Core *core)
{
    each_network(core, hand_over, NULL);
}
