/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util: small functions that GLib and libsystemd lack. */
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

void
util_random(void *out, gsize size)
{
    g_assert(size <= 256); /* the kernel may return more only in part */
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

static gboolean
call_once(GSource *source, GSourceFunc function, gpointer data)
{
    ((GSourceOnceFunc)G_CALLBACK(function))(data);
    return G_SOURCE_REMOVE;
}

guint
util_timeout_add(guint64 ms, GSourceOnceFunc function, gpointer data)
{
    static GSourceFuncs functions = {.dispatch = call_once};
    const guint64 ms_max = G_GUINT64_CONSTANT(1000000) * 24 * 3600 * 1000;
    GSource *source = g_source_new(&functions, sizeof(GSource));
    guint id;

    g_source_set_ready_time(source, g_get_monotonic_time() + (gint64)MIN(ms, ms_max) * 1000);
    g_source_set_callback(source, G_SOURCE_FUNC(function), data, NULL);
    id = g_source_attach(source, g_main_context_get_thread_default());
    g_source_unref(source);
    return id;
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

static gboolean remove_at(int parent, const char *name);

/* Uses descriptors, because a folder could be replaced by a symbolic link meanwhile. */
static gboolean
empty_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    gboolean ok = dir != NULL;
    int errnum = errno;

    while (ok && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = remove_at(fd, entry->d_name);
        errnum = errno;
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    errno = errnum;
    return ok;
}

/* Does not check for mount points: on an overlay, a file and its folder may be on different
 * devices. */
static gboolean
remove_at(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    if (errno != EISDIR)
        return FALSE;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return TRUE;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return FALSE;
    return empty_folder(parent, name) &&
           (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

gboolean
util_remove_tree_at(int parent, const char *name, GError **error)
{
    if (!remove_at(parent, name))
        return util_set_errno(error, errno, "Cannot remove '%s'", name);
    return TRUE;
}

gboolean
util_remove_tree(const char *path, GError **error)
{
    return util_remove_tree_at(AT_FDCWD, path, error);
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
