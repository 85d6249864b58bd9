/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* service-peer: connects to a service, or starts it as a child. */
#include "service-peer.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

#define CHILD_FD 3

struct ServicePeer {
    char *name;
    char *socket; /* NULL: a child */
    char **argv;
    char *descriptor_option;
    GSubprocess *child;
};

ServicePeer *
service_peer_new(const ServiceAccess *access)
{
    ServicePeer *peer = g_new0(ServicePeer, 1);

    peer->name = g_strdup(access->name);
    peer->socket = g_strdup(access->socket);
    peer->argv = g_strdupv((char **)access->argv);
    peer->descriptor_option = g_strdup(access->descriptor_option);
    return peer;
}

void
service_peer_free(ServicePeer *peer)
{
    if (!peer)
        return;
    g_clear_object(&peer->child);
    g_free(peer->name);
    g_free(peer->socket);
    g_strfreev(peer->argv);
    g_free(peer->descriptor_option);
    g_free(peer);
}

/* --- the service --- */

static int
connect_to(const ServicePeer *peer, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return -1;
    }
    g_strlcpy(address.sun_path, peer->socket, sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    util_set_errno(error, errno, "Cannot connect to '%s' of %s", peer->socket, peer->name);
    close(fd);
    return -1;
}

/* --- the child --- */

static GSubprocess *
spawn(const ServicePeer *peer, int fd, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *option = g_strdup_printf("%s%d", peer->descriptor_option, CHILD_FD);
    g_auto(GStrv) all = NULL;

    for (char *const *arg = peer->argv; *arg; arg++)
        g_strv_builder_add(builder, *arg);
    g_strv_builder_add(builder, option);
    all = g_strv_builder_end(builder);
    g_subprocess_launcher_take_fd(launcher, fd, CHILD_FD);
    return g_subprocess_launcher_spawnv(launcher, (const char *const *)all, error);
}

static int
start_child(ServicePeer *peer, GError **error)
{
    int fds[2];

    if (peer->child && g_subprocess_get_identifier(peer->child)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "The process %s of %s has not ended",
                    g_subprocess_get_identifier(peer->child), peer->name);
        return -1;
    }
    g_clear_object(&peer->child);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return -1;
    }
    peer->child = spawn(peer, fds[1], error);
    if (peer->child)
        return fds[0];
    close(fds[0]);
    return -1;
}

const char *
service_peer_path(const ServicePeer *peer)
{
    return peer->socket ? peer->socket : peer->argv[0];
}

int
service_peer_connect(ServicePeer *peer, gboolean *ret_is_missing, GError **error)
{
    if (ret_is_missing)
        *ret_is_missing = access(service_peer_path(peer), F_OK) < 0 && errno == ENOENT;
    return peer->socket ? connect_to(peer, error) : start_child(peer, error);
}
