/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock: the time of day, which the host tells.
 *
 * A machine's clock stands still while the machine does, and under KVM it does not follow the
 * corrections that the host's clock gets. Nothing else in a guest sets it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Times outside are refused: no host has such a clock. */
#define CLOCK_EARLIEST_S 1577836800 /* 2020 */
#define CLOCK_LATEST_S 7258118400   /* 2200 */

/* How far the clock may be off and be left alone, and be made faster or slower by the kernel (a
 * two-thousandth) instead of being set: programs do not like time that jumps. */
#define CLOCK_KEPT_US 10000
#define CLOCK_SLEWED_US 500000

typedef enum {
    CLOCK_REFUSE,
    CLOCK_KEEP,
    CLOCK_SLEW,
    CLOCK_STEP,
} ClockChange;

/* `owns_kernel`: the clock is the machine's own; otherwise nothing below changes it. */
void clock_open(bool owns_kernel);

/* What is to be done when it is `now_us` here and `wanted_us` at the host. */
ClockChange clock_choose(int64_t wanted_us, int64_t now_us);
/* Does it. -EINVAL when the time is refused. */
int clock_follow(uint64_t realtime_ns);
/* Sets the clock, whatever it is now. */
int clock_step(uint64_t realtime_ns);
