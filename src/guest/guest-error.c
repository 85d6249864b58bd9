/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-error: errors that the guest reports, as errors of error.h. */
#include "guest-error.h"

#include <errno.h>

#include "error.h"

#define NAME_MAX_SIZE 4096u

static gboolean
is_lack_of_resources(guint32 errnum)
{
    return errnum == ENOMEM || errnum == EAGAIN || errnum == ENOSPC || errnum == EDQUOT ||
           errnum == EMFILE || errnum == ENFILE;
}

static ClocheError
file_error_code(guint32 errnum)
{
    switch (errnum) {
    case ENOENT:
        return CLOCHE_ERROR_NO_SUCH_FILE;
    case EEXIST:
        return CLOCHE_ERROR_FILE_EXISTS;
    case ENOTDIR:
        return CLOCHE_ERROR_NOT_A_DIRECTORY;
    case EISDIR:
        return CLOCHE_ERROR_IS_A_DIRECTORY;
    case ENOTEMPTY:
        return CLOCHE_ERROR_DIRECTORY_NOT_EMPTY;
    case EACCES:
    case EPERM:
    case EROFS:
        return CLOCHE_ERROR_PERMISSION_DENIED;
    case EIO:
        return CLOCHE_ERROR_FAILED;
    default:
        return CLOCHE_ERROR_INVALID_ARGUMENT;
    }
}

static ClocheError
port_error_code(guint32 errnum)
{
    switch (errnum) {
    case EINVAL:
        return CLOCHE_ERROR_INVALID_ARGUMENT;
    case ETIMEDOUT:
        return CLOCHE_ERROR_TIMED_OUT;
    default:
        return CLOCHE_ERROR_CONNECTION_REFUSED;
    }
}

static ClocheError
error_code(WireObject about, guint32 errnum)
{
    if (about == WIRE_ABOUT_USER)
        return CLOCHE_ERROR_NO_SUCH_USER;
    if (about == WIRE_ABOUT_REQUEST)
        return CLOCHE_ERROR_INVALID_ARGUMENT;
    if (about == WIRE_ABOUT_SYSTEM && errnum == EBUSY)
        return CLOCHE_ERROR_BUSY;
    if (about == WIRE_ABOUT_SYSTEM || is_lack_of_resources(errnum))
        return CLOCHE_ERROR_OUT_OF_RESOURCES;
    switch (about) {
    case WIRE_ABOUT_PROGRAM:
        if (errnum == E2BIG)
            return CLOCHE_ERROR_INVALID_ARGUMENT;
        return errnum == EACCES || errnum == EPERM ? CLOCHE_ERROR_PERMISSION_DENIED
                                                   : CLOCHE_ERROR_NO_SUCH_PROGRAM;
    case WIRE_ABOUT_DIRECTORY:
        return errnum == EACCES ? CLOCHE_ERROR_PERMISSION_DENIED : CLOCHE_ERROR_NO_SUCH_DIRECTORY;
    case WIRE_ABOUT_FILE:
        return file_error_code(errnum);
    case WIRE_ABOUT_PORT:
        return port_error_code(errnum);
    default:
        return CLOCHE_ERROR_OUT_OF_RESOURCES;
    }
}

GError *
guest_error(WireObject about, guint32 errnum, const char *name)
{
    static const char *const objects[_WIRE_ABOUT_MAX] = {"request", "program", "directory", "user",
                                                         "tag",     "guest",   "file",      "port"};
    g_autofree char *valid = g_utf8_make_valid(name, -1);

    if (about == WIRE_ABOUT_USER && errnum == ENOENT)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_USER,
                           "There is no user '%s' in the sandbox", valid);
    if (about == WIRE_ABOUT_FILE && errnum == ENXIO)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                           "file '%s': It is not a regular file; only a program in the sandbox can "
                           "read or write it",
                           valid);
    if (about == WIRE_ABOUT_SYSTEM && errnum == EBUSY)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                           "The sandbox cannot do '%s' now; try again", valid);
    if (about == WIRE_ABOUT_SYSTEM && is_lack_of_resources(errnum))
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_OUT_OF_RESOURCES,
                           "The sandbox ran out of %s: %s", valid, g_strerror((int)errnum));
    return g_error_new(CLOCHE_ERROR, error_code(about, errnum), "%s '%s': %s", objects[about],
                       valid, g_strerror((int)errnum));
}

GError *
guest_error_read(const guint8 *payload, gsize size)
{
    WireReader r;
    guint32 errnum, about;
    g_autofree char *name = NULL, *message = NULL;

    wire_reader_init(&r, payload, size);
    errnum = wire_get_u32(&r);
    about = wire_get_u32(&r);
    name = wire_get_string(&r, NAME_MAX_SIZE);
    message = wire_get_string(&r, NAME_MAX_SIZE);
    if (wire_reader_end(&r) < 0 || about >= _WIRE_ABOUT_MAX || errnum > G_MAXINT)
        return NULL;
    return guest_error(about, errnum, name);
}

gboolean
guest_error_is_end_of_link(const GError *error)
{
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST) ||
           g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING);
}
