/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* loop: takes one event at a time, because a handler may free any other source. */
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static int epoll_fd = -1;

int
loop_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_fd < 0 ? -errno : 0;
}

int
source_open(Source *source, int fd, uint32_t events, SourceReady ready)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.ptr = source};

    *source = (Source){.fd = fd, .ready = ready};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        int r = -errno;
        close(fd);
        source->fd = -1;
        return r;
    }
    return 0;
}

void
source_close(Source *source)
{
    if (source->fd < 0)
        return;
    /* A child that has not executed its program yet has a copy of the descriptor, so close() alone
     * would not remove it from the set. */
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, source->fd, /* event= */ NULL);
    close(source->fd);
    source->fd = -1;
}

void
loop_turn(bool block)
{
    struct epoll_event event;

    if (epoll_wait(epoll_fd, &event, 1, block ? -1 : 0) != 1)
        return;
    Source *source = event.data.ptr;
    source->ready(source, event.events);
}
