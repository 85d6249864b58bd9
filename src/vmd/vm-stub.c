/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-stub: the head of a kernel, for machines that never boot.
 *
 * A restored machine must have the same firmware parts as its template, and one of them exists only
 * when QEMU is given a kernel. QEMU keeps a copy of that file in memory: 14 MB that a restored
 * machine never reads. The setup sectors at the beginning of the kernel are enough.
 */
#include "vm-stub.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

/* The Linux/x86 boot protocol. */
#define SECTOR 512
#define SETUP_SECTORS_OFFSET 0x1f1
#define SETUP_SECTORS_DEFAULT 4 /* what 0 means */
#define MAGIC_OFFSET 0x202
#define MAGIC "HdrS"
#define HEAD_MAX ((1 + 255 + 1) * SECTOR) /* boot sector, setup, one of the kernel itself */

static gboolean
is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static gssize
read_head(const char *path, guint8 *head, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    gssize size = -1;

    if (fd < 0) {
        util_set_errno(error, errno, "cannot open '%s'", path);
        return -1;
    }
    if (!is_regular(fd))
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "'%s' is not a regular file", path);
    else if ((size = read(fd, head, HEAD_MAX)) < 0)
        util_set_errno(error, errno, "cannot read '%s'", path);
    close(fd);
    return size;
}

/* The size of the stub, or 0 when the file is not a kernel. */
static gsize
stub_size(const guint8 *head, gsize size)
{
    gsize sectors, stub;

    if (size < MAGIC_OFFSET + strlen(MAGIC) ||
        memcmp(head + MAGIC_OFFSET, MAGIC, strlen(MAGIC)) != 0)
        return 0;
    sectors = head[SETUP_SECTORS_OFFSET] ? head[SETUP_SECTORS_OFFSET] : SETUP_SECTORS_DEFAULT;
    stub = (1 + sectors + 1) * SECTOR;
    return stub <= size ? stub : 0;
}

gboolean
stub_write(const char *kernel, const char *path, GError **error)
{
    g_autofree guint8 *head = g_malloc(HEAD_MAX);
    gssize size = read_head(kernel, head, error);
    gsize stub;

    if (size < 0)
        return FALSE;
    stub = stub_size(head, (gsize)size);
    if (stub == 0) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "'%s' is not a Linux kernel", kernel);
        return FALSE;
    }
    if (!g_file_set_contents_full(path, (const char *)head, (gssize)stub, G_FILE_SET_CONTENTS_NONE,
                                  0644, error))
        return FALSE;
    /* QEMU's user must be able to read it under any umask. */
    if (chmod(path, 0644) < 0)
        return util_set_errno(error, errno, "cannot set the mode of '%s'", path);
    return TRUE;
}
