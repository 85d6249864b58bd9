/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock-shift: a library that shifts the time of day of the program that preloads it.
 *
 * Containers may not set the clock. The file that $CLOCK_SHIFT names begins with the seconds to
 * add, as an int64_t. It is mapped, so a change takes effect immediately.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none, *shift_s = &none;

__attribute__((constructor)) static void
map_shift(void)
{
    const char *path = getenv("CLOCK_SHIFT");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page;

    if (fd < 0)
        abort();
    page = mmap(NULL, sizeof *shift_s, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        abort();
    shift_s = page;
    close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);

    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += *shift_s;
    return result;
}

int
gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    int result = (int)syscall(SYS_gettimeofday, time, zone);

    if (result == 0 && time)
        time->tv_sec += *shift_s;
    return result;
}

time_t
time(time_t *result)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}
