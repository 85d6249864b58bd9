/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-egress-worker: a worker of cloche-egress with bytes of a hostile guest, or with a hostile
 * SET.
 *
 * The first byte chooses. Bytes of a guest come in pieces, each after a byte that says how long it
 * is, so that frames are cut at any place. Servers are sockets of the test: what they do depends on
 * the port. The resolver of the test has an address for every name.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "net.h"
#include "resolver-protocol.h"
#include "worker.h"

#define PIECE_MAX 255u
#define SERVERS_MAX 64u
#define SETTING 1

typedef struct {
    Worker *worker;
    int control, resolver, port; /* the test's ends */
    int servers[SERVERS_MAX];
    guint n_servers;
    gboolean goes_on;
} Fuzz;

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* --- the world --- */

static void
make_pair(int type, int *ours, int *theirs)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
    *ours = pair[0];
    *theirs = pair[1];
}

/* By the port: refuses, has bytes and closes, has bytes, or reads nothing. */
static int
connect_to(const NetAddress *address, guint16 port, gpointer data)
{
    Fuzz *fuzz = data;
    int ours, theirs;

    if (port % 4 == 1 || fuzz->n_servers == SERVERS_MAX)
        return -ECONNREFUSED;
    make_pair(SOCK_STREAM, &ours, &theirs);
    if (port % 4 != 3)
        send(ours, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40, MSG_NOSIGNAL);
    if (port % 4 == 2)
        shutdown(ours, SHUT_WR);
    fuzz->servers[fuzz->n_servers++] = ours;
    return theirs;
}

static int
reach(const NetAddress *address, gint64 now, NetReach *ret, gpointer data)
{
    *ret = NET_PUBLIC;
    return 0;
}

static void
answer_questions(const Fuzz *fuzz)
{
    ResolverAnswer answer = {.count = 1};
    ResolverQuestion question;

    net_address_parse("93.184.216.30", &answer.addresses[0]);
    while (recv(fuzz->resolver, &question, sizeof question, 0) == (gssize)sizeof question) {
        answer.serial = question.serial;
        answer.status = question.name[0] == 'x' ? ENOENT : 0;
        send(fuzz->resolver, &answer, sizeof answer, MSG_NOSIGNAL);
    }
}

/* --- the worker --- */

static void
step(Fuzz *fuzz)
{
    static guint8 discarded[256 * 1024];

    for (guint i = 0; i < 3 && fuzz->goes_on; i++) {
        fuzz->goes_on = worker_step(fuzz->worker, 0);
        answer_questions(fuzz);
        while (recv(fuzz->port, discarded, sizeof discarded, 0) > 0)
            ;
        while (recv(fuzz->control, discarded, sizeof discarded, 0) > 0)
            ;
    }
}

static void
send_message(const Fuzz *fuzz, guint type, const void *payload, gsize size, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    EgressHead head;
    struct iovec parts[] = {{&head, sizeof head}, {(void *)payload, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    egress_head_init(&head, (EgressType)type, "fuzz", type == INTERNAL_RESOLVER ? 0 : 1);
    head.length = (guint32)size;
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    }
    g_assert_cmpint(sendmsg(fuzz->control, &message, 0), ==, sizeof head + size);
    if (fd >= 0)
        close(fd);
}

static void
begin(Fuzz *fuzz)
{
    const WorkerWorld world = {connect_to, reach, fuzz};
    int control, resolver, port;

    make_pair(SOCK_SEQPACKET, &fuzz->control, &control);
    make_pair(SOCK_SEQPACKET, &fuzz->resolver, &resolver);
    make_pair(SOCK_STREAM, &fuzz->port, &port);
    fuzz->worker = worker_new("fuzz", control, /* journal= */ -1, &world, /* trust= */ NULL);
    fuzz->goes_on = TRUE;
    send_message(fuzz, INTERNAL_RESOLVER, NULL, 0, resolver);
    send_message(fuzz, EGRESS_PORT, NULL, 0, port);
}

static void
set(Fuzz *fuzz)
{
    guint8 payload[1024];
    WireWriter w = {.data = payload, .size = sizeof payload};
    EgressSetting setting = {.proxy = (char *)"", .count = 2};

    for (guint i = 0; i < 2; i++) {
        setting.layers[i] = net_policy_new();
        setting.layers[i]->mode = NET_INTERNET;
    }
    egress_setting_put(&w, &setting);
    send_message(fuzz, EGRESS_SET, payload, w.used, -1);
    for (guint i = 0; i < 2; i++)
        net_policy_free(setting.layers[i]);
}

/* The nonce is the only thing that a guest cannot guess. */
static void
greet(Fuzz *fuzz)
{
    static guint8 preamble[NET_PREAMBLE_PAD + WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];
    guint8 hello[64];
    gsize size = 0;

    while (size < sizeof preamble) {
        gssize part = recv(fuzz->port, preamble + size, sizeof preamble - size, 0);

        if (part > 0)
            size += (gsize)part;
        else
            fuzz->goes_on = fuzz->goes_on && worker_step(fuzz->worker, 0);
        g_assert_true(fuzz->goes_on);
    }
    send(fuzz->port, preamble + NET_PREAMBLE_PAD, WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE, 0);
    send(fuzz->port, hello, net_number_put(hello, 0, NET_HELLO, NET_VERSION), 0);
}

static void
feed(Fuzz *fuzz, const guint8 *data, gsize size)
{
    while (size > 0 && fuzz->goes_on) {
        gsize piece = MIN(size - 1, MIN(data[0], PIECE_MAX));

        if (piece > 0)
            send(fuzz->port, data + 1, piece, MSG_NOSIGNAL);
        data += 1 + piece;
        size -= 1 + piece;
        step(fuzz);
    }
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    Fuzz fuzz = {0};

    if (size == 0 || size > 64 * 1024)
        return 0;
    begin(&fuzz);
    if (data[0] == SETTING) {
        send_message(&fuzz, EGRESS_SET, data + 1, size - 1, -1);
    } else {
        set(&fuzz);
        greet(&fuzz);
        feed(&fuzz, data + 1, size - 1);
    }
    step(&fuzz);
    worker_free(fuzz.worker);
    for (guint i = 0; i < fuzz.n_servers; i++)
        close(fuzz.servers[i]);
    close(fuzz.control);
    close(fuzz.resolver);
    close(fuzz.port);
    return 0;
}
