/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-control: the messages of the master. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "inspected.h"
#include "internal.h"
#include "proxy.h"
#include "stream.h"

/* Between two requests for a connection to the resolver. */
#define RESOLVER_PAUSE_US G_USEC_PER_SEC

/* --- answers --- */

void
worker_control_send(Worker *worker, const EgressHead *given, const void *payload, gsize size)
{
    guint8 packet[sizeof(EgressHead) + EGRESS_PEM_MAX + 8];
    EgressHead head = *given;

    head.length = (guint32)size;
    memcpy(packet, &head, sizeof head);
    if (size > 0)
        memcpy(packet + sizeof head, payload, size);
    send(worker->control, packet, sizeof head + size, MSG_NOSIGNAL);
}

static void
answer(Worker *worker, EgressType type, const EgressHead *question, guint32 number, WireWriter *w)
{
    EgressHead head;

    egress_head_init(&head, type, worker->id, question->serial);
    head.number = number;
    worker_control_send(worker, &head, w->data, w->used);
}

static void
answer_failed(Worker *worker, const EgressHead *question, const GError *error)
{
    gboolean has_code = error->domain == CLOCHE_ERROR;
    guint8 buffer[EGRESS_TEXT_MAX + 4];
    WireWriter w = {.data = buffer, .size = sizeof buffer};
    g_autofree char *message = g_strndup(error->message, EGRESS_TEXT_MAX);

    wire_put_string(&w, message);
    answer(worker, EGRESS_FAILED, question,
           has_code ? (guint32)error->code : (guint32)CLOCHE_ERROR_FAILED, &w);
}

static void
answer_figures(Worker *worker, const EgressHead *question)
{
    guint8 buffer[sizeof(EgressTraffic)];
    WireWriter w = {.data = buffer, .size = sizeof buffer};

    egress_traffic_put(&w, &worker->traffic);
    answer(worker, EGRESS_FIGURES, question, 0, &w);
}

static void
answer_set(Worker *worker, const EgressHead *question)
{
    guint8 buffer[EGRESS_PEM_MAX + 8];
    WireWriter w = {.data = buffer, .size = sizeof buffer};
    const char *pem = worker->authority ? authority_pem(worker->authority) : "";

    wire_put_bytes(&w, pem, strlen(pem));
    answer(worker, EGRESS_DONE, question, worker->is_exhausted ? 1 : 0, &w);
}

void
worker_control_check_greeting(Worker *worker)
{
    gboolean waits = worker->port && !guest_port_is_open(worker->port);

    if (worker->greeting.serial == 0 || (waits && worker->now < worker->greeting_end))
        return;
    answer_set(worker, &worker->greeting);
    worker->greeting.serial = 0;
}

/* The answer to an earlier SET is not delayed any further. */
static void
answer_when_greeted(Worker *worker, const EgressHead *question)
{
    worker->greeting_end = worker->now;
    worker_control_check_greeting(worker);
    worker->greeting = *question;
    worker->greeting_end = worker->now + WORKER_GREETING_US;
    worker_wake_at(worker, worker->greeting_end);
}

/* --- SET --- */

static gboolean
check_setting(const Worker *worker, const EgressSetting *setting, GError **error)
{
    for (guint i = 0; i < setting->count; i++)
        if (!net_policy_check(setting->layers[i], error))
            return FALSE;
    if (worker->port || worker->next_port >= 0)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "The connection to the guest's port has ended");
    return FALSE;
}

static NetRules *
make_rules(const EgressSetting *setting)
{
    NetRules *rules = net_rules_new();

    for (guint i = 0; i < setting->count; i++)
        net_rules_add(rules, setting->layers[i], /* is_ceiling= */ i == 0);
    return rules;
}

static void
judge_streams(Worker *worker)
{
    g_autoptr(GList) streams = g_hash_table_get_values(worker->streams);

    for (GList *l = streams; l; l = l->next)
        stream_judge_again(l->data);
}

static void
use_rules(Worker *worker, NetRules *rules)
{
    net_rules_free(worker->rules);
    worker->rules = rules;
    bucket_set_bandwidth(&worker->up, net_rules_bandwidth(rules), worker->now);
    bucket_set_bandwidth(&worker->down, net_rules_bandwidth(rules), worker->now);
    worker->has_policy = TRUE;
    judge_streams(worker);
    worker_wake_at(worker, worker->now); /* more bytes may be allowed now */
    worker_check_traffic(worker);
}

/* What a SET needs before it is in force. */
typedef struct {
    WorkerProxy proxy;
    SecretsMade *secrets;
    Authority *authority; /* NULL: no request is inspected */
} Preparation;

static void
preparation_clear(Preparation *preparation)
{
    g_clear_pointer(&preparation->proxy.host, g_free);
    g_clear_pointer(&preparation->secrets, g_hash_table_unref);
    g_clear_pointer(&preparation->authority, authority_unref);
}

static gboolean
prepare(const Worker *worker, const EgressSetting *setting, Preparation *ret, GError **error)
{
    const NetPolicy *last = setting->layers[setting->count - 1];

    if (!check_setting(worker, setting, error) || !proxy_parse(setting->proxy, &ret->proxy, error))
        return FALSE;
    ret->secrets = secrets_make(worker->secrets, last, error);
    return ret->secrets && inspected_make(setting, worker->authority, &ret->authority, error);
}

/* What was begun for another proxy, or without one, must not take one for the other. */
static void
end_unconnected(Worker *worker)
{
    g_autoptr(GList) streams = g_hash_table_get_values(worker->streams);

    for (GList *l = streams; l; l = l->next) {
        StreamState state = ((const Stream *)l->data)->state;

        if (state != STREAM_LOOKUP && state < STREAM_OPEN)
            stream_end(l->data, REPORT_FAILED, ECONNRESET, "the proxy has changed");
    }
}

static void
use_proxy(Worker *worker, WorkerProxy *proxy)
{
    if (g_strcmp0(worker->proxy.host, proxy->host) != 0 || worker->proxy.port != proxy->port)
        end_unconnected(worker);
    g_free(worker->proxy.host);
    worker->proxy = *proxy;
    proxy->host = NULL;
}

static void
put_in_force(Worker *worker, const EgressSetting *setting, Preparation *preparation)
{
    use_proxy(worker, &preparation->proxy);
    secrets_use(worker->secrets, g_steal_pointer(&preparation->secrets));
    authority_unref(worker->authority);
    worker->authority = g_steal_pointer(&preparation->authority);
    use_rules(worker, make_rules(setting));
    if (worker->next_port >= 0)
        worker_guest_connect(worker, worker->next_port);
    worker->next_port = -1;
}

static gboolean
apply(Worker *worker, const EgressSetting *setting, guint32 owner, GError **error)
{
    Preparation preparation = {0};
    gboolean good = prepare(worker, setting, &preparation, error);

    if (good) {
        report_set_sandbox(worker->report, worker->id, owner);
        put_in_force(worker, setting, &preparation);
    }
    preparation_clear(&preparation);
    return good;
}

/* A SET that fails leaves nothing behind. */
static void
drop_preparations(Worker *worker)
{
    secrets_drop_new(worker->secrets);
    if (worker->next_port >= 0)
        close(worker->next_port);
    worker->next_port = -1;
}

static void
take_set(Worker *worker, const EgressHead *head, const guint8 *payload)
{
    g_autoptr(GError) error = NULL;
    EgressSetting setting = {0};

    if (!egress_setting_get(payload, head->length, &setting))
        g_set_error(&error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "The network's settings are malformed");
    else if (apply(worker, &setting, head->number, &error))
        answer_when_greeted(worker, head);
    if (error) {
        drop_preparations(worker);
        answer_failed(worker, head, error);
    }
    egress_setting_clear(&setting);
}

/* --- the resolver --- */

void
worker_control_check_resolver(Worker *worker)
{
    EgressHead head;

    if (names_fd(worker->names) >= 0 || worker->now < worker->resolver_at)
        return;
    worker->resolver_at = worker->now + RESOLVER_PAUSE_US;
    egress_head_init(&head, (EgressType)INTERNAL_WANT_RESOLVER, worker->id, /* serial= */ 0);
    worker_control_send(worker, &head, /* payload= */ NULL, 0);
}

/* --- messages --- */

static void
take_port(Worker *worker, int fd)
{
    if (worker->next_port >= 0)
        close(worker->next_port);
    worker->next_port = fd;
}

static void
take_resolver(Worker *worker, int fd)
{
    names_connect(worker->names, fd);
    worker_watch(worker, fd, WORKER_RESOLVER, 0, 0);
}

/* The last lines of the log are written when the worker is freed. */
static void
take_message(Worker *worker, const EgressHead *head, const guint8 *payload, int fd)
{
    switch (head->type) {
    case EGRESS_PORT:
        take_port(worker, fd);
        break;
    case EGRESS_SET:
        take_set(worker, head, payload);
        break;
    case EGRESS_TRAFFIC:
        answer_figures(worker, head);
        break;
    case EGRESS_WATCH:
        report_watch(worker->report, fd);
        break;
    case INTERNAL_VALUE:
        secrets_put(worker->secrets, head->number, payload, head->length);
        explicit_bzero((guint8 *)payload, head->length);
        break;
    case INTERNAL_RESOLVER:
        take_resolver(worker, fd);
        break;
    case INTERNAL_DROP:
        drop_preparations(worker);
        break;
    default: /* REMOVE */
        worker->is_over = TRUE;
        break;
    }
}

static int
take_fd(struct msghdr *message)
{
    const struct cmsghdr *part = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(part), sizeof fd);
    return fd;
}

void
worker_control_receive(Worker *worker)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = worker->control_packet,
                         .iov_len = sizeof worker->control_packet};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    gssize size = recvmsg(worker->control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const guint8 *payload;
    EgressHead head;
    int fd;

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) { /* the master has ended */
        worker->is_over = TRUE;
        return;
    }
    fd = take_fd(&message);
    if (internal_unpack(part.iov_base, (gsize)size, fd >= 0, FALSE, &head, &payload) ||
        egress_unpack(part.iov_base, (gsize)size, fd >= 0, TRUE, &head, &payload))
        take_message(worker, &head, payload, fd);
    else if (fd >= 0)
        close(fd);
}
