/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-net-life: the host comes and goes, the guest's own addresses, and the child process. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net-host.h"

#define SERVER_FAILURE 2
#define NO_SUCH_NAME 3

/* --- the host comes and goes --- */

/* A preamble in the middle of a frame: connections are reset, and names keep their addresses. */
static void
test_new_preamble(NetHost *host, gconstpointer data)
{
    guint8 frame[WIRE_HEADER_SIZE + 100] = {0};
    const WireHeader header = {.length = 30000, .stream = 1, .type = NET_DATA};
    DnsPacket query, answer;
    guint32 stream;
    int fd = guest_open(host, "kept.example", 80, &stream);

    dns_packet_query(&query, 9, "waiting.example", 1);
    int waiting = guest_ask(host, "192.0.2.1", &query);
    net_host_expect_lookup(host, "waiting.example");
    wire_header_put(frame, &header);
    net_host_send_raw(host, frame, sizeof frame);
    net_host_greet_strictly(host);
    guest_expect_reset(fd);
    guest_receive(waiting, &answer);
    g_assert_cmpuint(dns_packet_status(&answer), ==, SERVER_FAILURE);

    close(guest_connect(host, "198.18.0.1", 443));
    g_assert_cmpuint(net_host_expect_open(host, "kept.example", 443), ==, 1);
}

/* The magic in data is no preamble. */
static void
test_preamble_in_data(NetHost *host, gconstpointer data)
{
    guint8 got[WIRE_MAGIC_SIZE];
    guint32 stream;
    int fd = guest_open(host, "magic.example", 80, &stream);

    net_host_send(host, stream, NET_DATA, net_magic, WIRE_MAGIC_SIZE);
    net_host_send(host, stream, NET_DATA, host->nonce, WIRE_NONCE_SIZE);
    guest_read(fd, got, sizeof got);
    g_assert_cmpmem(got, sizeof got, net_magic, WIRE_MAGIC_SIZE);
    guest_read(fd, got, sizeof got);
    close(fd);
    g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
}

static void
test_hang_up(NetHost *host, gconstpointer data)
{
    DnsPacket query, answer;
    guint32 stream;
    int fd = guest_open(host, "kept.example", 80, &stream);

    dns_packet_query(&query, 9, "waiting.example", 1);
    int waiting = guest_ask(host, "192.0.2.1", &query);
    net_host_expect_lookup(host, "waiting.example");
    net_host_hang_up(host);
    guest_expect_reset(fd);
    guest_receive(waiting, &answer);
    g_assert_cmpuint(dns_packet_status(&answer), ==, NO_SUCH_NAME);
    guest_expect_status(host, "www.example.com", NO_SUCH_NAME);
    guest_expect_error(host, "198.18.0.1", 80, ENETUNREACH);
    guest_expect_error(host, "2001:db8::1", 80, ENETUNREACH);
    guest_expect_address(host, "192.0.2.1", "localhost", 1, "127.0.0.1");

    net_host_connect(host);
    close(guest_connect(host, "198.18.0.1", 443));
    net_host_expect_open(host, "kept.example", 443);
}

/* connect() fails from the first reset that a program sees, until the host returns. */
static void
test_hang_up_often(NetHost *host, gconstpointer data)
{
    for (guint i = 0; i < 50; i++) {
        guint32 stream;
        int fd = guest_open(host, "kept.example", 80, &stream);

        net_host_hang_up(host);
        guest_expect_reset(fd);
        guest_expect_error(host, "198.18.0.1", 80, ENETUNREACH);
        net_host_connect(host);
    }
}

/* No host has ever been there, or one that has not introduced itself. */
static void
test_no_host(void)
{
    g_autoptr(NetHost) host = net_host_new();

    if (!host)
        return;
    guest_expect_status(host, "www.example.com", NO_SUCH_NAME);
    guest_expect_error(host, "9.9.9.9", 80, ENETUNREACH);
    host->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(host->fd, (struct sockaddr *)&host->address, host->address_size), ==,
                    0);
    net_host_send_raw(host, net_magic, WIRE_MAGIC_SIZE);
    guest_expect_status(host, "www.example.com", NO_SUCH_NAME);
    guest_expect_error(host, "9.9.9.9", 80, ENETUNREACH);
    net_host_greet(host);
    close(guest_connect(host, "9.9.9.9", 80));
    net_host_expect_open(host, "9.9.9.9", 80);
}

static void
test_quiesce(NetHost *host, gconstpointer data)
{
    guint32 stream, request = peer_new_stream(host->peer);
    int fd = guest_open(host, "secret.example", 80, &stream);

    peer_send(host->peer, request, WIRE_QUIESCE, 0, NULL, 0);
    g_assert_true(peer_wait_end(host->peer, request)->is_ok);
    guest_expect_reset(fd);
    net_host_expect_number(host, stream, NET_RESET, ECONNRESET);
    guest_expect_reset(guest_connect(host, "198.18.0.1", 80));
    g_autofree char *address = guest_resolve(host, "other.example");
    g_assert_cmpstr(address, ==, "198.18.0.1");
}

/* --- the guest's own addresses, and what has no way out --- */

static int
listen_in_guest(NetHost *host, struct sockaddr_in *ret_address)
{
    const struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t size = sizeof *ret_address;
    int fd = guest_socket(host, AF_INET, SOCK_STREAM);

    g_assert_cmpint(bind(fd, (const struct sockaddr *)&any, sizeof any), ==, 0);
    g_assert_cmpint(listen(fd, 8), ==, 0);
    getsockname(fd, (struct sockaddr *)ret_address, &size);
    return fd;
}

static void
expect_service(NetHost *host, int listener, const char *address, guint16 port)
{
    int client = guest_connect(host, address, port);
    int server = accept(listener, NULL, NULL);

    g_assert_cmpint(server, >=, 0);
    close(server);
    close(client);
}

/* An alias of lo, as docker adds a bridge with an address. "0.0.0.0" removes it. */
static void
set_address(NetHost *host, const char *address)
{
    struct ifreq request = {.ifr_name = "lo:7"};
    struct sockaddr_in own = {.sin_family = AF_INET};
    int fd = guest_socket(host, AF_INET, SOCK_DGRAM);

    inet_pton(AF_INET, address, &own.sin_addr);
    memcpy(&request.ifr_addr, &own, sizeof own);
    g_assert_cmpint(ioctl(fd, SIOCSIFADDR, &request), ==, 0);
    close(fd);
}

static void
test_own_addresses(NetHost *host, gconstpointer data)
{
    struct sockaddr_in address;
    int listener = listen_in_guest(host, &address);
    guint16 port = ntohs(address.sin_port);

    expect_service(host, listener, "127.0.0.1", port);
    expect_service(host, listener, "127.1.2.3", port);
    expect_service(host, listener, "192.0.2.2", port);
    guest_expect_error(host, "::1", port, ECONNREFUSED);
    guest_expect_error(host, "fd00:c10c::2", port, ECONNREFUSED);
    net_host_expect_nothing(host);

    /* A service of the guest gets no connection to another host. */
    close(guest_connect(host, "172.17.0.1", port));
    net_host_expect_open(host, "172.17.0.1", port);
    g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
    set_address(host, "172.17.0.1");
    guest_expect_address(host, "192.0.2.1", "localhost", 1, "127.0.0.1");
    expect_service(host, listener, "172.17.0.1", port);
    set_address(host, "0.0.0.0");
    guest_expect_address(host, "192.0.2.1", "localhost", 1, "127.0.0.1");
    close(guest_connect(host, "172.17.0.1", port));
    net_host_expect_open(host, "172.17.0.1", port);
    close(listener);
}

/* A program can have the ports of the agent's sockets, at its own addresses. */
static void
test_own_name_server(NetHost *host, gconstpointer data)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = guest_socket(host, AF_INET, SOCK_DGRAM);
    DnsPacket query, answer;

    inet_pton(AF_INET, "192.0.2.2", &own.sin_addr);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&own, sizeof own), ==, 0);
    dns_packet_query(&query, 9, "mine.example", 1);
    close(guest_ask(host, "192.0.2.2", &query));
    guest_receive(fd, &answer);
    g_assert_cmpmem(answer.bytes, answer.size, query.bytes, query.size);
}

static void
expect_unreachable(NetHost *host, const char *address)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(123)};
    int fd = guest_socket(host, AF_INET6, SOCK_DGRAM);

    g_assert_cmpint(inet_pton(AF_INET6, address, &to.sin6_addr), ==, 1);
    g_assert_cmpint(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to), ==, -1);
    g_assert_cmpint(errno, ==, ENETUNREACH);
    close(fd);
}

static void
test_unreachable(NetHost *host, gconstpointer data)
{
    expect_unreachable(host, "::ffff:8.8.8.8");
    expect_unreachable(host, "::ffff:198.18.0.1");
    expect_unreachable(host, "2001:db8::1");
}

/* --- the child --- */

/* 0: the agent has no child. */
static pid_t
find_child(const NetHost *host)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/children", (int)host->peer->pid, (int)host->peer->pid);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return (pid_t)atoi(text);
}

static void
test_privileges(NetHost *host, gconstpointer data)
{
    static const char *const lines[] = {"Name:\tcloche-net\n",
                                        "Uid:\t65534\t65534\t65534\t65534\n",
                                        "Gid:\t65534\t65534\t65534\t65534\n",
                                        "Groups:\t \n",
                                        "CapPrm:\t0000000000000000\n",
                                        "CapEff:\t0000000000000000\n",
                                        "NoNewPrivs:\t1\n"};
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)find_child(host));
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        if (!strstr(text, lines[i]))
            g_error("'%s' is not in %s", lines[i], text);
}

/* The agent goes on, and nothing is reached any more but the guest itself. */
static void
test_child_dies(NetHost *host, gconstpointer data)
{
    struct sockaddr_in address;
    int listener = listen_in_guest(host, &address);
    guint16 port = ntohs(address.sin_port);
    guint32 stream;
    int fd = guest_open(host, "www.example.com", 80, &stream);

    g_assert_cmpint(kill(find_child(host), SIGKILL), ==, 0);
    guest_expect_reset(fd);
    while (find_child(host) != 0) /* until the agent has reaped it */
        peer_ping(host->peer);
    peer_ping(host->peer); /* it has closed the network before it answers */
    guest_expect_error(host, "9.9.9.9", port, ENETUNREACH);
    guest_expect_error(host, "198.18.0.1", port, ENETUNREACH);
    guest_expect_error(host, "2001:db8::1", port, ENETUNREACH);
    close(guest_connect(host, "127.0.0.1", port));
    close(guest_connect(host, "192.0.2.2", port));
    guint32 request = peer_new_stream(host->peer);
    peer_send(host->peer, request, WIRE_QUIESCE, 0, NULL, 0);
    g_assert_true(peer_wait_end(host->peer, request)->is_ok);
    close(listener);
}

/* --- all --- */

static const NetTest tests[] = {
    {"new-preamble", test_new_preamble, NULL},
    {"preamble-in-data", test_preamble_in_data, NULL},
    {"hang-up", test_hang_up, NULL},
    {"hang-up-often", test_hang_up_often, NULL},
    {"quiesce", test_quiesce, NULL},
    {"own-addresses", test_own_addresses, NULL},
    {"own-name-server", test_own_name_server, NULL},
    {"unreachable", test_unreachable, NULL},
    {"privileges", test_privileges, NULL},
    {"child-dies", test_child_dies, NULL},
};

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    net_host_add_tests("life", tests, G_N_ELEMENTS(tests));
    g_test_add_func("/agent/net/life/no-host", test_no_host);
    return g_test_run();
}
