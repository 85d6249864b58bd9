/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util: small things that GLib and libsystemd lack. */
#include "util.h"

#include <errno.h>
#include <ftw.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "error.h"

void
util_random(void *out, gsize size)
{
    g_assert(size <= 256); /* more may come in parts */
    if (getrandom(out, size, 0) != (gssize)size)
        g_error("getrandom: %s", g_strerror(errno));
}

char *
util_new_id(void)
{
    static const char letters[32] = "abcdefghijklmnopqrstuvwxyz234567";
    guint8 random[16];
    char id[sizeof(random) + 1] = {0};

    util_random(random, sizeof(random));
    for (gsize i = 0; i < sizeof(random); i++)
        id[i] = letters[random[i] & 31];
    return g_strdup(id);
}

gint64
util_boottime_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return ts.tv_sec * G_USEC_PER_SEC + ts.tv_nsec / 1000;
}

const char *
util_boot_id(void)
{
    static char *id;

    if (g_once_init_enter(&id)) {
        char *text = NULL;

        if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
            text = g_strdup("");
        g_once_init_leave(&id, g_strchomp(text));
    }
    return id;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

gboolean
util_remove_tree(const char *path, GError **error)
{
    /* Not FTW_MOUNT: on an overlay, files and their folders may be of different devices. */
    if (nftw(path, remove_one, /* open descriptors= */ 16, FTW_DEPTH | FTW_PHYS) < 0 &&
        errno != ENOENT)
        return util_set_errno(error, errno, "Cannot remove '%s'", path);
    return TRUE;
}

gboolean
util_make_directory(const char *path, mode_t mode, GError **error)
{
    if (g_mkdir_with_parents(path, 0755) < 0)
        return util_set_errno(error, errno, "Cannot make the folder '%s'", path);
    if (chmod(path, mode) < 0)
        return util_set_errno(error, errno, "Cannot set the mode of '%s'", path);
    return TRUE;
}

gboolean
util_set_errno(GError **error, int errnum, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "%s: %s", text, g_strerror(errnum));
    return FALSE;
}
