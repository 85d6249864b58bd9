/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lingering: a TCP socket whose last close blocks. */
#include "lingering.h"

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_S 120

static int
connect_pair(int *ret_peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_no_errno(bind(listener, (struct sockaddr *)&address, size));
    g_assert_no_errno(listen(listener, 1));
    g_assert_no_errno(getsockname(listener, (struct sockaddr *)&address, &size));
    g_assert_no_errno(connect(fd, (struct sockaddr *)&address, size));
    *ret_peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_no_errno(*ret_peer);
    close(listener);
    return fd;
}

int
lingering_open(int *ret_peer)
{
    static const char bytes[65536];
    const struct linger linger = {.l_onoff = 1, .l_linger = LINGER_S};
    int fd = connect_pair(ret_peer);

    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    g_assert_no_errno(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    return fd;
}
