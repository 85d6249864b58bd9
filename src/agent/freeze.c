/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* freeze: one freeze at a time, an event when it is complete, and a timer. */
#include "freeze.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "cgroup.h"
#include "clock.h"
#include "host-port.h"
#include "loop.h"

static bool is_complete;
static uint32_t waiting_stream; /* 0: none */
static Source events = {.fd = -1}, timer = {.fd = -1};

static void
stop_waiting(void)
{
    source_close(&events);
    source_close(&timer);
    waiting_stream = 0;
}

/* Ends the freeze under way. */
static void
fail(int error)
{
    uint32_t stream = waiting_stream;

    stop_waiting();
    cgroup_freeze(false);
    port_send_error(stream, error, WIRE_ABOUT_SYSTEM, "freeze");
}

/* False if a process is not frozen yet. */
static bool
succeed_if_frozen(void)
{
    if (!cgroup_is_frozen(events.fd))
        return false;
    port_send(waiting_stream, WIRE_OK, 0);
    stop_waiting();
    is_complete = true;
    return true;
}

static void
on_event(Source *source, uint32_t what)
{
    succeed_if_frozen();
}

static void
on_timeout(Source *source, uint32_t what)
{
    if (!succeed_if_frozen())
        fail(EBUSY);
}

static int
open_timer(void)
{
    const struct itimerspec in = {
        .it_value.tv_sec = FREEZE_TIMEOUT_MS / 1000,
        .it_value.tv_nsec = FREEZE_TIMEOUT_MS % 1000 * 1000000L,
    };

    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    timerfd_settime(fd, 0, &in, /* old= */ NULL);
    return source_open(&timer, fd, EPOLLIN, on_timeout);
}

static int
begin(void)
{
    int fd = cgroup_watch_frozen();
    if (fd < 0)
        return fd;
    int r = source_open(&events, fd, EPOLLPRI, on_event);
    if (r == 0)
        r = open_timer();
    return r < 0 ? r : cgroup_freeze(true);
}

void
freeze_start(uint32_t stream)
{
    if (is_complete) {
        port_send(stream, WIRE_OK, 0);
        return;
    }
    if (waiting_stream != 0) {
        port_send_error(stream, EBUSY, WIRE_ABOUT_SYSTEM, "freeze");
        return;
    }
    waiting_stream = stream;
    int r = begin();
    if (r < 0)
        fail(-r);
    else
        succeed_if_frozen(); /* it may have been complete before it was watched */
}

int
freeze_thaw(uint64_t realtime_ns)
{
    /* Programs that were not stopped do not expect jumps of the time. */
    int r = is_complete ? clock_step(realtime_ns) : clock_follow(realtime_ns);

    if (waiting_stream != 0)
        fail(EBUSY);
    cgroup_freeze(false);
    is_complete = false;
    return r;
}

void
freeze_forget(void)
{
    if (waiting_stream == 0)
        return;
    stop_waiting();
    cgroup_freeze(false);
}

bool
freeze_is_complete(void)
{
    return is_complete;
}
