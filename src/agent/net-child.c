/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-child: the life of the child, at both sides.
 *
 * The two share two sockets. On `control`, the child writes one byte when it is ready, and answers
 * each byte that it reads. On `gate`, the agent answers. Two, because a process of the agent waits
 * for the answer on `control` while the child may wait for that on `gate`.
 */
#include "net-child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"
#include "net-routes.h"
#include "net-service.h"

#define NAME "cloche-net"
#define READY_TIMEOUT_MS 30000
#define FORGET_TIMEOUT_MS 10000

static pid_t child;
static int control = -1; /* the agent's end */
static Source gate = {.fd = -1};

/* --- in the child --- */

typedef enum {
    PORT,
    CONTROL,
    GATE,
    FDS,
} Fd;

#define FDS_FIRST (STDERR_FILENO + 1) /* lower numbers are the console */

/* Only the child's own descriptors remain. */
static void
close_others(int fds[FDS])
{
    for (int i = 0; i < FDS; i++)
        fds[i] = fcntl(fds[i], F_DUPFD, FDS_FIRST + FDS);
    for (int i = 0; i < FDS; i++)
        fds[i] = dup3(fds[i], FDS_FIRST + i, O_CLOEXEC);
    close_range(FDS_FIRST + FDS, ~0U, 0);
}

_Noreturn static void
run_child(int fds[FDS])
{
    prctl(PR_SET_NAME, NAME);
    signal(SIGPIPE, SIG_IGN);
    close_others(fds);
    if (net_service_open(fds[PORT], fds[CONTROL], fds[GATE]) == 0 &&
        write(fds[CONTROL], "", 1) == 1)
        net_service_run();
    _exit(0);
}

/* --- in the agent --- */

/* False if the child has ended, or says nothing for too long. */
static bool
wait_for_byte(int timeout_ms)
{
    struct pollfd wait = {.fd = control, .events = POLLIN};
    char byte;

    return poll(&wait, 1, timeout_ms) == 1 && read(control, &byte, 1) == 1;
}

static void
close_network(void)
{
    int r = net_routes_close();
    if (r < 0)
        dprintf(STDERR_FILENO, "cloche-agent: closing the network: %s\n", strerror(-r));
    close(control);
    control = -1;
    source_close(&gate);
    child = 0;
}

/* The child waits for the answer, so there is one byte at a time. */
static void
on_gate_ready(Source *source, uint32_t events)
{
    char wanted;

    if (recv(gate.fd, &wanted, 1, MSG_DONTWAIT) != 1)
        return;
    int r = net_routes_set_gate(wanted == NET_GATE_OPEN);
    if (r < 0)
        dprintf(STDERR_FILENO, "cloche-agent: the network's gate: %s\n", strerror(-r));
    send(gate.fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Makes the child's descriptors. */
static int
open_sockets(int fds[FDS])
{
    int controls[2], gates[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, controls) < 0)
        return -errno;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gates) < 0) {
        int r = -errno;
        close(controls[0]);
        close(controls[1]);
        return r;
    }
    control = controls[0];
    gate.fd = gates[0];
    fds[CONTROL] = controls[1];
    fds[GATE] = gates[1];
    return 0;
}

void
net_child_start(int fd)
{
    int fds[FDS] = {[PORT] = fd};

    if (fd < 0)
        return;
    if (open_sockets(fds) < 0) {
        close(fd);
        return;
    }
    child = fork();
    if (child == 0)
        run_child(fds);
    for (int i = 0; i < FDS; i++)
        close(fds[i]);
    if (child > 0 && wait_for_byte(READY_TIMEOUT_MS))
        return;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    close_network();
}

int
net_child_watch(void)
{
    return gate.fd < 0 ? 0 : source_open(&gate, gate.fd, EPOLLIN, on_gate_ready);
}

bool
net_child_is_running(void)
{
    return child > 0;
}

bool
net_child_reaped(pid_t pid)
{
    if (pid != child || pid == 0)
        return false;
    dprintf(STDERR_FILENO, "cloche-agent: the network's process has ended\n");
    close_network();
    return true;
}

void
net_child_forget(void)
{
    if (control >= 0 && send(control, "", 1, MSG_NOSIGNAL) == 1)
        wait_for_byte(FORGET_TIMEOUT_MS);
}
