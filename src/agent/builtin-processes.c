/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin.h"

#include <errno.h>

void
builtin_processes(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}
