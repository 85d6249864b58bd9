/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-world: all that a worker of cloche-egress talks to. */
#include "fake-world.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "net.h"
#include "resolver-protocol.h"

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
connect_to(const NetAddress *address, guint16 port, guint buffer, gpointer data)
{
    FakeWorld *world = data;
    int ours, theirs;

    if (port % 4 == 1 || world->n_servers == FAKE_SERVERS_MAX)
        return -ECONNREFUSED;
    make_pair(SOCK_STREAM, &ours, &theirs);
    if (port % 4 != 3)
        send(ours, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40, MSG_NOSIGNAL);
    if (port % 4 == 2)
        shutdown(ours, SHUT_WR);
    world->servers[world->n_servers++] = ours;
    return theirs;
}

static int
reach(const NetAddress *address, gint64 now, NetReach *ret, gpointer data)
{
    *ret = NET_PUBLIC;
    return ((const FakeWorld *)data)->reach_error;
}

static void
answer_questions(const FakeWorld *world)
{
    ResolverAnswer answer = {.count = 1};
    ResolverQuestion question;

    net_address_parse("93.184.216.30", &answer.addresses[0]);
    while (recv(world->resolver, &question, sizeof question, 0) == (gssize)sizeof question) {
        answer.serial = question.serial;
        answer.status = question.name[0] == 'x' ? ENOENT : 0;
        send(world->resolver, &answer, sizeof answer, MSG_NOSIGNAL);
    }
}

/* --- the worker --- */

void
fake_world_step(FakeWorld *world)
{
    static guint8 discarded[256 * 1024];

    for (guint i = 0; i < 3 && world->goes_on; i++) {
        world->goes_on = worker_step(world->worker, 0);
        answer_questions(world);
        if (world->is_discarding)
            while (recv(world->port, discarded, sizeof discarded, 0) > 0)
                ;
        while (recv(world->control, discarded, sizeof discarded, 0) > 0)
            ;
    }
}

void
fake_world_send(const FakeWorld *world, guint type, const void *payload, gsize size, int fd)
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
    g_assert_cmpint(sendmsg(world->control, &message, 0), ==, sizeof head + size);
    if (fd >= 0)
        close(fd);
}

void
fake_world_begin(FakeWorld *world)
{
    const WorkerWorld functions = {connect_to, reach, world};
    int control, resolver, port;

    make_pair(SOCK_SEQPACKET, &world->control, &control);
    make_pair(SOCK_SEQPACKET, &world->resolver, &resolver);
    make_pair(SOCK_STREAM, &world->port, &port);
    world->worker = worker_new("fuzz", control, /* journal= */ -1, &functions, /* trust= */ NULL);
    world->goes_on = TRUE;
    fake_world_send(world, INTERNAL_RESOLVER, NULL, 0, resolver);
    fake_world_send(world, EGRESS_PORT, NULL, 0, port);
}

void
fake_world_set(FakeWorld *world)
{
    guint8 payload[1024];
    WireWriter w = {.data = payload, .size = sizeof payload};
    EgressSetting setting = {.proxy = (char *)"", .count = 2};

    for (guint i = 0; i < 2; i++) {
        setting.layers[i] = net_policy_new();
        setting.layers[i]->mode = NET_INTERNET;
    }
    egress_setting_put(&w, &setting);
    fake_world_send(world, EGRESS_SET, payload, w.used, -1);
    for (guint i = 0; i < 2; i++)
        net_policy_free(setting.layers[i]);
}

/* The nonce is the only thing that a guest cannot guess. */
void
fake_world_greet(FakeWorld *world)
{
    static guint8 preamble[NET_PREAMBLE_PAD + WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];
    guint8 hello[64];
    gsize size = 0;

    while (size < sizeof preamble) {
        gssize part = recv(world->port, preamble + size, sizeof preamble - size, 0);

        if (part > 0)
            size += (gsize)part;
        else
            world->goes_on = world->goes_on && worker_step(world->worker, 0);
        g_assert_true(world->goes_on);
    }
    send(world->port, preamble + NET_PREAMBLE_PAD, WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE, 0);
    send(world->port, hello, net_number_put(hello, 0, NET_HELLO, NET_VERSION), 0);
}

void
fake_world_end(FakeWorld *world)
{
    worker_free(world->worker);
    for (guint i = 0; i < world->n_servers; i++)
        close(world->servers[i]);
    close(world->control);
    close(world->resolver);
    close(world->port);
}
