/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* master: serves cloched, and passes its messages to workers. */
#include "master.h"

#include <string.h>
#include <unistd.h>

#include "error.h"
#include "master-private.h"

/* --- answers --- */

void
master_send(Master *master, const EgressHead *given, const void *payload, gsize size)
{
    g_autofree char *packet = g_malloc(sizeof *given + size);
    EgressHead head = *given;

    head.length = (guint32)size;
    memcpy(packet, &head, sizeof head);
    if (size > 0)
        memcpy(packet + sizeof head, payload, size);
    if (master->cloched)
        packet_socket_send(master->cloched, packet, sizeof head + size, /* fd= */ -1);
}

void
master_answer(Master *master, EgressType type, const char *id, guint32 serial)
{
    EgressHead head;

    egress_head_init(&head, type, id, serial);
    master_send(master, &head, /* payload= */ NULL, 0);
}

void
master_answer_failed(Master *master, const char *id, guint32 serial, const GError *error)
{
    guint8 buffer[EGRESS_TEXT_MAX + 8];
    WireWriter w = {.data = buffer, .size = sizeof buffer};
    g_autofree char *message = g_strndup(error->message, EGRESS_TEXT_MAX);
    EgressHead head;

    egress_head_init(&head, EGRESS_FAILED, id, serial);
    head.number = error->domain == CLOCHE_ERROR ? (guint32)error->code : CLOCHE_ERROR_FAILED;
    wire_put_string(&w, message);
    master_send(master, &head, buffer, w.used);
}

/* --- messages without a worker --- */

static void
answer_worker(Master *master, const char *id, guint32 serial, gboolean has_policy)
{
    EgressHead head;

    egress_head_init(&head, EGRESS_WORKER, id, serial);
    head.number = has_policy ? 1 : 0;
    master_send(master, &head, /* payload= */ NULL, 0);
}

/* Sandboxes of which there are only secrets are listed as well, so that cloched can remove them. */
static void
list(Master *master, guint32 serial)
{
    g_auto(GStrv) stored = store_list(master->store);
    GHashTableIter iter;
    gpointer worker;

    g_hash_table_iter_init(&iter, master->workers);
    while (g_hash_table_iter_next(&iter, NULL, &worker))
        answer_worker(master, ((const MasterWorker *)worker)->id, serial,
                      ((const MasterWorker *)worker)->has_policy);
    for (char **id = stored; *id; id++)
        if (!g_hash_table_contains(master->workers, *id))
            answer_worker(master, *id, serial, /* has_policy= */ FALSE);
    master_answer(master, EGRESS_DONE, "", serial);
}

static void
remove_sandbox(Master *master, const EgressHead *head)
{
    MasterWorker *worker = g_hash_table_lookup(master->workers, head->id);

    store_remove(master->store, head->id);
    if (worker)
        master_worker_remove(worker, head->serial);
    else
        master_answer(master, EGRESS_DONE, head->id, head->serial);
}

/* --- messages for a worker --- */

static MasterWorker *
find_or_make(Master *master, const EgressHead *head)
{
    MasterWorker *worker = g_hash_table_lookup(master->workers, head->id);
    g_autoptr(GError) error = NULL;

    if (worker)
        return worker;
    worker = master_worker_new(master, head->id, &error);
    if (!worker)
        master_answer_failed(master, head->id, head->serial, error);
    return worker;
}

static void
prepare(Master *master, const EgressHead *head, const guint8 *payload, int fd)
{
    MasterWorker *worker = find_or_make(master, head);

    if (!worker)
        return;
    if (head->type == EGRESS_PORT)
        master_worker_take_port(worker, head, fd);
    else if (head->type == EGRESS_SECRET)
        master_worker_take_secret(worker, head, fd);
    else
        master_worker_take_set(worker, head, payload);
}

/* Nothing answers a WATCH: the descriptor is closed. */
static void
pass(Master *master, const EgressHead *head, int fd)
{
    MasterWorker *worker = g_hash_table_lookup(master->workers, head->id);
    g_autoptr(GError) error = NULL;

    if (worker) {
        master_worker_pass(worker, head, fd);
        return;
    }
    g_set_error(&error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX, "Sandbox '%s' has no network",
                head->id);
    if (head->type == EGRESS_TRAFFIC)
        master_answer_failed(master, head->id, head->serial, error);
}

static void
take_message(Master *master, const EgressHead *head, const guint8 *payload, int fd)
{
    switch (head->type) {
    case EGRESS_LIST:
        list(master, head->serial);
        break;
    case EGRESS_REMOVE:
        remove_sandbox(master, head);
        break;
    case EGRESS_TRAFFIC:
    case EGRESS_WATCH:
        pass(master, head, fd);
        break;
    default:
        prepare(master, head, payload, fd);
        break;
    }
}

/* --- the connection to cloched --- */

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    const guint8 *payload;
    EgressHead head;
    gboolean good = egress_unpack(packet, size, fd >= 0, /* from_cloched= */ TRUE, &head, &payload);

    if (good)
        take_message(data, &head, payload, fd);
    else
        g_warning("cloched has violated the protocol");
    if (fd >= 0)
        close(fd);
    return good;
}

static void
drop_connection(Master *master)
{
    GHashTableIter iter;
    gpointer worker;

    g_clear_pointer(&master->cloched, packet_socket_free);
    g_hash_table_iter_init(&iter, master->numbers);
    while (g_hash_table_iter_next(&iter, NULL, &worker))
        master_worker_forget_requests(worker);
}

static void
on_closed(gpointer data)
{
    Master *master = data;

    drop_connection(master);
    master->on_end(master->data);
}

void
master_accept(Master *master, int fd)
{
    static const PacketSocketEvents events = {on_packet, on_closed};

    drop_connection(master);
    master->cloched = packet_socket_new(fd, EGRESS_PACKET_MAX, &events, master);
    master_answer(master, EGRESS_READY, "", /* serial= */ 0);
}

/* --- the spawner --- */

static gboolean
on_spawner_packet(const void *packet, gsize size, int fd, gpointer data)
{
    Master *master = data;
    MasterWorker *worker;
    SpawnerEnd end;

    if (size != sizeof end || fd >= 0)
        return FALSE;
    memcpy(&end, packet, sizeof end);
    worker = g_hash_table_lookup(master->numbers, GUINT_TO_POINTER(end.number));
    if (worker)
        master_worker_take_end(worker, end.status);
    return TRUE;
}

static void
on_spawner_closed(gpointer data)
{
    Master *master = data;

    master->on_lost(master->data);
}

/* --- life --- */

Master *
master_new(int spawner, Store *store, ResolverLink *resolver, void (*on_end)(gpointer data),
           void (*on_lost)(gpointer data), gpointer data)
{
    static const PacketSocketEvents events = {on_spawner_packet, on_spawner_closed};
    Master *master = g_new0(Master, 1);

    master->store = store;
    master->resolver = resolver;
    master->workers = g_hash_table_new(g_str_hash, g_str_equal);
    master->numbers = g_hash_table_new(NULL, NULL);
    master->on_end = on_end;
    master->on_lost = on_lost;
    master->data = data;
    master->spawner = packet_socket_new(spawner, sizeof(SpawnerEnd), &events, master);
    return master;
}

void
master_free(Master *master)
{
    g_autoptr(GList) workers = g_hash_table_get_values(master->numbers);

    for (GList *l = workers; l; l = l->next)
        master_worker_free(l->data);
    packet_socket_free(master->cloched);
    packet_socket_free(master->spawner);
    g_hash_table_unref(master->workers);
    g_hash_table_unref(master->numbers);
    g_free(master);
}
