/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-peer: connects to cloche-vm, or starts it.
 *
 * The child ends when its socket is closed, so it does not outlive this process for long. It finds
 * its machines when it is started again.
 */
#include "vm-peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-protocol.h"

#define CHILD_FD 3
/* libvirt examines QEMU when it is used the first time. */
#define READY_TIMEOUT_MS (120 * 1000)

struct VmPeer {
    char *socket; /* NULL: a child */
    char **argv;
    GSubprocess *child;
};

VmPeer *
vm_peer_new(const VmAccess *access)
{
    VmPeer *peer = g_new0(VmPeer, 1);

    peer->socket = g_strdup(access->socket);
    peer->argv = g_strdupv((char **)access->argv);
    return peer;
}

void
vm_peer_free(VmPeer *peer)
{
    g_clear_object(&peer->child);
    g_free(peer->socket);
    g_strfreev(peer->argv);
    g_free(peer);
}

/* --- the service --- */

static int
connect_to(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return -1;
    }
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    util_set_errno(error, errno, "Cannot connect to '%s' of cloche-vm", path);
    close(fd);
    return -1;
}

/* --- the child --- */

static GSubprocess *
spawn(char *const *argv, int fd, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) all = NULL;

    for (char *const *arg = argv; *arg; arg++)
        g_strv_builder_add(builder, *arg);
    g_strv_builder_add(builder, "--socket-fd=" G_STRINGIFY(CHILD_FD));
    all = g_strv_builder_end(builder);
    g_subprocess_launcher_take_fd(launcher, fd, CHILD_FD);
    return g_subprocess_launcher_spawnv(launcher, (const char *const *)all, error);
}

static int
start_child(VmPeer *peer, GError **error)
{
    int fds[2];

    if (peer->child && g_subprocess_get_identifier(peer->child)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "The process %s of cloche-vm has not ended",
                    g_subprocess_get_identifier(peer->child));
        return -1;
    }
    g_clear_object(&peer->child);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return -1;
    }
    peer->child = spawn(peer->argv, fds[1], error);
    if (peer->child)
        return fds[0];
    close(fds[0]);
    return -1;
}

int
vm_peer_connect(VmPeer *peer, GError **error)
{
    return peer->socket ? connect_to(peer->socket, error) : start_child(peer, error);
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
