/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* service-listener: checks who connects. */
#include "service-listener.h"

#include <glib-unix.h>
#include <pwd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "error.h"

typedef struct {
    uid_t uid;
    ServiceListenerAccept accept;
    gpointer data;
} Listener;

gboolean
service_listener_find_user(const char *name, uid_t *ret_uid, GError **error)
{
    const struct passwd *user = name ? getpwnam(name) : NULL;

    if (name && !user) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "There is no user '%s'", name);
        return FALSE;
    }
    *ret_uid = user ? user->pw_uid : geteuid();
    return TRUE;
}

int
service_listener_find_socket(const char *program, GError **error)
{
    if (sd_listen_fds(/* unset_environment= */ 1) == 1 &&
        sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_SEQPACKET, /* listening= */ 1) > 0)
        return SD_LISTEN_FDS_START;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "%s is started by cloched or by its socket unit", program);
    return -1;
}

static gboolean
is_allowed(const Listener *listener, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return FALSE;
    if (peer.uid == listener->uid)
        return TRUE;
    g_warning("The uid %u may not use this service", (unsigned)peer.uid);
    return FALSE;
}

static gboolean
on_listening(int fd, GIOCondition condition, gpointer data)
{
    const Listener *listener = data;
    int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (connection >= 0 && is_allowed(listener, connection))
        listener->accept(connection, listener->data);
    else if (connection >= 0)
        close(connection);
    return G_SOURCE_CONTINUE;
}

void
service_listener_serve(int listening, uid_t uid, ServiceListenerAccept accept, gpointer data)
{
    const Listener listener = {uid, accept, data};

    g_unix_set_fd_nonblocking(listening, TRUE, /* error= */ NULL);
    g_unix_fd_add_full(G_PRIORITY_DEFAULT, listening, G_IO_IN, on_listening,
                       g_memdup2(&listener, sizeof listener), g_free);
}
