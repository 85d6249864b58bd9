/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock: sets the time of day to the host's.
 *
 * A machine's clock stops while the machine is stopped, and under KVM it does not follow
 * corrections of the host's clock. Nothing else in a guest sets it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Times outside this range are refused: no host has such a clock. */
#define CLOCK_EARLIEST_S 1577836800 /* 2020 */
#define CLOCK_LATEST_S 7258118400   /* 2200 */

/* Up to the first difference, the clock is not changed. Up to the second, the kernel slews it (by
 * 1/2000) instead of setting it, because programs do not expect jumps of the time. */
#define CLOCK_KEPT_US 10000
#define CLOCK_SLEWED_US 500000

typedef enum {
    CLOCK_REFUSE,
    CLOCK_KEEP,
    CLOCK_SLEW,
    CLOCK_STEP,
} ClockChange;

/* `owns_kernel`: the agent may change the clock; otherwise the functions below do not. */
void clock_open(bool owns_kernel);

/* Chooses the change when the guest has the time `now_us` and the host `wanted_us`. */
ClockChange clock_choose(int64_t wanted_us, int64_t now_us);
/* Makes the change. -EINVAL if the time is refused. */
int clock_follow(uint64_t realtime_ns);
/* Sets the clock, whatever the difference is. */
int clock_step(uint64_t realtime_ns);
