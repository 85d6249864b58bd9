/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-client-calls: requests of a client, and what becomes of them when the connection is lost.
 *
 * A machine whose start was under way may exist, and nobody knows. So its caller gets the error
 * only when the next connection has destroyed it. A destroy is tried until it succeeds.
 */
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "vm-client-private.h"

#define PAUSE_S 1

static const struct {
    VmAnswerType answer;
    gboolean waits; /* for a connection, if there is none */
} rules[_VM_REQUEST_MAX] = {
    [VM_REQUEST_PROBE] = {VM_ANSWER_FACTS, FALSE},
    [VM_REQUEST_RECALL] = {VM_ANSWER_FACTS, FALSE},
    [VM_REQUEST_BOOT] = {VM_ANSWER_MACHINE, FALSE},
    [VM_REQUEST_RESTORE] = {VM_ANSWER_MACHINE, FALSE},
    [VM_REQUEST_ADOPT] = {VM_ANSWER_MACHINE, TRUE},
    [VM_REQUEST_REJOIN] = {VM_ANSWER_REJOINED, FALSE},
    [VM_REQUEST_SAVE] = {VM_ANSWER_DONE, FALSE},
    [VM_REQUEST_DESTROY] = {VM_ANSWER_DONE, TRUE},
    [VM_REQUEST_SWEEP] = {VM_ANSWER_DONE, TRUE},
    [VM_REQUEST_OPEN_NET] = {VM_ANSWER_NET, FALSE},
    [VM_REQUEST_CAPTURE] = {VM_ANSWER_DONE, FALSE},
    [VM_REQUEST_RELEASE] = {VM_ANSWER_DONE, FALSE},
};

gboolean
client_call_is_recovery(const ClientCall *call)
{
    return call->request.type == VM_REQUEST_RECALL || call->request.type == VM_REQUEST_REJOIN;
}

static gboolean
is_start(const ClientCall *call)
{
    return call->request.type == VM_REQUEST_BOOT || call->request.type == VM_REQUEST_RESTORE;
}

ClientCall *
client_call_new(VmClient *client, VmRequestType type, GTask *task)
{
    ClientCall *call = g_new0(ClientCall, 1);

    call->client = client;
    call->task = task;
    call->fd = -1;
    vm_request_init(&call->request, type, /* serial= */ 0);
    return call;
}

static void
stop_watching(ClientCall *call)
{
    if (call->cancel_handler != 0)
        g_signal_handler_disconnect(call->cancellable, call->cancel_handler);
    call->cancel_handler = 0;
}

void
client_call_done(ClientCall *call)
{
    stop_watching(call);
    g_clear_handle_id(&call->timer, g_source_remove);
    if (call->fd >= 0)
        close(call->fd);
    g_clear_error(&call->error);
    g_clear_object(&call->task);
    g_free(call);
}

void
client_call_fail(ClientCall *call, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&call->task);

    client_call_done(call);
    if (task)
        g_task_return_error(task, error);
    else
        g_error_free(error);
}

/* --- sending --- */

static guint32
next_serial(VmClient *client)
{
    do
        client->serial++;
    while (client->serial == 0 ||
           g_hash_table_contains(client->sent, GUINT_TO_POINTER(client->serial)));
    return client->serial;
}

void
client_tell(VmClient *client, VmRequest *request)
{
    request->serial = next_serial(client);
    if (client->is_ready)
        packet_socket_send(client->socket, request, sizeof *request, /* fd= */ -1);
}

static void
send_cancel(ClientCall *call)
{
    VmRequest request;

    vm_request_init(&request, VM_REQUEST_CANCEL, 0);
    request.target = call->request.serial;
    client_tell(call->client, &request);
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
    send_cancel(data);
}

static void
watch_cancellable(ClientCall *call)
{
    if (!call->cancellable)
        return;
    if (g_cancellable_is_cancelled(call->cancellable))
        send_cancel(call);
    else
        call->cancel_handler =
            g_signal_connect(call->cancellable, "cancelled", G_CALLBACK(on_cancelled), call);
}

static void
send_now(ClientCall *call)
{
    VmClient *client = call->client;

    call->request.serial = next_serial(client);
    g_hash_table_insert(client->sent, GUINT_TO_POINTER(call->request.serial), call);
    packet_socket_send(client->socket, &call->request, sizeof call->request, call->fd);
    if (call->fd >= 0)
        close(call->fd);
    call->fd = -1;
    watch_cancellable(call);
}

static GError *
no_connection(void)
{
    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                       "there is no connection to cloche-vm; cloched tries to connect");
}

void
client_call_submit(ClientCall *call)
{
    VmClient *client = call->client;

    if (client->is_ready && (client->recovering == 0 || client_call_is_recovery(call)))
        send_now(call);
    else if (!rules[call->request.type].waits || client->stops_trying)
        client_call_fail(call, no_connection());
    else
        g_queue_push_tail(&client->waiting, call);
}

void
client_calls_flush(VmClient *client)
{
    ClientCall *call;

    while (client->is_ready && (call = g_queue_pop_head(&client->waiting)))
        send_now(call);
}

/* --- pauses --- */

static gboolean
on_pause_over(gpointer data)
{
    ClientCall *call = data;

    call->timer = 0;
    g_queue_remove(&call->client->pausing, call);
    client_call_submit(call);
    return G_SOURCE_REMOVE;
}

void
client_call_pause(ClientCall *call)
{
    g_queue_push_tail(&call->client->pausing, call);
    call->timer = g_timeout_add_seconds(PAUSE_S, on_pause_over, call);
}

/* --- the end of a connection --- */

static void
become_destroy(ClientCall *call)
{
    VmRequest request;

    vm_request_init(&request, VM_REQUEST_DESTROY, 0);
    memcpy(request.name, call->request.name, sizeof request.name);
    call->request = request;
    call->error = g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                              "machine '%s' did not start: the connection to cloche-vm was lost",
                              request.name);
}

static void
lose(ClientCall *call)
{
    stop_watching(call);
    if (client_call_is_recovery(call)) {
        client_call_done(call);
        return;
    }
    if (is_start(call))
        become_destroy(call);
    if (rules[call->request.type].waits)
        client_call_submit(call);
    else
        client_call_fail(call, no_connection());
}

static gint
compare_serials(gconstpointer a, gconstpointer b)
{
    return (gint32)(((const ClientCall *)a)->request.serial -
                    ((const ClientCall *)b)->request.serial); /* they wrap around */
}

/* Calls that are sent again keep their order: a sweep destroys what no earlier call has adopted. */
void
client_calls_lose(VmClient *client)
{
    g_autoptr(GList) sent = g_list_sort(g_hash_table_get_values(client->sent), compare_serials);
    g_autoptr(GList) pausing = g_list_copy(client->pausing.head);

    g_hash_table_remove_all(client->sent);
    for (GList *l = sent; l; l = l->next)
        lose(l->data);
    for (GList *l = pausing; l; l = l->next) {
        ClientCall *call = l->data;

        if (client_call_is_recovery(call)) {
            g_queue_remove(&client->pausing, call);
            client_call_done(call);
        }
    }
}

void
client_calls_stop_trying(VmClient *client)
{
    ClientCall *call;

    while ((call = g_queue_pop_head(&client->waiting)) ||
           (call = g_queue_pop_head(&client->pausing)))
        client_call_fail(call, no_connection());
}

/* --- answers --- */

gboolean
client_answer_is_failure(const VmAnswer *answer)
{
    return answer->type == VM_ANSWER_FAILED || answer->type == VM_ANSWER_CANCELLED;
}

ClientCall *
client_call_answered(VmClient *client, const VmAnswer *answer)
{
    gpointer serial = GUINT_TO_POINTER(answer->serial);
    ClientCall *call = g_hash_table_lookup(client->sent, serial);

    if (!call ||
        (!client_answer_is_failure(answer) && answer->type != rules[call->request.type].answer))
        return NULL;
    g_hash_table_remove(client->sent, serial);
    stop_watching(call);
    return call;
}
