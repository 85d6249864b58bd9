/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* complete-stream: a stream whose reader learns whether it got all data. */
#include "complete-stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

gboolean
complete_stream_open(int *ret_writer, int *ret_reader, GError **error)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return util_set_errno(error, errno, "Cannot make a socket");
    if (send(ends[1], "", 1, MSG_NOSIGNAL) != 1 || shutdown(ends[1], SHUT_WR) < 0) {
        util_set_errno(error, errno, "Cannot use a socket");
        close(ends[0]);
        close(ends[1]);
        return FALSE;
    }
    *ret_writer = ends[0];
    *ret_reader = ends[1];
    return TRUE;
}

void
complete_stream_finish(int writer)
{
    char byte;

    while (recv(writer, &byte, 1, 0) < 0 && errno == EINTR)
        ;
    shutdown(writer, SHUT_WR);
}
