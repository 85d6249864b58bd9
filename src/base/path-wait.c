/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* path-wait: waits until a path exists. */
#include "path-wait.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util.h"

#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct PathWait {
    char *path;
    void (*appeared)(gpointer data);
    gpointer data;
    int inotify;
    int folder;   /* watch of the last folder of the path that exists; -1: none */
    guint source; /* of events */
    guint idle;   /* the path exists; 0: it does not */
};

static gboolean
on_idle(gpointer data)
{
    PathWait *wait = data;

    wait->idle = 0;
    g_clear_handle_id(&wait->source, g_source_remove);
    wait->appeared(wait->data);
    return G_SOURCE_REMOVE;
}

static gboolean
exists(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Watches the last folder that exists, in place of another one. A folder that is watched already
 * stays so, without an event. Returns the path in it that does not exist yet; NULL with errno:
 * nothing can be watched. */
static char *
watch_folder(PathWait *wait)
{
    g_autofree char *child = g_strdup(wait->path);

    for (;;) {
        g_autofree char *folder = g_path_get_dirname(child);
        int watch = inotify_add_watch(wait->inotify, folder, EVENTS);

        if (watch >= 0 && wait->folder >= 0 && watch != wait->folder)
            inotify_rm_watch(wait->inotify, wait->folder);
        if (watch >= 0) {
            wait->folder = watch;
            return g_steal_pointer(&child);
        }
        if ((errno != ENOENT && errno != ENOTDIR) || g_str_equal(folder, child))
            return NULL;
        g_free(child);
        child = g_steal_pointer(&folder);
    }
}

/* What appears while the watch is made may have no event. FALSE with errno. */
static gboolean
look(PathWait *wait)
{
    g_autofree char *missing = watch_folder(wait);

    while (missing && !g_str_equal(missing, wait->path) &&
           g_file_test(missing, G_FILE_TEST_IS_DIR)) {
        g_free(missing);
        missing = watch_folder(wait);
    }
    if (missing && exists(wait->path) && wait->idle == 0)
        wait->idle = g_idle_add(on_idle, wait);
    return missing != NULL;
}

static gboolean
on_events(int fd, GIOCondition condition, gpointer data)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    PathWait *wait = data;

    while (read(fd, events, sizeof events) > 0)
        ;
    if (look(wait))
        return G_SOURCE_CONTINUE;
    g_warning("Cannot watch the folders of '%s': %s", wait->path, g_strerror(errno));
    wait->source = 0;
    return G_SOURCE_REMOVE;
}

PathWait *
path_wait_new(const char *path, void (*appeared)(gpointer data), gpointer data, GError **error)
{
    PathWait *wait = g_new0(PathWait, 1);

    wait->path = g_strdup(path);
    wait->appeared = appeared;
    wait->data = data;
    wait->folder = -1;
    wait->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (wait->inotify >= 0 && look(wait)) {
        wait->source = g_unix_fd_add(wait->inotify, G_IO_IN, on_events, wait);
        return wait;
    }
    util_set_errno(error, errno, "Cannot watch the folders of '%s'", path);
    path_wait_free(wait);
    return NULL;
}

void
path_wait_free(PathWait *wait)
{
    if (!wait)
        return;
    g_clear_handle_id(&wait->source, g_source_remove);
    g_clear_handle_id(&wait->idle, g_source_remove);
    if (wait->inotify >= 0)
        close(wait->inotify);
    g_free(wait->path);
    g_free(wait);
}
