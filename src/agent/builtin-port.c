/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin.h"

#include <errno.h>

void
builtin_connect(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_listeners(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}
