/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quiesce: one child at a time. */
#include "quiesce.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-port.h"
#include "net-child.h"

static bool owns_disks;
static pid_t writer;
static uint32_t waiting_stream; /* 0: none */

void
quiesce_open(bool owns_kernel)
{
    owns_disks = owns_kernel;
}

void
quiesce_start(uint32_t stream)
{
    if (!owns_disks && !net_child_is_running()) {
        port_send(stream, WIRE_OK, 0);
        return;
    }
    if (writer != 0) {
        port_send_error(stream, EBUSY, WIRE_ABOUT_SYSTEM, "quiesce");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        net_child_forget();
        if (owns_disks)
            sync();
        _exit(0);
    }
    if (pid < 0) {
        port_send_error(stream, errno, WIRE_ABOUT_SYSTEM, "quiesce");
        return;
    }
    writer = pid;
    waiting_stream = stream;
}

void
quiesce_forget(void)
{
    waiting_stream = 0;
}

bool
quiesce_reaped(pid_t pid, int status)
{
    if (pid != writer || pid == 0)
        return false;
    writer = 0;
    if (waiting_stream == 0)
        return true;
    if (WIFEXITED(status))
        port_send(waiting_stream, WIRE_OK, 0);
    else
        port_send_error(waiting_stream, EIO, WIRE_ABOUT_SYSTEM, "quiesce");
    waiting_stream = 0;
    return true;
}
