/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-child: the life of the child, at both sides.
 *
 * The two share a socket. The child writes one byte when it is ready, and answers each byte that it
 * reads.
 */
#include "net-child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net-routes.h"
#include "net-service.h"

#define NAME "cloche-net"
#define READY_TIMEOUT_MS 30000
#define FORGET_TIMEOUT_MS 10000

static pid_t child;
static int control = -1; /* the agent's end */

/* --- in the child --- */

/* Only its own descriptors remain: low numbers are the console. */
static void
close_others(int *port, int *own_control)
{
    *port = fcntl(*port, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    *own_control = fcntl(*own_control, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    for (int fd = STDERR_FILENO + 1, last = *port > *own_control ? *port : *own_control; fd < last;
         fd++)
        if (fd != *port && fd != *own_control)
            close(fd);
    close_range((unsigned)(*port > *own_control ? *port : *own_control) + 1, ~0U, 0);
}

_Noreturn static void
run_child(int port, int own_control)
{
    prctl(PR_SET_NAME, NAME);
    signal(SIGPIPE, SIG_IGN);
    close_others(&port, &own_control);
    if (net_service_open(port, own_control) == 0 && write(own_control, "", 1) == 1)
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
    child = 0;
}

void
net_child_start(int fd)
{
    int ends[2];

    if (fd < 0)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        close(fd);
        return;
    }
    control = ends[0];
    child = fork();
    if (child == 0)
        run_child(fd, ends[1]);
    close(ends[1]);
    close(fd);
    if (child > 0 && wait_for_byte(READY_TIMEOUT_MS))
        return;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    close_network();
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
