/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin.h"

#include <errno.h>

void
builtin_stat(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_read(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_store(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_append(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_mkdir(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_move(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}

void
builtin_readlink(char *const *argv)
{
    builtin_fail(ENOSYS, WIRE_ABOUT_REQUEST, argv[0]);
}
