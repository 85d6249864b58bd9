/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-service: a table of steps, and a loop like that of the agent. */
#include "net-service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/in6.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "net-addresses.h"
#include "net-connections.h"
#include "net-names.h"
#include "net-port.h"
#include "net-resolver.h"
#include "net-routes.h"
#include "net-steer.h"
#include "net-streams.h"

#define NOBODY 65534u
#define BACKLOG 512
/* The sockets get packets of all ports, so the TCP socket has one that no program uses. The kernel
 * takes the source port of an answer from the UDP socket. */
#define TCP_PORT 1
#define UDP_PORT 53
#define FLUSH_AT (64u * 1024)
#define RESOLV_CONF "/etc/resolv.conf"

static int port_fd = -1, gate_fd = -1, tcp = -1, udp = -1;
static Source control = {.fd = -1};
static bool control_is_readable, is_over;

/* --- set-up --- */

/*
 * The socket answers with addresses that are not the guest's (TRANSPARENT). It is an IPv6 socket
 * that accepts both families: the kernel makes it IPv6-only when it is bound to an IPv6 address,
 * but not to a mapped IPv4 address. It is bound to one address, so that users can bind sockets of
 * their own to the port.
 */
static int
open_socket(int type, uint16_t port)
{
    const int on = 1, off = 0;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    inet_pton(AF_INET6, "::ffff:" NET_SERVER4, &address.sin6_addr);
    int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static int
open_sockets(void)
{
    tcp = open_socket(SOCK_STREAM, TCP_PORT);
    udp = tcp < 0 ? tcp : open_socket(SOCK_DGRAM, UDP_PORT);
    return udp < 0 ? udp : 0;
}

static int
steer(void)
{
    return net_steer_open(tcp, udp);
}

static int
open_names(void)
{
    return net_names_open(NET_NAMES_MAX, NET_NAMES_FIRST, NET_NAMES_LAST);
}

/* The file may be a mount, so it is written in place. */
static int
write_resolv_conf(void)
{
    static const char text[] = "nameserver " NET_SERVER4 "\n";

    int fd = open(RESOLV_CONF, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* Memory is locked as it is used. Errors are ignored as in put_itself_first() of the agent. */
static int
protect_itself(void)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

    setrlimit(RLIMIT_MEMLOCK, &none); /* also for what is allocated later */
    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    dprintf(fd, "-1000");
    close(fd);
    return 0;
}

static int
drop_privileges(void)
{
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

/* --- events --- */

/* Waits until the agent has opened or closed the gate. */
static void
set_gate(bool is_open)
{
    char byte = is_open ? NET_GATE_OPEN : NET_GATE_CLOSED;

    if (send(gate_fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(gate_fd, &byte, 1, 0) != 1)
        is_over = true;
}

static const NetPortHandlers handlers = {
    .up = set_gate, .lost = net_streams_lose, .frame = net_streams_frame};

static int
open_port(void)
{
    return net_port_open(port_fd, &handlers);
}

static int
open_connections(void)
{
    return net_connections_open(tcp);
}

static int
open_resolver(void)
{
    return net_resolver_open(udp);
}

static void
on_control_ready(Source *source, uint32_t events)
{
    control_is_readable = true;
}

static void
handle_control(void)
{
    char byte;
    ssize_t n = recv(control.fd, &byte, 1, MSG_DONTWAIT);

    if (n < 0)
        control_is_readable = errno == EINTR;
    is_over = n == 0;
    if (n != 1)
        return;
    net_connections_reset();
    net_resolver_reset();
    net_names_forget();
    is_over = send(control.fd, "", 1, MSG_NOSIGNAL) != 1;
}

static const struct {
    const char *name;
    int (*run)(void);
} steps[] = {
    {"loop", loop_open},
    {"routes", net_routes_open},
    {"sockets", open_sockets},
    {"steering", steer},
    {"addresses", net_addresses_open},
    {"resolv.conf", write_resolv_conf},
    {"protection", protect_itself},
    {"names", open_names},
    {"port", open_port},
    {"connections", open_connections},
    {"resolver", open_resolver},
    {"privileges", drop_privileges},
};

int
net_service_open(int port, int control_fd, int gate)
{
    port_fd = port;
    gate_fd = gate;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int r = steps[i].run();
        if (r < 0) {
            dprintf(STDERR_FILENO, "cloche-net: %s: %s\n", steps[i].name, strerror(-r));
            return r;
        }
    }
    return source_open(&control, control_fd, EPOLLIN, on_control_ready);
}

/* --- the loop --- */

static bool
is_busy(void)
{
    return net_port_has_input() || net_connections_have_work() || net_resolver_has_work() ||
           control_is_readable;
}

void
net_service_run(void)
{
    while (!is_over) {
        if (!is_busy() || net_port_waiting() >= FLUSH_AT)
            net_port_flush();
        loop_turn(/* block= */ !is_busy());
        if (control_is_readable)
            handle_control();
        if (net_port_has_input())
            net_port_read();
        if (net_resolver_has_work())
            net_resolver_turn();
        if (net_connections_have_work())
            net_connections_turn();
    }
}
