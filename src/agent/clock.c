/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clock: sets the time of day to the host's. */
#include "clock.h"

#include <errno.h>
#include <sys/time.h>
#include <time.h>

#define US_PER_S 1000000
#define NS_PER_S 1000000000u

static bool is_ours;

void
clock_open(bool owns_kernel)
{
    is_ours = owns_kernel;
}

ClockChange
clock_choose(int64_t wanted_us, int64_t now_us)
{
    int64_t ahead_us = wanted_us - now_us;

    if (wanted_us < (int64_t)CLOCK_EARLIEST_S * US_PER_S ||
        wanted_us > (int64_t)CLOCK_LATEST_S * US_PER_S)
        return CLOCK_REFUSE;
    if (ahead_us >= -CLOCK_KEPT_US && ahead_us <= CLOCK_KEPT_US)
        return CLOCK_KEEP;
    if (ahead_us >= -CLOCK_SLEWED_US && ahead_us <= CLOCK_SLEWED_US)
        return CLOCK_SLEW;
    return CLOCK_STEP;
}

int
clock_step(uint64_t realtime_ns)
{
    struct timespec now = {
        .tv_sec = (time_t)(realtime_ns / NS_PER_S),
        .tv_nsec = (long)(realtime_ns % NS_PER_S),
    };

    return is_ours && clock_settime(CLOCK_REALTIME, &now) < 0 ? -errno : 0;
}

/* Replaces the rest of an earlier slew. */
static int
slew(int64_t by_us)
{
    struct timeval by = {.tv_sec = by_us / US_PER_S, .tv_usec = by_us % US_PER_S};

    return is_ours && adjtime(&by, NULL) < 0 ? -errno : 0;
}

int
clock_follow(uint64_t realtime_ns)
{
    struct timespec now;
    int64_t wanted_us = (int64_t)(realtime_ns / 1000), now_us;

    clock_gettime(CLOCK_REALTIME, &now);
    now_us = (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
    switch (clock_choose(wanted_us, now_us)) {
    case CLOCK_KEEP:
        return slew(0);
    case CLOCK_SLEW:
        return slew(wanted_us - now_us);
    case CLOCK_STEP:
        return clock_step(realtime_ns);
    default:
        return -EINVAL;
    }
}
