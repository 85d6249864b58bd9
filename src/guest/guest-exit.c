/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-exit: how a process of the guest ended. */
#include "guest-exit.h"

#include <string.h>

gboolean
guest_exit_read(const guint8 *payload, gsize size, GuestExit *ret_exit)
{
    GuestExit end = {0};
    WireReader r;
    guint32 how;

    wire_reader_init(&r, payload, size);
    how = wire_get_u32(&r);
    end.status = wire_get_u32(&r);
    end.user_us = wire_get_u64(&r);
    end.system_us = wire_get_u64(&r);
    end.peak_rss_kib = wire_get_u64(&r);
    if (wire_reader_end(&r) < 0 || how >= _WIRE_EXIT_MAX || end.status > 255)
        return FALSE;
    end.how = how;
    *ret_exit = end;
    return TRUE;
}

char *
guest_exit_describe(const GuestExit *end)
{
    const char *name;

    switch (end->how) {
    case WIRE_EXIT_OUT_OF_MEMORY:
        return g_strdup("out of memory");
    case WIRE_EXIT_TIMEOUT:
        return g_strdup("time limit");
    case WIRE_EXIT_STATUS:
        return g_strdup_printf("exit status %u", end->status);
    default:
        name = sigabbrev_np((int)end->status); /* real-time signals have no name */
        return name ? g_strdup_printf("killed by SIG%s", name)
                    : g_strdup_printf("killed by signal %u", end->status);
    }
}
