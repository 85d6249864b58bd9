/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dial: connects to one of several addresses. */
#include "dial.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_US (250 * 1000)

void
dial_init(Dial *dial)
{
    *dial = (Dial){.error = -EHOSTUNREACH};
    for (guint i = 0; i < DIAL_ATTEMPTS_MAX; i++)
        dial->attempts[i].fd = -1;
}

static const NetAddress *
find_next(const NetAddress *addresses, guint count, guint *at, gboolean is_v4)
{
    while (*at < count && net_address_is_v4(&addresses[*at]) != is_v4)
        ++*at;
    return *at < count ? &addresses[(*at)++] : NULL;
}

void
dial_set(Dial *dial, const NetAddress *addresses, guint count)
{
    guint at[2] = {0, 0}; /* of IPv6 and IPv4 */

    dial->count = dial->next = 0;
    for (guint turn = 0; dial->count < count; turn++) {
        gboolean is_v4 = turn % 2 == 1;
        const NetAddress *next = find_next(addresses, count, &at[is_v4], is_v4);

        if (next)
            dial->addresses[dial->count++] = *next;
    }
}

static void
close_attempt(Dial *dial, guint attempt)
{
    if (dial->attempts[attempt].fd >= 0)
        close(dial->attempts[attempt].fd);
    dial->attempts[attempt].fd = -1;
}

void
dial_clear(Dial *dial)
{
    for (guint i = 0; i < DIAL_ATTEMPTS_MAX; i++)
        close_attempt(dial, i);
    dial->next = dial->count;
    dial->next_at = 0;
}

/* --- attempts --- */

static gboolean
find_free(const Dial *dial, guint *ret)
{
    for (guint i = 0; i < DIAL_ATTEMPTS_MAX; i++)
        if (dial->attempts[i].fd < 0) {
            *ret = i;
            return TRUE;
        }
    return FALSE;
}

static gboolean
is_waiting(const Dial *dial)
{
    for (guint i = 0; i < DIAL_ATTEMPTS_MAX; i++)
        if (dial->attempts[i].fd >= 0)
            return TRUE;
    return FALSE;
}

/* A refusal by the rules is the most useful of several errors. */
static void
note_error(Dial *dial, int error)
{
    if (dial->error != -EACCES)
        dial->error = error;
}

DialState
dial_go_on(Dial *dial, gint64 now, DialConnect connect, gpointer data)
{
    guint place;

    while (dial->next < dial->count && find_free(dial, &place) &&
           (!is_waiting(dial) || dial->next_at <= now)) {
        const NetAddress *address = &dial->addresses[dial->next++];
        int fd = connect(address, data);

        if (fd < 0) {
            note_error(dial, fd);
            continue;
        }
        dial->attempts[place].fd = fd;
        dial->attempts[place].address = *address;
        dial->next_at = now + PAUSE_US;
    }
    if (dial->next == dial->count || !find_free(dial, &place))
        dial->next_at = 0;
    return is_waiting(dial) ? DIAL_WAITS : DIAL_FAILED;
}

int
dial_take(Dial *dial, guint attempt, NetAddress *ret_address)
{
    int fd = dial->attempts[attempt].fd, error = 0;
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof error;

    if (fd < 0 || poll(&poll_fd, 1, 0) == 0)
        return -EINPROGRESS;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
        note_error(dial, error != 0 ? -error : -EIO);
        close_attempt(dial, attempt);
        dial->next_at = 0; /* the next address is due now */
        return -1;
    }
    *ret_address = dial->attempts[attempt].address;
    dial->attempts[attempt].fd = -1;
    dial_clear(dial);
    return fd;
}
