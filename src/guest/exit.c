/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exit: how a program of the guest ended, in words. */
#include "exit.h"

#include <string.h>

char *
guest_exit_words(const GuestExit *end)
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
        name = sigabbrev_np((int)end->status);
        return name ? g_strdup_printf("killed by SIG%s", name)
                    : g_strdup_printf("killed by signal %u", end->status); /* a real-time one */
    }
}
