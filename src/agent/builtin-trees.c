/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin.h"

#include <errno.h>

void
builtin_list(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_copy(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_remove(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_chmod(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_chown(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}
