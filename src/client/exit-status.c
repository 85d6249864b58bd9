/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exit-status: how a process of a sandbox ended, as one number that a shell would give. */
#include "exit-status.h"

#include <glib.h>

int
exit_status_from(const char *how, int number)
{
    if (g_str_equal(how, "timed-out"))
        return EXIT_STATUS_TIMED_OUT;
    return g_str_equal(how, "exited") ? number : 128 + number;
}
