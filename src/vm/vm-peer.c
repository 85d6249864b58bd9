/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-peer: connects to cloche-vm, or starts it.
 *
 * The child ends when its socket is closed, so it does not outlive this process for long. It finds
 * its machines when it is started again.
 */
#include "vm-peer.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "error.h"
#include "vm-protocol.h"

/* libvirt examines QEMU when it is used the first time. */
#define READY_TIMEOUT_MS (120 * 1000)

ServicePeer *
vm_peer_new(const VmAccess *access)
{
    const ServiceAccess service = {.name = "cloche-vm",
                                   .socket = access->socket,
                                   .argv = access->argv,
                                   .descriptor_option = "--socket-fd="};

    return service_peer_new(&service);
}

/* --- readiness --- */

static gboolean
take_first(const void *packet, gssize size, GError **error)
{
    VmFactsAnswer answer;

    if (size > 0 && vm_answer_unpack(packet, (gsize)size, /* n_fds= */ 0, &answer)) {
        if (answer.head.type == VM_ANSWER_READY)
            return TRUE;
        if (answer.head.type == VM_ANSWER_FAILED) {
            g_propagate_error(error, vm_answer_get_error(&answer.head));
            return FALSE;
        }
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "cloche-vm %s before it was ready; its own messages say why",
                size > 0 ? "violated the protocol" : "ended");
    return FALSE;
}

gboolean
vm_peer_wait(int fd, GError **error)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    VmAnswer packet;
    int n;

    do
        n = poll(&wanted, 1, READY_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return take_first(&packet, recv(fd, &packet, sizeof packet, MSG_DONTWAIT), error);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT, "cloche-vm was not ready after %d s",
                READY_TIMEOUT_MS / 1000);
    return FALSE;
}
