/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* egress-calls: requests to cloche-egress, and their answers. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "closer.h"
#include "egress-private.h"
#include "error.h"

/* --- life --- */

static EgressCall *
call_new(Egress *egress, EgressType type, const char *id, GTask *task)
{
    EgressCall *call = g_new0(EgressCall, 1);

    call->egress = egress;
    call->type = type;
    g_strlcpy(call->id, id, sizeof call->id);
    call->port = -1;
    call->secrets = g_array_new(FALSE, FALSE, sizeof(int));
    call->task = task;
    return call;
}

static void
close_files(EgressCall *call)
{
    if (call->port >= 0)
        close(call->port);
    call->port = -1;
    for (guint i = 0; i < call->secrets->len; i++)
        if (g_array_index(call->secrets, int, i) >= 0)
            closer_close(g_array_index(call->secrets, int, i));
    g_array_set_size(call->secrets, 0);
}

/* It must be in no list any more. */
static void
call_free(EgressCall *call)
{
    g_clear_handle_id(&call->timer, g_source_remove);
    close_files(call);
    g_array_unref(call->secrets);
    g_clear_pointer(&call->payload, g_bytes_unref);
    g_clear_pointer(&call->workers, g_hash_table_unref);
    g_clear_object(&call->task);
    g_free(call);
}

/* Takes the error. */
static void
call_fail(EgressCall *call, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&call->task);

    call_free(call);
    if (task)
        g_task_return_error(task, error);
    else
        g_error_free(error);
}

static GError *
no_connection(const Egress *egress)
{
    if (egress->is_missing)
        return g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                                   "sandboxes of this host have no network, because cloche-egress "
                                   "is not installed");
    return g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                               "there is no connection to cloche-egress now; try again");
}

static gboolean
on_timeout(gpointer data)
{
    EgressCall *call = data;
    Egress *egress = call->egress;
    gboolean drops = call->type == EGRESS_LIST; /* which no worker answers */
    GError *error = call->serial == 0 ? no_connection(egress)
                                      : g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT,
                                                            "cloche-egress did not answer in time");

    call->timer = 0;
    if (call->serial == 0)
        g_queue_remove(&egress->waiting, call);
    else
        g_hash_table_remove(egress->sent, GUINT_TO_POINTER(call->serial));
    call_fail(call, error);
    if (drops)
        egress_drop(egress);
    return G_SOURCE_REMOVE;
}

/* --- sending --- */

static guint32
next_serial(Egress *egress)
{
    do
        egress->serial++;
    while (egress->serial == 0 ||
           g_hash_table_contains(egress->sent, GUINT_TO_POINTER(egress->serial)));
    return egress->serial;
}

static void
send_part(const EgressCall *call, EgressType type, guint32 number, int fd)
{
    EgressHead head;

    egress_head_init(&head, type, call->id, call->serial);
    head.number = number;
    packet_socket_send(call->egress->socket, &head, sizeof head, fd);
}

static void
send_last(const EgressCall *call)
{
    gsize size = 0;
    const void *payload = call->payload ? g_bytes_get_data(call->payload, &size) : NULL;
    g_autofree uint8_t *packet = g_malloc(sizeof(EgressHead) + size);
    EgressHead head;

    egress_head_init(&head, call->type, call->id, call->serial);
    head.number = call->number;
    head.length = (uint32_t)size;
    memcpy(packet, &head, sizeof head);
    if (size > 0)
        memcpy(packet + sizeof head, payload, size);
    packet_socket_send(call->egress->socket, packet, sizeof head + size, /* fd= */ -1);
}

static void
send_now(EgressCall *call)
{
    Egress *egress = call->egress;

    call->serial = next_serial(egress);
    g_hash_table_insert(egress->sent, GUINT_TO_POINTER(call->serial), call);
    if (call->port >= 0)
        send_part(call, EGRESS_PORT, 0, call->port);
    for (guint i = 0; i < call->secrets->len; i++)
        if (g_array_index(call->secrets, int, i) >= 0)
            send_part(call, EGRESS_SECRET, i, g_array_index(call->secrets, int, i));
    send_last(call);
    close_files(call);
}

static void
submit(EgressCall *call)
{
    Egress *egress = call->egress;

    if (!egress->is_ready)
        egress_try_again(egress);
    if (!egress->is_ready && (egress->is_missing || egress->is_closing)) {
        call_fail(call, no_connection(egress));
        return;
    }
    call->timer = g_timeout_add_seconds(EGRESS_TIMEOUT_S, on_timeout, call);
    if (egress->is_ready)
        send_now(call);
    else
        g_queue_push_tail(&egress->waiting, call);
}

void
egress_calls_flush(Egress *egress)
{
    EgressCall *call;

    while (egress->is_ready && (call = g_queue_pop_head(&egress->waiting)))
        send_now(call);
}

void
egress_calls_lose(Egress *egress)
{
    g_autoptr(GList) sent = g_hash_table_get_values(egress->sent);

    g_hash_table_remove_all(egress->sent);
    for (GList *l = sent; l; l = l->next)
        call_fail(l->data, no_connection(egress));
}

void
egress_calls_fail_waiting(Egress *egress)
{
    EgressCall *call;

    while ((call = g_queue_pop_head(&egress->waiting)))
        call_fail(call, no_connection(egress));
}

/* --- answers --- */

char *
egress_read_text(const EgressHead *head, const uint8_t *payload)
{
    WireReader r;
    char *text, *valid;

    wire_reader_init(&r, payload, head->length);
    text = wire_get_string(&r, EGRESS_TEXT_MAX);
    if (wire_reader_end(&r) < 0) {
        free(text);
        return NULL;
    }
    valid = g_utf8_make_valid(text, /* len= */ -1);
    free(text);
    for (char *c = valid; *c; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return valid;
}

/* Certificates in PEM are printable lines. */
static char *
read_certificates(const EgressHead *head, const uint8_t *payload)
{
    WireReader r;
    gsize size = 0;
    const uint8_t *bytes;

    wire_reader_init(&r, payload, head->length);
    bytes = wire_get_bytes(&r, &size);
    if (wire_reader_end(&r) < 0 || size > EGRESS_PEM_MAX)
        return NULL;
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isprint((char)bytes[i]) && bytes[i] != '\n')
            return NULL;
    return g_strndup((const char *)bytes, size);
}

static gboolean
take_failure(EgressCall *call, const EgressHead *head, const uint8_t *payload)
{
    g_autofree char *text = egress_read_text(head, payload);
    int code = head->number < _CLOCHE_ERROR_MAX ? (int)head->number : CLOCHE_ERROR_FAILED;

    /* These two mean something else here. */
    if (code == CLOCHE_ERROR_BUSY || code == CLOCHE_ERROR_TIMED_OUT)
        code = CLOCHE_ERROR_FAILED;
    if (text)
        call_fail(call, g_error_new_literal(CLOCHE_ERROR, code, text));
    return text != NULL;
}

static gboolean
take_set(EgressCall *call, const EgressHead *head, const uint8_t *payload)
{
    char *certificates = read_certificates(head, payload);

    if (!certificates)
        return FALSE;
    g_task_set_task_data(call->task, GUINT_TO_POINTER(head->number), /* destroy= */ NULL);
    g_task_return_pointer(call->task, certificates, g_free);
    call_free(call);
    return TRUE;
}

static gboolean
take_removal(EgressCall *call)
{
    if (call->task)
        g_task_return_boolean(call->task, TRUE);
    call_free(call);
    return TRUE;
}

static gboolean
take_figures(EgressCall *call, const EgressHead *head, const uint8_t *payload)
{
    EgressTraffic traffic;

    if (!egress_traffic_get(payload, head->length, &traffic))
        return FALSE;
    g_task_return_pointer(call->task, g_memdup2(&traffic, sizeof traffic), g_free);
    call_free(call);
    return TRUE;
}

static gboolean
take_list_end(EgressCall *call)
{
    g_task_return_pointer(call->task, g_steal_pointer(&call->workers),
                          (GDestroyNotify)g_hash_table_unref);
    call_free(call);
    return TRUE;
}

/* The call is in no list. FALSE: the answer violates the protocol, and the call goes on. */
static gboolean
take_answer(EgressCall *call, const EgressHead *head, const uint8_t *payload)
{
    if (head->type == EGRESS_FAILED)
        return take_failure(call, head, payload);
    if (call->type == EGRESS_TRAFFIC)
        return head->type == EGRESS_FIGURES && take_figures(call, head, payload);
    if (head->type != EGRESS_DONE)
        return FALSE;
    if (call->type == EGRESS_SET)
        return take_set(call, head, payload);
    if (call->type == EGRESS_LIST)
        return head->length == 0 && take_list_end(call);
    return take_removal(call);
}

static gboolean
take_worker(EgressCall *call, const EgressHead *head)
{
    if (g_hash_table_size(call->workers) >= EGRESS_WORKERS_MAX)
        return FALSE;
    g_hash_table_insert(call->workers, g_strdup(head->id), GINT_TO_POINTER(head->number != 0));
    return TRUE;
}

gboolean
egress_calls_answer(Egress *egress, const EgressHead *head, const uint8_t *payload)
{
    gpointer serial = GUINT_TO_POINTER(head->serial);
    EgressCall *call = g_hash_table_lookup(egress->sent, serial);

    if (!call) /* it has timed out */
        return TRUE;
    if (call->type == EGRESS_LIST && head->type == EGRESS_WORKER)
        return take_worker(call, head);
    if (!g_str_equal(head->id, call->id))
        return FALSE;
    g_hash_table_remove(egress->sent, serial);
    if (take_answer(call, head, payload))
        return TRUE;
    g_hash_table_insert(egress->sent, serial, call); /* fails with the connection */
    return FALSE;
}

/* --- the requests --- */

static GTask *
task_new(GAsyncReadyCallback callback, gpointer data)
{
    return g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
}

static int
duplicate(int fd)
{
    return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

static GBytes *
pack_setting(const EgressSetting *setting)
{
    g_autofree uint8_t *buffer = g_malloc(NET_POLICY_SIZE_MAX);
    WireWriter w = {.data = buffer, .size = NET_POLICY_SIZE_MAX};

    egress_setting_put(&w, setting);
    return w.overflow ? NULL : g_bytes_new(buffer, w.used);
}

void
egress_set_async(Egress *egress, const EgressOrder *order, GAsyncReadyCallback callback,
                 gpointer data)
{
    EgressCall *call = call_new(egress, EGRESS_SET, order->id, task_new(callback, data));

    call->number = order->owner;
    call->payload = pack_setting(order->setting);
    if (!call->payload) {
        call_fail(call, g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                                            "network: the policy is too long"));
        return;
    }
    call->port = duplicate(order->port);
    for (guint i = 0; i < order->n_secrets; i++) {
        int fd = duplicate(order->secrets[i]);

        g_array_append_val(call->secrets, fd);
    }
    submit(call);
}

char *
egress_set_finish(GAsyncResult *result, gboolean *ret_is_exhausted, GError **error)
{
    *ret_is_exhausted = g_task_get_task_data(G_TASK(result)) != NULL;
    return g_task_propagate_pointer(G_TASK(result), error);
}

void
egress_remove(Egress *egress, const char *id)
{
    if (egress && egress->is_ready)
        submit(call_new(egress, EGRESS_REMOVE, id, /* task= */ NULL));
}

void
egress_remove_async(Egress *egress, const char *id, GAsyncReadyCallback callback, gpointer data)
{
    EgressCall *call = call_new(egress, EGRESS_REMOVE, id, task_new(callback, data));

    if (egress->is_ready)
        submit(call);
    else
        call_fail(call, no_connection(egress));
}

gboolean
egress_remove_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
egress_traffic_async(Egress *egress, const char *id, GAsyncReadyCallback callback, gpointer data)
{
    submit(call_new(egress, EGRESS_TRAFFIC, id, task_new(callback, data)));
}

gboolean
egress_traffic_finish(GAsyncResult *result, EgressTraffic *ret, GError **error)
{
    g_autofree EgressTraffic *traffic = g_task_propagate_pointer(G_TASK(result), error);

    if (traffic)
        *ret = *traffic;
    return traffic != NULL;
}

gboolean
egress_watch(Egress *egress, const char *id, int fd, GError **error)
{
    EgressCall call = {.egress = egress};

    if (!egress->is_ready) {
        g_propagate_error(error, no_connection(egress));
        return FALSE;
    }
    g_strlcpy(call.id, id, sizeof call.id);
    call.serial = next_serial(egress);
    send_part(&call, EGRESS_WATCH, 0, fd);
    return TRUE;
}

void
egress_list_async(Egress *egress, GAsyncReadyCallback callback, gpointer data)
{
    EgressCall *call = call_new(egress, EGRESS_LIST, "", task_new(callback, data));

    call->workers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    submit(call);
}

GHashTable *
egress_list_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
