/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmd-check: compares requests with the configuration, and makes paths. */
#include "vmd-check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
refuse(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error)
        *error = g_error_new_valist(CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED, format, args);
    va_end(args);
    return FALSE;
}

/* --- paths --- */

char *
vmd_disk_path(const VmdConfig *config, const char *name)
{
    return g_build_filename(config->state, "machines", name + strlen(VM_NAME_PREFIX), "disk.qcow2",
                            NULL);
}

/* A machine that boots has the disk that becomes the template's. */
static char *
boot_disk_path(const VmdConfig *config, const char *version)
{
    g_autofree char *staging = g_strconcat(".new-", version, NULL);

    return g_build_filename(config->state, "templates", staging, "disk.qcow2", NULL);
}

void
vmd_paths_init(VmdPaths *paths, const VmdConfig *config, const VmRequest *request)
{
    paths->kernel = g_build_filename(config->state, "images", request->image, "kernel", NULL);
    paths->initrd = g_build_filename(config->state, "images", request->image, "initrd", NULL);
    paths->ram = g_build_filename(config->ram, request->version_key, NULL);
    paths->disk = request->type == VM_REQUEST_BOOT ? boot_disk_path(config, request->version_key)
                                                   : vmd_disk_path(config, request->name);
}

void
vmd_paths_clear(VmdPaths *paths)
{
    g_free(paths->kernel);
    g_free(paths->initrd);
    g_free(paths->disk);
    g_free(paths->ram);
}

/* --- files --- */

/* The descriptor of a file that is not opened for anything, or -1. */
static int
open_below(const char *folder, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path + strlen(folder) + 1, "/", /* max_tokens= */ -1);
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    for (char **part = parts; fd >= 0 && *part; part++) {
        int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (part[1] ? O_DIRECTORY : 0);
        int next = openat(fd, *part, flags);

        close(fd);
        fd = next;
    }
    return fd;
}

static gboolean
check_stat(const struct stat *st, const char *what, uid_t owner, GError **error)
{
    if (!S_ISREG(st->st_mode))
        return refuse(error, "'%s' is not a regular file", what);
    if (owner != (uid_t)-1 && st->st_uid != owner)
        return refuse(error, "'%s' is a file of the uid %u, not of %u", what, (unsigned)st->st_uid,
                      (unsigned)owner);
    return TRUE;
}

gboolean
vmd_check_file(const char *folder, const char *path, uid_t owner, GError **error)
{
    int fd = open_below(folder, path);
    struct stat st;
    gboolean ok;

    if (fd < 0)
        return util_set_errno(error, errno, "cannot use '%s'", path);
    ok = fstat(fd, &st) == 0 ? check_stat(&st, path, owner, error)
                             : util_set_errno(error, errno, "cannot use '%s'", path);
    close(fd);
    return ok;
}

gboolean
vmd_check_fd(const VmdConfig *config, int fd, int mode, GError **error)
{
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    if (flags < 0 || fstat(fd, &st) < 0)
        return util_set_errno(error, errno, "cannot examine the descriptor");
    if ((flags & O_ACCMODE) != mode || (flags & O_PATH))
        return refuse(error, "the descriptor has the wrong access mode");
    return check_stat(&st, "the descriptor", config->peer, error);
}

/* --- a start --- */

gboolean
vmd_check_uid(const VmdConfig *config, uid_t uid, GError **error)
{
    if (config->uid_count == 0
            ? uid == 0
            : uid >= config->uid_first && uid - config->uid_first < config->uid_count)
        return TRUE;
    return refuse(error, "the uid %u is not one of [Machines] Uids", (unsigned)uid);
}

static gboolean
check_size(const VmdConfig *config, const VmRequest *request, GError **error)
{
    if (request->vcpus > config->vcpus_max)
        return refuse(
            error,
            "%u virtual processors are more than [Limits] VCpus, as it was when cloche-vm started",
            request->vcpus);
    if (request->memory_mib > config->memory_max_mib)
        return refuse(error,
                      "%" G_GUINT64_FORMAT
                      " MiB are more than [Limits] MemoryMiB, as it was when cloche-vm started",
                      (guint64)request->memory_mib);
    return TRUE;
}

gboolean
vmd_check_start(const VmdConfig *config, const VmRequest *request, const VmdPaths *paths,
                GError **error)
{
    const uid_t any = (uid_t)-1; /* images belong to whoever built them */

    return vmd_check_uid(config, request->uid, error) && check_size(config, request, error) &&
           vmd_check_file(config->state, paths->kernel, any, error) &&
           vmd_check_file(config->state, paths->initrd, any, error) &&
           vmd_check_file(config->state, paths->disk, config->peer, error) &&
           vmd_check_file(config->ram, paths->ram, config->peer, error);
}
