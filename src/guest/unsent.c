/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unsent: the frames for a guest that its socket has not taken yet. */
#include "unsent.h"

#include <errno.h>
#include <sys/socket.h>

#include "error.h"

void
unsent_init(Unsent *unsent)
{
    *unsent = (Unsent){.bytes = g_byte_array_new()};
}

/* --- the charge --- */

/* Twice what is beyond the free part, because the array grows by doubling. */
static gsize
cost_of(gsize size)
{
    return size > UNSENT_FREE ? 2 * (size - UNSENT_FREE) : 0;
}

/* If the budget has no room, the charge stays as it is. */
static void
charge(Unsent *unsent)
{
    gsize cost = cost_of(unsent->bytes->len);

    if (cost > unsent->charged && budget_take(unsent->budget, cost - unsent->charged))
        unsent->charged = cost;
}

static void
give_back(Unsent *unsent)
{
    budget_give_back(unsent->budget, unsent->charged);
    unsent->charged = 0;
}

/* A GByteArray never releases memory, so a smaller one replaces it. */
static void
shrink(Unsent *unsent)
{
    GByteArray *large = unsent->bytes;

    if (unsent->charged == 0 || large->len > UNSENT_FREE)
        return;
    unsent->bytes = g_byte_array_new();
    g_byte_array_append(unsent->bytes, large->data, large->len);
    g_byte_array_unref(large);
    give_back(unsent);
}

void
unsent_set_budget(Unsent *unsent, Budget *budget)
{
    give_back(unsent);
    budget_unref(unsent->budget);
    unsent->budget = budget ? budget_ref(budget) : NULL;
    charge(unsent);
}

/* --- bounds --- */

gsize
unsent_size(const Unsent *unsent)
{
    return unsent->bytes->len;
}

gboolean
unsent_is_short(const Unsent *unsent)
{
    return unsent->bytes->len < UNSENT_AHEAD;
}

gboolean
unsent_is_excessive(const Unsent *unsent)
{
    return unsent->bytes->len > UNSENT_END ||
           cost_of(unsent->bytes->len) > unsent->charged + 2 * UNSENT_UNPAID_END;
}

gboolean
unsent_check_room(const Unsent *unsent, gsize size, GError **error)
{
    gsize cost = cost_of(unsent->bytes->len + size);

    if (unsent->bytes->len > UNSENT_MAX)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "Too many processes are under way in this sandbox");
    else if (cost > unsent->charged && !budget_has_room(unsent->budget, cost - unsent->charged))
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                    "The limit buffer-size is reached: %u bytes wait until this sandbox takes "
                    "them, and there is no room for %zu more; wait until a call or a process "
                    "ends, or end the sandbox",
                    unsent->bytes->len, size);
    else
        return TRUE;
    return FALSE;
}

/* --- sending --- */

/* Ignores errors: on_readable() of the link notices a broken socket. */
void
unsent_add(Unsent *unsent, int fd, const guint8 *frame, gsize size)
{
    gssize n = unsent->bytes->len == 0 ? send(fd, frame, size, MSG_NOSIGNAL) : 0;

    n = MAX(n, 0);
    if ((gsize)n == size)
        return;
    g_byte_array_append(unsent->bytes, frame + n, (guint)(size - (gsize)n));
    charge(unsent);
}

int
unsent_send(Unsent *unsent, int fd)
{
    gssize n = send(fd, unsent->bytes->data, unsent->bytes->len, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    g_byte_array_remove_range(unsent->bytes, 0, (guint)n);
    shrink(unsent);
    return 0;
}

/* --- the end --- */

void
unsent_drop(Unsent *unsent)
{
    g_byte_array_unref(unsent->bytes);
    unsent->bytes = g_byte_array_new();
    give_back(unsent);
}

void
unsent_clear(Unsent *unsent)
{
    give_back(unsent);
    budget_unref(unsent->budget);
    g_byte_array_unref(unsent->bytes);
}
