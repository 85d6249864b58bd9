/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-client: a Vm whose machines are made by cloche-vm.
 *
 * After a new connection, the client asks for the facts by which its templates were made, and for
 * each of its machines; until it has all answers, no other request is sent. So the owner of a
 * machine is informed of an end that happened meanwhile, and a template that does not fit any more
 * is not used.
 */
#include <unistd.h>

#include "error.h"
#include "vm-client-private.h"
#include "vm-facts-value.h"

/* Between attempts to connect. */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000

static void reconnect_later(VmClient *client);

/* --- recovery --- */

static void
finish_recovery(VmClient *client)
{
    if (--client->recovering > 0)
        return;
    if (client->was_ready)
        g_message("Connected to cloche-vm again");
    client->was_ready = TRUE;
    client_calls_flush(client);
    if (client->libvirt_answers)
        vm_report_answers(&client->base, TRUE);
}

/* cloche-vm has forgotten whether the owner wants the machine to run. */
static void
recover_stall(ClientMachine *machine, gboolean is_stalled)
{
    client_machine_set_stalled(machine, is_stalled);
    client_machine_hold_again(machine);
}

static void
recover_machine(VmClient *client, const char *name, const VmAnswer *answer)
{
    ClientMachine *machine = g_hash_table_lookup(client->machines, name);

    if (!machine) /* its owner has left it */
        return;
    if (answer->type == VM_ANSWER_REJOINED)
        recover_stall(machine, answer->number != 0);
    else
        client_machine_end(machine, MACHINE_DIED);
}

static void
recover_facts(VmClient *client, const VmFactsAnswer *answer)
{
    VmFacts now;

    vm_answer_get_facts(answer, &now);
    g_free(client->change);
    client->change = facts_find_change(&client->facts, &now);
}

/* An answer to a request that finds facts or a machine again. */
static void
take_recovery(ClientCall *call, const VmFactsAnswer *answer)
{
    VmClient *client = call->client;
    gboolean failed =
        answer->head.type != VM_ANSWER_REJOINED && answer->head.type != VM_ANSWER_FACTS;
    gboolean is_gone = failed && answer->head.type == VM_ANSWER_FAILED &&
                       (answer->head.number == CLOCHE_ERROR_GUEST_LOST ||
                        answer->head.number == CLOCHE_ERROR_TIMED_OUT);

    /* That cloche-vm cannot ask libvirt does not mean that a machine is gone. */
    if (failed && !(is_gone && call->request.type == VM_REQUEST_REJOIN)) {
        client_call_pause(call);
        return;
    }
    if (call->request.type == VM_REQUEST_REJOIN)
        recover_machine(client, call->request.name, &answer->head);
    else
        recover_facts(client, answer);
    client_call_done(call);
    finish_recovery(client);
}

static void
recover(VmClient *client)
{
    GHashTableIter iter;
    gpointer value;

    client->pause_ms = PAUSE_MIN_MS;
    client->recovering = 1;
    if (client->facts.accelerator) {
        ClientCall *call = client_call_new(client, VM_REQUEST_RECALL, /* task= */ NULL);

        call->request.is_emulated = client->facts.emulated;
        client->recovering++;
        client_call_submit(call);
    }
    g_hash_table_iter_init(&iter, client->machines);
    while (g_hash_table_iter_next(&iter, /* key= */ NULL, &value)) {
        const ClientMachine *machine = value;
        ClientCall *call;

        if (machine->has_ended)
            continue;
        call = client_call_new(client, VM_REQUEST_REJOIN, /* task= */ NULL);
        vm_field_set(call->request.name, VM_NAME_SIZE, machine->name);
        call->request.is_held = machine->is_held ? 1 : 0;
        client->recovering++;
        client_call_submit(call);
    }
    finish_recovery(client);
}

/* --- answers --- */

static void
take_done(ClientCall *call, const VmAnswer *answer)
{
    g_autoptr(GTask) task = g_steal_pointer(&call->task);
    GError *error = g_steal_pointer(&call->error);
    gint32 number = answer->number;
    gboolean is_sweep = call->request.type == VM_REQUEST_SWEEP;

    client_call_done(call);
    if (error)
        g_task_return_error(task, error);
    else if (is_sweep)
        g_task_return_int(task, number);
    else
        g_task_return_boolean(task, TRUE);
}

static void
take_facts(ClientCall *call, const VmFactsAnswer *answer)
{
    VmClient *client = call->client;
    g_autoptr(GTask) task = g_steal_pointer(&call->task);
    VmFacts facts;

    client_call_done(call);
    vm_answer_get_facts(answer, &facts);
    facts_clear(&client->facts);
    facts_copy(&client->facts, &facts);
    g_clear_pointer(&client->change, g_free);
    g_task_return_boolean(task, TRUE);
}

static void
take_failure(ClientCall *call, const VmAnswer *answer)
{
    if (call->request.type == VM_REQUEST_DESTROY && !call->client->stops_trying) {
        g_warning("%s; trying again", answer->text);
        client_call_pause(call);
    } else {
        client_call_fail(call, vm_answer_get_error(answer));
    }
}

/* Returns FALSE if the answer violates the protocol. Takes `fd`, except then. */
static gboolean
take_answer(VmClient *client, const VmFactsAnswer *answer, int fd)
{
    ClientCall *call = client_call_answered(client, &answer->head);

    if (!call)
        return FALSE;
    if (client_call_is_recovery(call))
        take_recovery(call, answer);
    else if (client_answer_is_failure(&answer->head))
        take_failure(call, &answer->head);
    else if (answer->head.type == VM_ANSWER_MACHINE)
        client_take_machine(call, &answer->head, fd);
    else if (answer->head.type == VM_ANSWER_NET)
        client_take_net(call, fd);
    else if (answer->head.type == VM_ANSWER_FACTS)
        take_facts(call, answer);
    else
        take_done(call, &answer->head);
    return TRUE;
}

/* --- the connection --- */

/* After a new connection, the watcher is called when calls can be made. */
static void
take_libvirt(VmClient *client, gboolean answers)
{
    client->libvirt_answers = answers;
    if (client->recovering == 0 || !answers)
        vm_report_answers(&client->base, answers);
}

static gboolean
take_event(VmClient *client, const VmAnswer *answer)
{
    ClientMachine *machine = g_hash_table_lookup(client->machines, answer->name);

    if (answer->type == VM_ANSWER_LIBVIRT) {
        take_libvirt(client, answer->number != 0);
        return TRUE;
    }
    if (!machine) /* it is being destroyed */
        return TRUE;
    if (answer->type == VM_ANSWER_ENDED)
        client_machine_end(machine, (MachineEnd)answer->number);
    else
        client_machine_set_stalled(machine, answer->number != 0);
    return TRUE;
}

static gboolean
take_first(VmClient *client, const VmAnswer *answer)
{
    if (answer->type == VM_ANSWER_FAILED)
        g_warning("cloche-vm is not ready: %s", answer->text);
    if (answer->type != VM_ANSWER_READY)
        return FALSE;
    client->is_ready = TRUE;
    recover(client);
    return TRUE;
}

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    VmClient *client = data;
    VmFactsAnswer answer;
    gboolean is_good = vm_answer_unpack(packet, size, fd >= 0 ? 1 : 0, &answer);

    if (is_good && !client->is_ready)
        is_good = take_first(client, &answer.head);
    else if (is_good && answer.head.serial == 0)
        is_good = answer.head.type != VM_ANSWER_READY && take_event(client, &answer.head);
    else if (is_good && take_answer(client, &answer, fd))
        return TRUE;
    else
        is_good = FALSE;
    if (!is_good && fd >= 0)
        close(fd);
    return is_good;
}

static void
on_closed(gpointer data)
{
    VmClient *client = data;

    if (client->is_ready)
        g_warning("The connection to cloche-vm was lost; machines continue");
    client->is_ready = client->libvirt_answers = FALSE;
    client->recovering = 0;
    g_clear_pointer(&client->socket, packet_socket_free);
    client_calls_lose(client);
    vm_report_answers(&client->base, FALSE);
    reconnect_later(client);
}

static void
use_socket(VmClient *client, int fd)
{
    static const PacketSocketEvents events = {on_packet, on_closed};

    client->socket = packet_socket_new(fd, sizeof(VmFactsAnswer), &events, client);
}

static gboolean
on_reconnect(gpointer data)
{
    VmClient *client = data;
    g_autoptr(GError) error = NULL;
    int fd = service_peer_connect(client->peer, /* ret_is_missing= */ NULL, &error);

    client->timer = 0;
    if (fd >= 0) {
        use_socket(client, fd);
    } else {
        if (client->pause_ms == PAUSE_MIN_MS)
            g_warning("%s", error->message);
        reconnect_later(client);
    }
    return G_SOURCE_REMOVE;
}

static void
reconnect_later(VmClient *client)
{
    client->timer = g_timeout_add(client->pause_ms, on_reconnect, client);
    client->pause_ms = MIN(client->pause_ms * 2, PAUSE_MAX_MS);
}

/* --- probe and sweep --- */

static void
client_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                   const MachineUser *user, GCancellable *cancellable, GAsyncReadyCallback callback,
                   gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    ClientCall *call = client_call_new((VmClient *)vm, VM_REQUEST_PROBE, task);
    g_autofree char *folder = g_path_get_dirname(kernel), *image = g_path_get_basename(folder);

    call->request.uid = user->uid;
    call->cancellable = cancellable;
    if (vm_field_set(call->request.image, VM_KEY_SIZE, image))
        client_call_submit(call);
    else
        client_call_fail(call, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                           "the name of the image '%s' is too long", image));
}

static const VmFacts *
client_probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error) ? &((VmClient *)vm)->facts : NULL;
}

static guint
client_probe_pause_ms(Vm *vm, guint failures)
{
    static const guint pauses_ms[] = {1000, 5000, 30000};

    return failures <= G_N_ELEMENTS(pauses_ms) ? pauses_ms[failures - 1] : 60000;
}

static void
client_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    ClientCall *call = client_call_new((VmClient *)vm, VM_REQUEST_SWEEP, task);

    vm_field_set(call->request.name, VM_NAME_SIZE, prefix);
    client_call_submit(call);
}

static int
client_sweep_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return (int)g_task_propagate_int(G_TASK(result), error);
}

static gboolean
boolean_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static gboolean
client_machine_done(Machine *machine, GAsyncResult *result, GError **error)
{
    return boolean_finish(result, error);
}

static gboolean
client_destroy_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return boolean_finish(result, error);
}

static void
client_stop_trying(Vm *vm)
{
    VmClient *client = (VmClient *)vm;
    VmRequest request;

    client->stops_trying = TRUE;
    vm_request_init(&request, VM_REQUEST_STOP_TRYING, 0);
    client_tell(client, &request);
    client_calls_stop_trying(client);
}

/* --- life --- */

static void
client_close(Vm *vm)
{
    VmClient *client = (VmClient *)vm;

    client->stops_trying = TRUE;
    client->is_ready = FALSE;
    g_clear_handle_id(&client->timer, g_source_remove);
    g_clear_pointer(&client->socket, packet_socket_free);
    client_calls_lose(client);
    client_calls_stop_trying(client);
    service_peer_free(client->peer);
    g_hash_table_unref(client->sent);
    g_hash_table_unref(client->machines);
    facts_clear(&client->facts);
    g_free(client->change);
    g_free(client);
}

static const VmOps client_ops = {
    .close = client_close,
    .probe_async = client_probe_async,
    .probe_finish = client_probe_finish,
    .probe_pause_ms = client_probe_pause_ms,
    .start_async = client_start_async,
    .start_finish = client_machine_finish,
    .adopt_async = client_adopt_async,
    .adopt_finish = client_machine_finish,
    .save_async = client_save_async,
    .save_finish = client_machine_done,
    .capture_async = client_capture_async,
    .capture_finish = client_machine_done,
    .release_async = client_release_async,
    .release_finish = client_machine_done,
    .destroy_async = client_destroy_async,
    .destroy_finish = client_destroy_finish,
    .open_net_async = client_open_net_async,
    .open_net_finish = client_open_net_finish,
    .hold = client_hold,
    .leave = client_leave,
    .stop_trying = client_stop_trying,
    .pid = client_pid,
    .sweep_async = client_sweep_async,
    .sweep_finish = client_sweep_finish,
};

static VmClient *
client_new(ServicePeer *peer)
{
    VmClient *client = g_new0(VmClient, 1);

    client->base.ops = &client_ops;
    client->peer = peer;
    client->pause_ms = PAUSE_MIN_MS;
    client->sent = g_hash_table_new(NULL, NULL);
    client->machines = g_hash_table_new(g_str_hash, g_str_equal);
    g_queue_init(&client->waiting);
    g_queue_init(&client->pausing);
    return client;
}

static Vm *
open_service(ServicePeer *peer)
{
    VmClient *client = client_new(peer);

    on_reconnect(client);
    return &client->base;
}

/* A mistake in the configuration of the embedded driver is reported at once. */
static Vm *
open_child(ServicePeer *peer, GError **error)
{
    int fd = service_peer_connect(peer, /* ret_is_missing= */ NULL, error);
    VmClient *client;

    if (fd < 0 || !vm_peer_wait(fd, error)) {
        if (fd >= 0)
            close(fd);
        service_peer_free(peer);
        return NULL;
    }
    client = client_new(peer);
    client->is_ready = client->was_ready = TRUE;
    use_socket(client, fd);
    return &client->base;
}

Vm *
vm_open(const VmAccess *access, GError **error)
{
    ServicePeer *peer = vm_peer_new(access);

    return access->socket ? open_service(peer) : open_child(peer, error);
}
