/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* master-worker: one worker, as the master sees it. What it sends may come from an attacker. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "master-private.h"
#include "report.h"
#include "secret-file.h"
#include "util.h"

#define ANSWER_MAX (sizeof(EgressHead) + EGRESS_PEM_MAX + 8)
#define REQUESTS_MAX 64u /* without an answer; a worker with more hangs */
#define UNREAD_MAX 512u  /* messages, of which each may have a descriptor */
#define REMOVE_MS 1000u  /* for the last lines of the log */
/* Between two connections to the resolver; workers wait a little longer. */
#define RESOLVER_PAUSE_US (G_USEC_PER_SEC / 2)

/* --- life --- */

/* The worker may have kept its end. */
static void
end_resolver(MasterWorker *worker)
{
    if (worker->resolver >= 0) {
        shutdown(worker->resolver, SHUT_RDWR);
        close(worker->resolver);
    }
    worker->resolver = -1;
}

static void
request_free(gpointer data)
{
    MasterRequest *request = data;

    master_values_clear(request->values);
    g_strfreev(request->keys);
    g_free(request);
}

void
master_worker_free(MasterWorker *worker)
{
    g_clear_handle_id(&worker->kill_source, g_source_remove);
    g_queue_clear_full(&worker->requests, request_free);
    master_values_clear(worker->values);
    g_clear_error(&worker->error);
    packet_socket_free(worker->socket);
    end_resolver(worker);
    g_free(worker->reason);
    g_free(worker->id);
    g_free(worker);
}

void
master_worker_forget_requests(MasterWorker *worker)
{
    g_queue_clear_full(&worker->requests, request_free);
    g_queue_init(&worker->requests);
    worker->remove_serial = 0;
}

static void
kill_process(MasterWorker *worker)
{
    const SpawnerRequest request = {.order = SPAWNER_KILL, .number = worker->number};

    packet_socket_send(worker->master->spawner, &request, sizeof request, /* fd= */ -1);
}

/* A worker that violates the protocol is not asked. */
static void
end_by_force(MasterWorker *worker, const char *reason)
{
    if (!worker->reason)
        worker->reason = g_strdup(reason);
    kill_process(worker);
}

/* --- what a worker sends --- */

static MasterRequest *
take_request(MasterWorker *worker, guint32 own)
{
    for (GList *l = worker->requests.head; l; l = l->next) {
        MasterRequest *request = l->data;

        if (request->own == own) {
            g_queue_delete_link(&worker->requests, l);
            return request;
        }
    }
    return NULL;
}

static gboolean
fits(const MasterRequest *request, EgressType type)
{
    return request->type == EGRESS_SET ? type == EGRESS_DONE || type == EGRESS_FAILED
                                       : type == EGRESS_FIGURES;
}

/* FALSE: the answer does not fit. One to a cloched that has ended is dropped. */
static gboolean
take_answer(MasterWorker *worker, const EgressHead *head, const guint8 *payload)
{
    MasterRequest *request = take_request(worker, head->serial);
    EgressHead answer = *head;
    gboolean good = !request || fits(request, (EgressType)head->type);

    if (request && good) {
        if (head->type == EGRESS_DONE && !worker->is_removed) {
            worker->has_policy = TRUE;
            master_secrets_store(worker, request);
        }
        answer.serial = request->serial;
        master_send(worker->master, &answer, payload, head->length);
    }
    if (request)
        request_free(request);
    return good;
}

static void
take_reason(MasterWorker *worker, const EgressHead *head, const guint8 *payload)
{
    g_autofree char *text = NULL;
    WireReader r;

    wire_reader_init(&r, payload, head->length);
    text = wire_get_string(&r, EGRESS_TEXT_MAX);
    if (text && !worker->reason)
        worker->reason = g_utf8_make_valid(text, -1);
}

/* One for each SET, so that no worker can occupy cloched. */
static void
take_exhaustion(MasterWorker *worker, const EgressHead *head)
{
    if (!worker->is_removed && !worker->is_exhausted)
        master_send(worker->master, head, /* payload= */ NULL, 0);
    worker->is_exhausted = TRUE;
}

static gboolean
take_message(MasterWorker *worker, const EgressHead *head, const guint8 *payload)
{
    if (!g_str_equal(head->id, worker->id))
        return FALSE;
    switch (head->type) {
    case EGRESS_DONE:
    case EGRESS_FAILED:
    case EGRESS_FIGURES:
        return take_answer(worker, head, payload);
    case EGRESS_LOST:
        take_reason(worker, head, payload);
        return TRUE;
    case EGRESS_EXHAUSTED:
        take_exhaustion(worker, head);
        return TRUE;
    default:
        return FALSE;
    }
}

/* Each worker has one connection at a time, so that no worker can use up those of the resolver. The
 * resolver has to know the owner. */
static void
give_resolver(MasterWorker *worker)
{
    gint64 now = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    EgressHead head;

    if (!worker->has_owner || now < worker->resolver_at)
        return;
    worker->resolver_at = now + RESOLVER_PAUSE_US;
    end_resolver(worker);
    worker->resolver = resolver_link_connect(worker->master->resolver, worker->owner, &error);
    if (worker->resolver < 0) {
        g_warning("%s", error->message);
        return;
    }
    egress_head_init(&head, (EgressType)INTERNAL_RESOLVER, worker->id, /* serial= */ 0);
    master_worker_send(worker, &head, /* payload= */ NULL, 0, worker->resolver);
}

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    MasterWorker *worker = data;
    const guint8 *payload;
    EgressHead head;

    if (fd < 0 && internal_unpack(packet, size, FALSE, /* from_worker= */ TRUE, &head, &payload)) {
        give_resolver(worker);
        return TRUE;
    }
    if (fd < 0 && egress_unpack(packet, size, FALSE, /* from_cloched= */ FALSE, &head, &payload) &&
        take_message(worker, &head, payload))
        return TRUE;
    if (fd >= 0)
        close(fd);
    end_by_force(worker, "the worker has violated the protocol");
    return FALSE;
}

/* --- its end --- */

static char *
describe_status(int status)
{
    if (status == -1)
        return g_strdup("no process could be made");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return g_strdup("the worker was killed; perhaps memory was short");
    if (WIFSIGNALED(status))
        return g_strdup_printf("the worker has crashed: signal %d (%s)", WTERMSIG(status),
                               sigabbrev_np(WTERMSIG(status)));
    return g_strdup_printf("the worker has ended with status %d", WEXITSTATUS(status));
}

static void
report_lost(MasterWorker *worker, const char *reason)
{
    guint8 buffer[EGRESS_TEXT_MAX + 8];
    WireWriter w = {.data = buffer, .size = sizeof buffer};
    EgressHead head;

    g_log_structured("cloche", G_LOG_LEVEL_WARNING, "MESSAGE_ID", REPORT_LOST_ID, "SANDBOX_ID",
                     worker->id, "MESSAGE", "The network of sandbox %s has ended: %s", worker->id,
                     reason);
    egress_head_init(&head, EGRESS_LOST, worker->id, /* serial= */ 0);
    wire_put_string(&w, reason);
    master_send(worker->master, &head, buffer, w.used);
}

static void
fail_requests(MasterWorker *worker, const char *reason)
{
    g_autoptr(GError) error =
        g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "The network has ended: %s", reason);

    for (GList *l = worker->requests.head; l; l = l->next)
        master_answer_failed(worker->master, worker->id, ((const MasterRequest *)l->data)->serial,
                             error);
}

static void
finish(MasterWorker *worker)
{
    Master *master = worker->master;
    g_autofree char *by_status = describe_status(worker->status);
    const char *reason = worker->reason ? worker->reason : by_status;

    fail_requests(worker, worker->is_removed ? "it was removed" : reason);
    if (!worker->is_removed) {
        g_hash_table_remove(master->workers, worker->id);
        report_lost(worker, reason);
    } else if (worker->remove_serial != 0) {
        master_answer(master, EGRESS_DONE, worker->id, worker->remove_serial);
    }
    g_hash_table_remove(master->numbers, GUINT_TO_POINTER(worker->number));
    master_worker_free(worker);
}

/* Its last messages may still be in the socket. */
void
master_worker_take_end(MasterWorker *worker, int status)
{
    worker->has_ended = TRUE;
    worker->status = status;
    if (!worker->socket)
        finish(worker);
}

static void
on_closed(gpointer data)
{
    MasterWorker *worker = data;

    g_clear_pointer(&worker->socket, packet_socket_free);
    if (worker->has_ended)
        finish(worker);
    else
        end_by_force(worker, /* reason= */ NULL);
}

static void
on_remove_timeout(gpointer data)
{
    MasterWorker *worker = data;

    worker->kill_source = 0;
    kill_process(worker);
}

void
master_worker_remove(MasterWorker *worker, guint32 serial)
{
    EgressHead head;

    worker->is_removed = TRUE;
    worker->remove_serial = serial;
    g_hash_table_remove(worker->master->workers, worker->id);
    egress_head_init(&head, EGRESS_REMOVE, worker->id, serial);
    master_worker_send(worker, &head, /* payload= */ NULL, 0, /* fd= */ -1);
    worker->kill_source = g_timeout_add_once(REMOVE_MS, on_remove_timeout, worker);
}

/* --- what cloched sends --- */

/* FALSE: it would keep more of the master's descriptors than one worker may. */
static gboolean
check_reads(MasterWorker *worker)
{
    if (worker->is_hanging || packet_socket_waiting(worker->socket) < UNREAD_MAX)
        return !worker->is_hanging;
    worker->is_hanging = TRUE;
    end_by_force(worker, "the worker does not read its messages");
    return FALSE;
}

void
master_worker_send(MasterWorker *worker, const EgressHead *given, const void *payload, gsize size,
                   int fd)
{
    g_autofree char *packet = g_malloc(sizeof *given + size);
    EgressHead head = *given;

    head.length = (guint32)size;
    memcpy(packet, &head, sizeof head);
    if (size > 0)
        memcpy(packet + sizeof head, payload, size);
    if (worker->socket && check_reads(worker))
        packet_socket_send(worker->socket, packet, sizeof head + size, fd);
    explicit_bzero(packet, sizeof head + size);
}

/* Returns NULL if the worker hangs. */
static MasterRequest *
new_request(MasterWorker *worker, const EgressHead *head)
{
    MasterRequest *request;

    if (worker->requests.length >= REQUESTS_MAX) {
        end_by_force(worker, "the worker does not answer");
        return NULL;
    }
    request = g_new0(MasterRequest, 1);
    request->own = ++worker->last_serial;
    request->serial = head->serial;
    request->type = head->type;
    g_queue_push_tail(&worker->requests, request);
    return request;
}

void
master_worker_take_port(MasterWorker *worker, const EgressHead *head, int fd)
{
    master_worker_send(worker, head, /* payload= */ NULL, 0, fd);
}

void
master_worker_take_secret(MasterWorker *worker, const EgressHead *head, int fd)
{
    MasterValue *value;

    if (worker->error)
        return;
    if (head->number >= NET_SECRETS_MAX) {
        g_set_error(&worker->error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "secrets: more than %u", NET_SECRETS_MAX);
        return;
    }
    value = &worker->values[head->number];
    secret_file_free(value->bytes, value->size);
    *value = (MasterValue){0};
    value->bytes = secret_file_read(fd, &value->size, &worker->error);
}

static void
refuse_set(MasterWorker *worker, const EgressHead *head)
{
    EgressHead drop;

    egress_head_init(&drop, (EgressType)INTERNAL_DROP, worker->id, /* serial= */ 0);
    master_worker_send(worker, &drop, /* payload= */ NULL, 0, /* fd= */ -1);
    master_values_clear(worker->values);
    master_answer_failed(worker->master, worker->id, head->serial, worker->error);
    g_clear_error(&worker->error);
}

/* A new worker gets its connection to the resolver before it can use it. */
static void
take_owner(MasterWorker *worker, guint32 owner)
{
    worker->owner = owner;
    if (worker->has_owner)
        return;
    worker->has_owner = TRUE;
    give_resolver(worker);
}

void
master_worker_take_set(MasterWorker *worker, const EgressHead *head, const guint8 *payload)
{
    EgressHead passed = *head;
    MasterRequest *request;

    if (worker->error) {
        refuse_set(worker, head);
        return;
    }
    request = new_request(worker, head);
    if (!request)
        return;
    take_owner(worker, head->number);
    master_secrets_send(worker, head, payload, request);
    passed.serial = request->own;
    worker->is_exhausted = FALSE;
    master_worker_send(worker, &passed, payload, head->length, /* fd= */ -1);
}

void
master_worker_pass(MasterWorker *worker, const EgressHead *head, int fd)
{
    EgressHead passed = *head;

    if (head->type == EGRESS_TRAFFIC) {
        const MasterRequest *request = new_request(worker, head);

        if (!request)
            return;
        passed.serial = request->own;
    }
    master_worker_send(worker, &passed, /* payload= */ NULL, 0, fd);
}

/* --- start --- */

static void
fork_worker(MasterWorker *worker, int fd)
{
    SpawnerRequest request = {.order = SPAWNER_FORK, .number = worker->number};

    g_strlcpy(request.id, worker->id, sizeof request.id);
    packet_socket_send(worker->master->spawner, &request, sizeof request, fd);
}

MasterWorker *
master_worker_new(Master *master, const char *id, GError **error)
{
    static const PacketSocketEvents events = {on_packet, on_closed};
    MasterWorker *worker;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return NULL;
    }
    worker = g_new0(MasterWorker, 1);
    worker->master = master;
    worker->id = g_strdup(id);
    worker->number = ++master->last_number;
    worker->resolver = -1;
    g_queue_init(&worker->requests);
    worker->socket = packet_socket_new(pair[0], ANSWER_MAX, &events, worker);
    fork_worker(worker, pair[1]);
    close(pair[1]);
    g_hash_table_insert(master->workers, worker->id, worker);
    g_hash_table_insert(master->numbers, GUINT_TO_POINTER(worker->number), worker);
    return worker;
}
