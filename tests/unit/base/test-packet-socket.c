/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-packet-socket: packets that the kernel or the peer does not take at once.
 *
 * Root may pass any number of descriptors, so the tests run as another user.
 */
#include "packet-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY 65534
#define FILES_MAX 64u
#define QUIET_MS 300u /* longer than a pause */

typedef struct {
    PacketSocket *socket;
    int peer;
    guint closed;
} Fixture;

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    g_assert_not_reached();
}

static void
on_closed(gpointer data)
{
    ((Fixture *)data)->closed++;
}

static void
make_pair(int pair[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    static const PacketSocketEvents events = {on_packet, on_closed};
    int pair[2];

    make_pair(pair);
    fixture->peer = pair[1];
    fixture->socket = packet_socket_new(pair[0], 16, &events, fixture);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    packet_socket_free(fixture->socket);
    close(fixture->peer);
}

/* FALSE with errno. */
static gboolean
send_fd(int socket, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (char *)"", .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    return sendmsg(socket, &message, MSG_DONTWAIT) == 1;
}

/* Returns the byte of the next packet, 0 if there is none, and whether it has a descriptor. */
static char
receive(int socket, gboolean *ret_has_fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    const struct cmsghdr *rights;
    int fd;

    if (recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
        return 0;
    rights = CMSG_FIRSTHDR(&message);
    *ret_has_fd = rights != NULL;
    if (rights) {
        memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        close(fd);
    }
    return byte;
}

static char
await(const Fixture *fixture, gboolean *ret_has_fd)
{
    char byte;

    while ((byte = receive(fixture->peer, ret_has_fd)) == 0 && fixture->closed == 0)
        g_main_context_iteration(NULL, TRUE);
    return byte;
}

static gboolean
on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

static void
run_for(guint ms)
{
    gboolean is_over = FALSE;

    g_timeout_add(ms, on_time, &is_over);
    while (!is_over)
        g_main_context_iteration(NULL, TRUE);
}

/* Descriptors that nobody reads are on their way, as many as there may be. What comes later keeps
 * its place, and arrives when they have been read. */
static void
test_too_many_descriptors(Fixture *fixture, gconstpointer data)
{
    gboolean has_fd = FALSE;
    guint sent = 0;
    int others[2];

    make_pair(others);
    while (send_fd(others[0], STDERR_FILENO))
        sent++;
    if (errno != ETOOMANYREFS)
        g_error("After %u descriptors: %s", sent, g_strerror(errno));
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*until the kernel has room*");
    packet_socket_send(fixture->socket, "a", 1, STDERR_FILENO);
    packet_socket_send(fixture->socket, "b", 1, /* fd= */ -1);
    run_for(QUIET_MS);
    g_test_assert_expected_messages();
    g_assert_cmpuint(packet_socket_waiting(fixture->socket), ==, 2);
    g_assert_cmpint(receive(fixture->peer, &has_fd), ==, 0);
    g_assert_cmpuint(fixture->closed, ==, 0);
    close(others[0]);
    close(others[1]);
    g_assert_cmpint(await(fixture, &has_fd), ==, 'a');
    g_assert_true(has_fd);
    g_assert_cmpint(await(fixture, &has_fd), ==, 'b');
    g_assert_false(has_fd);
    g_assert_cmpuint(packet_socket_waiting(fixture->socket), ==, 0);
}

/* The peer does not read: all packets arrive in order when it does. */
static void
test_slow_peer(Fixture *fixture, gconstpointer data)
{
    gboolean has_fd = FALSE;
    guint sent = 0;

    while (packet_socket_waiting(fixture->socket) < 10) {
        const char byte = (char)('a' + sent++ % 26);

        packet_socket_send(fixture->socket, &byte, 1, /* fd= */ -1);
    }
    for (guint i = 0; i < sent; i++)
        g_assert_cmpint(await(fixture, &has_fd), ==, 'a' + i % 26);
    g_assert_cmpuint(fixture->closed, ==, 0);
}

static void
test_ended_peer(Fixture *fixture, gconstpointer data)
{
    shutdown(fixture->peer, SHUT_RDWR);
    packet_socket_send(fixture->socket, "a", 1, /* fd= */ -1);
    while (fixture->closed == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(fixture->closed, ==, 1);
}

static void
become_nobody(void)
{
    const struct rlimit files = {FILES_MAX, FILES_MAX};

    g_assert_true(geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &files), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    become_nobody();
#define ADD(name, test) g_test_add("/packet-socket/" name, Fixture, NULL, set_up, test, tear_down)
    ADD("too-many-descriptors", test_too_many_descriptors);
    ADD("slow-peer", test_slow_peer);
    ADD("ended-peer", test_ended_peer);
    return g_test_run();
}
