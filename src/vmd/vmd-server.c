/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmd-server: the connection to cloched. */
#include "closer.h"
#include "vmd-private.h"

/* A cloched that asks for more at a time violates the protocol. */
#define WORKS_MAX 16384u

/* --- the connection --- */

static void
drop_connection(VmdServer *server)
{
    g_autoptr(GList) works = g_hash_table_get_values(server->requests);

    g_clear_pointer(&server->socket, packet_socket_free);
    for (GList *l = works; l; l = l->next)
        g_cancellable_cancel(((const VmdWork *)l->data)->cancellable);
    g_hash_table_remove_all(server->requests); /* serials begin anew */
    vm_stop_trying(server->vm);                /* the next cloched begins all of it anew */
    vmd_machines_leave_all(server);
}

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    VmdServer *server = data;
    VmRequest request;

    if (server->works < WORKS_MAX && vm_request_unpack(packet, size, fd >= 0 ? 1 : 0, &request) &&
        !g_hash_table_contains(server->requests, GUINT_TO_POINTER(request.serial))) {
        vmd_request(server, &request, fd);
        return TRUE;
    }
    g_warning("cloched has violated the protocol");
    if (fd >= 0)
        closer_close(fd);
    return FALSE;
}

static void
on_closed(gpointer data)
{
    VmdServer *server = data;

    drop_connection(server);
    server->on_end(server->on_end_data);
}

static void
send_libvirt(VmdServer *server)
{
    VmAnswer answer;

    if (server->libvirt == UNKNOWN)
        return;
    vm_answer_init(&answer, VM_ANSWER_LIBVIRT, /* serial= */ 0);
    answer.number = server->libvirt == ANSWERS ? 1 : 0;
    vmd_answer(server, &answer, /* fd= */ -1);
}

static void
on_libvirt(gboolean answers, gpointer data)
{
    VmdServer *server = data;

    server->libvirt = answers ? ANSWERS : IS_AWAY;
    send_libvirt(server);
}

void
vmd_server_accept(VmdServer *server, int fd)
{
    static const PacketSocketEvents events = {on_packet, on_closed};
    VmAnswer ready;

    drop_connection(server);
    server->connection++;
    if (server->vm->ops->keep_trying)
        server->vm->ops->keep_trying(server->vm);
    server->socket = packet_socket_new(fd, sizeof(VmRequest), &events, server);
    vm_answer_init(&ready, VM_ANSWER_READY, /* serial= */ 0);
    vmd_answer(server, &ready, /* fd= */ -1);
    send_libvirt(server);
}

/* --- life --- */

static void
machine_free(gpointer data)
{
    VmdMachine *machine = data;

    g_queue_clear_full(&machine->queue, (GDestroyNotify)vmd_work_free);
    g_free(machine->name);
    g_free(machine);
}

VmdServer *
vmd_server_new(const VmdConfig *config, Vm *vm, void (*on_end)(gpointer data), gpointer data)
{
    VmdServer *server = g_new0(VmdServer, 1);

    server->config = config;
    server->vm = vm;
    server->on_end = on_end;
    server->on_end_data = data;
    vm_watch(vm, on_libvirt, server);
    server->requests = g_hash_table_new(NULL, NULL);
    server->machines = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, machine_free);
    return server;
}

void
vmd_server_free(VmdServer *server)
{
    drop_connection(server);
    vm_watch(server->vm, /* answers= */ NULL, /* data= */ NULL);
    g_hash_table_unref(server->machines);
    g_hash_table_unref(server->requests);
    g_free(server);
}
