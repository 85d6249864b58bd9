/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secret-file: reads the value of a secret. */
#include "secret-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "policy.h"

static gboolean
refuse(GError **error, const char *reason)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "secrets: %s", reason);
    return FALSE;
}

/* Only files in memory have seals. */
static gboolean
check_file(int fd, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || fcntl(fd, F_GET_SEALS) < 0)
        return refuse(error, "the value is not in a memfd or a file of a tmpfs");
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
        return refuse(error, "the file of the value cannot be read");
    return TRUE;
}

G_STATIC_ASSERT(NET_SECRET_VALUE_MAX == 8192u); /* a message says so */

static gboolean
check_value(const char *value, gsize size, GError **error)
{
    if (size == 0)
        return refuse(error, "the value is empty");
    if (size > NET_SECRET_VALUE_MAX)
        return refuse(error, "the value is longer than 8192 bytes");
    for (gsize i = 0; i < size; i++)
        if ((guchar)value[i] < 0x20 || value[i] == 0x7f)
            return refuse(error, "the value has control characters, of which only a newline at "
                                 "its end may be there");
    return TRUE;
}

static gsize
cut_newline(const char *value, gsize size)
{
    if (size > 0 && value[size - 1] == '\n')
        size--;
    if (size > 0 && value[size - 1] == '\r')
        size--;
    return size;
}

char *
secret_file_read(int fd, gsize *ret_size, GError **error)
{
    const gsize max = NET_SECRET_VALUE_MAX + 3; /* one byte too many, and a line's end */
    char *value;
    gssize size;

    if (!check_file(fd, error))
        return NULL;
    value = g_malloc0(max);
    size = pread(fd, value, max, 0);
    if (size >= 0)
        *ret_size = cut_newline(value, (gsize)size);
    if (size < 0)
        refuse(error, "the file of the value cannot be read");
    else if (check_value(value, *ret_size, error))
        return value;
    secret_file_free(value, max);
    return NULL;
}

void
secret_file_free(char *value, gsize size)
{
    if (value)
        explicit_bzero(value, size);
    g_free(value);
}
