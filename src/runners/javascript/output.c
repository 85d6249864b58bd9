/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* output: duplicates descriptors, and writes to them in order. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIGHEST_FD 1000
#define ORDER_TURNS 50        /* turns in which others may run, before the pauses */
#define ORDER_PAUSE_NS 100000 /* doubled for each pause */
#define ORDER_PAUSE_MAX_NS 20000000

volatile sig_atomic_t output_has_sigint;
static int channel = -1;
static bool (*end_execution)(void);

void
output_open(int fd, bool (*end)(void))
{
    channel = fd;
    end_execution = end;
}

int
move_high(int fd)
{
    long limit = sysconf(_SC_OPEN_MAX) - 16;
    return fcntl(fd, F_DUPFD_CLOEXEC, limit < HIGHEST_FD ? (int)limit : HIGHEST_FD);
}

/* moveHigh(fd) → a duplicate that no child inherits */
napi_value
move_high_js(napi_env env, napi_info info)
{
    napi_value argument, result;
    arguments_of(env, info, 1, &argument);
    napi_create_int32(env, move_high(int_argument(env, argument)), &result);
    return result;
}

/* Pauses. Returns false if the other end is closed, so that the rest will not be read. */
static bool
pause_for_reader(int fd, long *pause_ns)
{
    struct timespec pause = {.tv_nsec = *pause_ns};

    if (*pause_ns < ORDER_PAUSE_MAX_NS)
        *pause_ns *= 2;
    return ppoll(&(struct pollfd){.fd = fd}, 1, &pause, /* sigmask= */ NULL) <= 0;
}

/*
 * Waits until the agent has read what was written to another pipe or to the channel, because they
 * have no order relative to each other. Before a frame, the agent itself reads the pipes first.
 * SIGINT ends the wait.
 */
static void
keep_order(int fd)
{
    static int last_fd = -1;
    struct stat status;
    int previous = last_fd, count = 0;
    long pause_ns = ORDER_PAUSE_NS;
    last_fd = fd;
    if (previous < 0 || previous == fd || fd == channel)
        return;
    if (previous != channel && (fstat(previous, &status) < 0 || !S_ISFIFO(status.st_mode)))
        return;
    for (unsigned turns = 0; !output_has_sigint; turns++) {
        if (ioctl(previous, previous == channel ? SIOCOUTQ : FIONREAD, &count) < 0 || count <= 0)
            return;
        if (turns < ORDER_TURNS)
            sched_yield();
        else if (!pause_for_reader(previous, &pause_ns))
            return;
    }
}

/* Returns 0 or -errno. Another program with the descriptor may have made it non-blocking. */
static int
write_all(int fd, const char *bytes, size_t size, bool may_end)
{
    size_t done = 0;
    output_has_sigint = false;
    keep_order(fd);
    while (done < size) {
        ssize_t count = write(fd, bytes + done, size - done);
        if (count >= 0)
            done += count;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1);
        else if (errno != EINTR)
            return -errno;
        if (may_end && output_has_sigint && end_execution())
            break;
    }
    return 0;
}

/*
 * write(fd, buffer) → 0 or -errno. A frame is always sent completely. Other output is cut off if
 * its execution is ended.
 */
napi_value
write_js(napi_env env, napi_info info)
{
    napi_value arguments[2], result;
    void *bytes = NULL;
    size_t size = 0;
    arguments_of(env, info, 2, arguments);
    int fd = int_argument(env, arguments[0]);
    napi_get_buffer_info(env, arguments[1], &bytes, &size);
    napi_create_int32(env, write_all(fd, bytes, size, /* may_end= */ fd != channel), &result);
    return result;
}

/* putBack(kept, fd): makes fd again what `kept` was duplicated from. */
napi_value
put_back_js(napi_env env, napi_info info)
{
    napi_value arguments[2];
    struct stat then, now;
    arguments_of(env, info, 2, arguments);
    int kept = int_argument(env, arguments[0]), fd = int_argument(env, arguments[1]);
    if (fstat(kept, &then) < 0)
        return NULL;
    if (fstat(fd, &now) < 0 || then.st_dev != now.st_dev || then.st_ino != now.st_ino)
        dup2(kept, fd);
    return NULL;
}
