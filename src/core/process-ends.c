/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-ends: pairs of descriptors for the streams of a process. */
#include "process-ends.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

static void
close_end(int *fd)
{
    if (*fd >= 0)
        close(g_steal_fd(fd));
}

void
process_ends_clear(ProcessEnds *ends)
{
    for (guint i = 0; i <= WIRE_STDERR; i++) {
        close_end(&ends->ours[i]);
        close_end(&ends->callers[i]);
    }
}

/* The caller cannot write to a socket for output. It can read from one for input, because clients
 * take a socket that is readable for one whose other end was closed. */
static gboolean
limit(int ours, WireChannel channel, GError **error)
{
    const int size = PROCESS_ENDS_BUFFER;

    if (channel != WIRE_STDIN && (shutdown(ours, SHUT_RD) < 0 ||
                                  setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0))
        return util_set_errno(error, errno, "Cannot use a socket");
    return g_unix_set_fd_nonblocking(ours, TRUE, error);
}

static gboolean
open_stream(ProcessEnds *ends, WireChannel channel, GError **error)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return util_set_errno(error, errno, "Cannot make a socket");
    ends->ours[channel] = fds[0];
    ends->callers[channel] = fds[1];
    return limit(fds[0], channel, error);
}

gboolean
process_ends_open_streams(ProcessEnds *ends, GError **error)
{
    return open_stream(ends, WIRE_STDIN, error) && open_stream(ends, WIRE_STDOUT, error) &&
           open_stream(ends, WIRE_STDERR, error);
}

gboolean
process_ends_open_socket(ProcessEnds *ends, GError **error)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return util_set_errno(error, errno, "Cannot make a socket");
    ends->ours[WIRE_STDOUT] = fds[0];
    ends->callers[WIRE_STDIN] = fds[1];
    ends->ours[WIRE_STDIN] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    if (ends->ours[WIRE_STDIN] < 0)
        return util_set_errno(error, errno, "Cannot duplicate a socket");
    return g_unix_set_fd_nonblocking(fds[0], TRUE, error);
}

gboolean
process_ends_open_socket_and_stream(ProcessEnds *ends, GError **error)
{
    return process_ends_open_socket(ends, error) && open_stream(ends, WIRE_STDERR, error);
}

/* Closing one of two descriptors of a socket would not tell the caller that no output comes. */
void
process_ends_detach(ProcessEnds *ends)
{
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++) {
        if (ends->ours[channel] >= 0)
            shutdown(ends->ours[channel], SHUT_WR);
        close_end(&ends->ours[channel]);
    }
}
