/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-master: the master, with workers that an attacker has taken over.
 *
 * The test is cloched, the spawner and the workers.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"
#include "master-private.h"
#include "report.h"
#include "resolver-protocol.h"
#include "spawner.h"

typedef struct {
    Store *store;
    ResolverLink *link;
    Master *master;
    int cloched, spawner;
    gboolean has_ended, has_lost;
} Fixture;

typedef struct {
    EgressHead head;
    guint8 payload[EGRESS_PACKET_MAX];
} Packet;

/* --- the other programs --- */

static void
on_end(gpointer data)
{
    ((Fixture *)data)->has_ended = TRUE;
}

static void
on_lost(gpointer data)
{
    ((Fixture *)data)->has_lost = TRUE;
}

static void
make_pair(int *ours, int *theirs)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    *ours = pair[0];
    *theirs = pair[1];
}

/* Waits for a packet; -1: the other side has closed the socket. */
static gssize
receive(int socket, void *packet, gsize size, int *ret_fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = packet, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *rights;
    gssize received;

    while ((received = recvmsg(socket, &message, MSG_DONTWAIT)) < 0)
        g_main_context_iteration(NULL, TRUE);
    rights = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (ret_fd)
        *ret_fd = -1;
    if (rights && ret_fd)
        memcpy(ret_fd, CMSG_DATA(rights), sizeof *ret_fd);
    return received == 0 ? -1 : received;
}

static Packet
receive_packet(int socket)
{
    Packet packet = {0};

    g_assert_cmpint(receive(socket, &packet, sizeof packet, NULL), >=, sizeof packet.head);
    return packet;
}

static void
send_packet(int socket, EgressType type, const char *id, guint32 serial, const void *payload,
            gsize size)
{
    Packet packet = {0};

    egress_head_init(&packet.head, type, id, serial);
    packet.head.length = (guint32)size;
    if (size > 0)
        memcpy(packet.payload, payload, size);
    g_assert_cmpint(send(socket, &packet, sizeof packet.head + size, 0), ==,
                    sizeof packet.head + size);
}

static void
set_up(Fixture *fixture)
{
    int cloched, spawner;

    *fixture = (Fixture){0};
    make_pair(&fixture->cloched, &cloched);
    make_pair(&fixture->spawner, &spawner);
    fixture->store = store_new(/* folder= */ NULL, /* error= */ NULL);
    /* No resolver listens: workers get no connection to it. */
    fixture->link = resolver_link_new("/nowhere");
    fixture->master = master_new(spawner, fixture->store, fixture->link, on_end, on_lost, fixture);
    master_accept(fixture->master, cloched);
    g_assert_cmpint(receive_packet(fixture->cloched).head.type, ==, EGRESS_READY);
}

static void
tear_down(Fixture *fixture)
{
    master_free(fixture->master);
    resolver_link_free(fixture->link);
    store_free(fixture->store);
    close(fixture->cloched);
    close(fixture->spawner);
}

/* Sends a SET, and returns the worker's end of its socket. */
static int
begin_worker(Fixture *fixture, const char *id, guint32 *ret_number, guint32 *ret_serial)
{
    SpawnerRequest request;
    guint32 serial;
    int fd;

    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*resolver*");
    send_packet(fixture->cloched, EGRESS_SET, id, 7, "", 0);
    g_assert_cmpint(receive(fixture->spawner, &request, sizeof request, &fd), ==, sizeof request);
    g_test_assert_expected_messages();
    g_assert_cmpint(request.order, ==, SPAWNER_FORK);
    g_assert_cmpstr(request.id, ==, id);
    serial = receive_packet(fd).head.serial;
    *ret_number = request.number;
    if (ret_serial)
        *ret_serial = serial;
    return fd;
}

/* The master wants the worker killed: it is, and cloched gets `reason`. */
static void
expect_kill(Fixture *fixture, int fd, guint32 number, const char *reason)
{
    SpawnerRequest request;
    SpawnerEnd end = {.number = number, .status = 9};
    Packet packet;

    g_assert_cmpint(receive(fixture->spawner, &request, sizeof request, NULL), ==, sizeof request);
    g_assert_cmpint(request.order, ==, SPAWNER_KILL);
    g_assert_cmpint(request.number, ==, number);
    close(fd);
    g_assert_cmpint(send(fixture->spawner, &end, sizeof end, 0), ==, sizeof end);
    do
        packet = receive_packet(fixture->cloched);
    while (packet.head.type == EGRESS_FAILED);
    g_assert_cmpint(packet.head.type, ==, EGRESS_LOST);
    g_assert_nonnull(strstr((const char *)packet.payload + 4, reason));
}

/* --- tests --- */

static void
test_answers(void)
{
    Fixture fixture;
    guint32 number, serial;
    Packet packet;
    int fd;

    set_up(&fixture);
    fd = begin_worker(&fixture, "one", &number, &serial);
    send_packet(fd, EGRESS_DONE, "one", serial, "\0\0\0\0", 4);
    packet = receive_packet(fixture.cloched);
    g_assert_cmpint(packet.head.type, ==, EGRESS_DONE);
    g_assert_cmpint(packet.head.serial, ==, 7);
    g_assert_cmpstr(packet.head.id, ==, "one");
    send_packet(fixture.cloched, EGRESS_LIST, "", 8, NULL, 0);
    packet = receive_packet(fixture.cloched);
    g_assert_cmpint(packet.head.type, ==, EGRESS_WORKER);
    g_assert_cmpint(packet.head.number, ==, 1);
    g_assert_cmpint(receive_packet(fixture.cloched).head.type, ==, EGRESS_DONE);
    close(fd);
    tear_down(&fixture);
}

/* What a worker may not say ends it, and reaches nobody. */
static void
test_forged(void)
{
    static const struct {
        const char *id;
        EgressType type;
        gsize size;
        gboolean has_serial;
    } forged[] = {
        {"two", EGRESS_DONE, 4, TRUE},       {"two", EGRESS_LOST, 4, FALSE},
        {"two", EGRESS_EXHAUSTED, 0, FALSE}, {"one", EGRESS_READY, 0, FALSE},
        {"one", EGRESS_WORKER, 0, TRUE},     {"one", EGRESS_SET, 0, TRUE},
        {"one", EGRESS_REMOVE, 0, TRUE},     {"one", EGRESS_FIGURES, 64, TRUE},
        {"one", (EgressType)99, 0, TRUE},    {"", EGRESS_DONE, 0, TRUE},
        {"../x", EGRESS_DONE, 4, TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(forged); i++) {
        static const guint8 payload[64];
        guint32 numbers[2], serial;
        Fixture fixture;
        int fds[2];

        set_up(&fixture);
        fds[0] = begin_worker(&fixture, "one", &numbers[0], &serial);
        fds[1] = begin_worker(&fixture, "two", &numbers[1], NULL);
        send_packet(fds[0], forged[i].type, forged[i].id, forged[i].has_serial ? serial : 0,
                    payload, forged[i].size);
        expect_kill(&fixture, fds[0], numbers[0], "violated the protocol");
        close(fds[1]);
        tear_down(&fixture);
    }
}

/* Bytes that are no message, a descriptor, and answers that nobody has asked for. */
static void
test_nonsense(void)
{
    guint32 number, serial;
    Fixture fixture;
    int fd;

    set_up(&fixture);
    fd = begin_worker(&fixture, "one", &number, &serial);
    send_packet(fd, EGRESS_DONE, "one", serial + 1, "\0\0\0\0", 4); /* dropped */
    send_packet(fd, EGRESS_DONE, "one", serial, "\0\0\0\0", 4);
    g_assert_cmpint(receive_packet(fixture.cloched).head.serial, ==, 7);
    send_packet(fd, EGRESS_DONE, "one", serial, "\0\0\0\0", 4); /* a second one is dropped */
    g_assert_cmpint(send(fd, "nonsense", 8, 0), ==, 8);
    expect_kill(&fixture, fd, number, "violated the protocol");
    tear_down(&fixture);
}

/* The reason is the worker's own, but it is text of at most EGRESS_TEXT_MAX bytes. */
static void
test_reason(void)
{
    guint8 text[4 + 6] = {6, 0, 0, 0, 'w', 'h', 'y', 0xff, '\n', 'x'};
    guint32 number;
    Fixture fixture;
    int fd;

    set_up(&fixture);
    fd = begin_worker(&fixture, "one", &number, NULL);
    send_packet(fd, EGRESS_LOST, "one", 0, text, sizeof text);
    g_assert_cmpint(send(fd, "nonsense", 8, 0), ==, 8);
    expect_kill(&fixture, fd, number, "why\xef\xbf\xbd");
    tear_down(&fixture);
}

/* A worker that answers no question is ended when too many wait. */
static void
test_hanging(void)
{
    guint32 number;
    Fixture fixture;
    int fd;

    set_up(&fixture);
    fd = begin_worker(&fixture, "one", &number, NULL);
    for (guint i = 0; i < 64; i++)
        send_packet(fixture.cloched, EGRESS_TRAFFIC, "one", 100 + i, NULL, 0);
    expect_kill(&fixture, fd, number, "does not answer");
    tear_down(&fixture);
}

static void
send_watch(int socket)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.align = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    EgressHead head;
    struct iovec part = {.iov_base = &head, .iov_len = sizeof head};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    egress_head_init(&head, EGRESS_WATCH, "one", 9);
    memcpy(CMSG_DATA(&control.align), &socket, sizeof socket);
    while (sendmsg(socket, &message, MSG_DONTWAIT) < 0)
        g_main_context_iteration(NULL, TRUE);
}

/* One that does not read is ended before the master has no descriptors left. */
static void
test_not_reading(void)
{
    SpawnerRequest request;
    guint32 number;
    Fixture fixture;
    int fd;

    set_up(&fixture);
    fd = begin_worker(&fixture, "one", &number, NULL);
    do
        send_watch(fixture.cloched);
    while (recv(fixture.spawner, &request, sizeof request, MSG_DONTWAIT | MSG_PEEK) < 0);
    expect_kill(&fixture, fd, number, "does not read");
    tear_down(&fixture);
}

/* An answer to a cloched that has ended reaches no other cloched, whose serial is the same. */
static void
test_serials(void)
{
    guint32 number, serial;
    Fixture fixture;
    Packet packet;
    int fd, theirs;

    set_up(&fixture);
    fd = begin_worker(&fixture, "one", &number, &serial);
    close(fixture.cloched);
    make_pair(&fixture.cloched, &theirs);
    master_accept(fixture.master, theirs);
    g_assert_cmpint(receive_packet(fixture.cloched).head.type, ==, EGRESS_READY);
    send_packet(fixture.cloched, EGRESS_TRAFFIC, "one", 7, NULL, 0);
    g_assert_cmpint(receive_packet(fd).head.type, ==, EGRESS_TRAFFIC);
    send_packet(fd, EGRESS_DONE, "one", serial, "\0\0\0\0", 4);
    send_packet(fd, EGRESS_FIGURES, "one", serial + 1, (guint8[64]){0}, 64);
    packet = receive_packet(fixture.cloched);
    g_assert_cmpint(packet.head.type, ==, EGRESS_FIGURES);
    g_assert_cmpint(packet.head.serial, ==, 7);
    close(fd);
    tear_down(&fixture);
}

/* The traffic is reported once for each SET, however often the worker says so. */
static void
test_exhausted(void)
{
    guint32 number, serial;
    Fixture fixture;
    int fd;

    set_up(&fixture);
    fd = begin_worker(&fixture, "one", &number, &serial);
    for (guint i = 0; i < 100; i++)
        send_packet(fd, EGRESS_EXHAUSTED, "one", 0, NULL, 0);
    send_packet(fd, EGRESS_DONE, "one", serial, "\0\0\0\0", 4);
    g_assert_cmpint(receive_packet(fixture.cloched).head.type, ==, EGRESS_EXHAUSTED);
    g_assert_cmpint(receive_packet(fixture.cloched).head.type, ==, EGRESS_DONE);
    send_packet(fixture.cloched, EGRESS_SET, "one", 8, "", 0);
    g_assert_cmpint(receive_packet(fd).head.type, ==, EGRESS_SET);
    send_packet(fd, EGRESS_EXHAUSTED, "one", 0, NULL, 0);
    g_assert_cmpint(receive_packet(fixture.cloched).head.type, ==, EGRESS_EXHAUSTED);
    close(fd);
    tear_down(&fixture);
}

static int
listen_as_resolver(Fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/cloche-test-master-%d",
               g_get_tmp_dir(), (int)getpid());
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 200), ==, 0);
    resolver_link_free(fixture->link);
    fixture->link = resolver_link_new(address.sun_path);
    fixture->master->resolver = fixture->link;
    return fd;
}

static void
resolver_unlink(int listening)
{
    struct sockaddr_un address;
    socklen_t size = sizeof address;

    g_assert_cmpint(getsockname(listening, (struct sockaddr *)&address, &size), ==, 0);
    unlink(address.sun_path);
    close(listening);
}

static void
want_resolver(int worker)
{
    send_packet(worker, (EgressType)INTERNAL_WANT_RESOLVER, "one", 0, NULL, 0);
}

static void
send_set(int cloched, guint32 owner)
{
    EgressHead head;

    egress_head_init(&head, EGRESS_SET, "one", 7);
    head.number = owner;
    g_assert_cmpint(send(cloched, &head, sizeof head, 0), ==, sizeof head);
}

static void
assert_greeting(int resolver, guint32 owner)
{
    ResolverGreeting greeting;

    g_assert_cmpint(recv(resolver, &greeting, sizeof greeting, MSG_DONTWAIT), ==, sizeof greeting);
    g_assert_cmpuint(greeting.owner, ==, owner);
}

/* A worker has one connection to the resolver at a time, whatever it asks for and keeps. The
 * resolver knows whose worker it is. */
static void
test_resolver(void)
{
    SpawnerRequest request;
    guint32 serial;
    Fixture fixture;
    int listening, fd, first, second;
    char byte;

    set_up(&fixture);
    listening = listen_as_resolver(&fixture);
    send_set(fixture.cloched, 1234);
    receive(fixture.spawner, &request, sizeof request, &fd);
    g_assert_cmpint(receive_packet(fd).head.type, ==, INTERNAL_RESOLVER);
    serial = receive_packet(fd).head.serial;
    first = accept(listening, NULL, NULL);
    g_assert_cmpint(first, >=, 0);
    for (guint i = 0; i < 100; i++)
        want_resolver(fd);
    send_packet(fd, EGRESS_DONE, "one", serial, "\0\0\0\0", 4);
    g_assert_cmpint(receive_packet(fixture.cloched).head.type, ==, EGRESS_DONE);
    g_assert_cmpint(accept(listening, NULL, NULL), <, 0);
    while ((second = accept(listening, NULL, NULL)) < 0) {
        want_resolver(fd);
        g_main_context_iteration(NULL, TRUE);
    }
    assert_greeting(first, 1234);
    assert_greeting(second, 1234);
    g_assert_cmpint(recv(first, &byte, 1, MSG_DONTWAIT), ==, 0);
    g_assert_cmpint(recv(second, &byte, 1, MSG_DONTWAIT), <, 0);
    close(first);
    close(second);
    resolver_unlink(listening);
    close(fd);
    tear_down(&fixture);
}

static void
test_spawner_ends(void)
{
    Fixture fixture;

    set_up(&fixture);
    shutdown(fixture.spawner, SHUT_RDWR);
    while (!fixture.has_lost)
        g_main_context_iteration(NULL, TRUE);
    tear_down(&fixture);
}

static void
test_cloched_violates(void)
{
    Fixture fixture;

    set_up(&fixture);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "cloched has violated the protocol");
    send_packet(fixture.cloched, EGRESS_DONE, "one", 1, NULL, 0);
    while (!fixture.has_ended)
        g_main_context_iteration(NULL, TRUE);
    g_test_assert_expected_messages();
    tear_down(&fixture);
}

/* The master reports lost workers. */
static GLogWriterOutput
ignore_line(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
    return G_LOG_WRITER_HANDLED;
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_writer_func(ignore_line, NULL, NULL);
    g_test_add_func("/master/answers", test_answers);
    g_test_add_func("/master/forged", test_forged);
    g_test_add_func("/master/nonsense", test_nonsense);
    g_test_add_func("/master/reason", test_reason);
    g_test_add_func("/master/hanging", test_hanging);
    g_test_add_func("/master/not-reading", test_not_reading);
    g_test_add_func("/master/serials", test_serials);
    g_test_add_func("/master/exhausted", test_exhausted);
    g_test_add_func("/master/resolver", test_resolver);
    g_test_add_func("/master/spawner-ends", test_spawner_ends);
    g_test_add_func("/master/cloched-violates", test_cloched_violates);
    return g_test_run();
}
