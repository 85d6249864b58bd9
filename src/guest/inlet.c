/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inlet: a descriptor whose bytes go to the guest, as fast as the guest takes them. */
#include "inlet.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "complete-stream.h"

struct Inlet {
    int fd;
    guint source;
    gboolean is_finishing;
    const InletEvents *events;
    gpointer data;
};

static void
disconnect(Inlet *inlet)
{
    g_clear_handle_id(&inlet->source, g_source_remove);
    if (inlet->fd >= 0)
        close(inlet->fd);
    inlet->fd = -1;
}

static gboolean
on_readable(int fd, GIOCondition condition, gpointer data)
{
    Inlet *inlet = data;
    guint8 bytes[INLET_SIZE];
    gssize n = read(fd, bytes, sizeof(bytes));
    int error = n < 0 ? errno : 0;

    if (error == EINTR || (error == EAGAIN && !inlet->is_finishing))
        return G_SOURCE_CONTINUE;
    inlet->source = 0;
    if (n > 0) {
        inlet->events->read(inlet, bytes, (gsize)n, inlet->data);
    } else {
        disconnect(inlet);
        inlet->events->ended(inlet, error == EAGAIN ? 0 : error, inlet->data);
    }
    return G_SOURCE_REMOVE;
}

static gboolean
on_idle(gpointer data)
{
    Inlet *inlet = data;

    return on_readable(inlet->fd, 0, inlet);
}

Inlet *
inlet_new(int fd, const InletEvents *events, gpointer data)
{
    Inlet *inlet = g_new0(Inlet, 1);

    inlet->fd = fd;
    inlet->events = events;
    inlet->data = data;
    inlet_go_on(inlet);
    return inlet;
}

void
inlet_go_on(Inlet *inlet)
{
    if (inlet->fd < 0 || inlet->source != 0)
        return;
    if (inlet->is_finishing)
        inlet->source = g_idle_add_full(G_PRIORITY_DEFAULT, on_idle, inlet, NULL);
    else
        inlet->source = g_unix_fd_add(inlet->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, inlet);
}

void
inlet_finish(Inlet *inlet)
{
    gboolean was_waiting = inlet->source != 0;

    if (inlet->fd < 0) { /* the descriptor has ended before */
        inlet->events->ended(inlet, 0, inlet->data);
        return;
    }
    inlet->is_finishing = TRUE;
    g_clear_handle_id(&inlet->source, g_source_remove);
    if (was_waiting)
        inlet_go_on(inlet);
}

void
inlet_free(Inlet *inlet)
{
    if (!inlet)
        return;
    disconnect(inlet);
    g_free(inlet);
}

/* --- the descriptor of a caller --- */

typedef struct {
    int from, to;
} CallerCopy;

/* FALSE: the reader has closed its end. */
static gboolean
wait_readable(const CallerCopy *copy)
{
    struct pollfd fds[] = {{.fd = copy->from, .events = POLLIN}, {.fd = copy->to}};

    while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
        if (errno != EINTR)
            return FALSE;
    return fds[1].revents == 0;
}

static gboolean
send_all(const CallerCopy *copy, const guint8 *bytes, gsize size)
{
    while (size > 0) {
        gssize n = send(copy->to, bytes, size, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return FALSE;
        bytes += MAX(n, 0);
        size -= (gsize)MAX(n, 0);
    }
    return TRUE;
}

static gpointer
copy_in_thread(gpointer data)
{
    g_autofree CallerCopy *copy = data;
    guint8 bytes[INLET_SIZE];
    gssize n = -1;

    while (wait_readable(copy)) {
        n = read(copy->from, bytes, sizeof(bytes));
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            break;
        if (n > 0 && !send_all(copy, bytes, (gsize)n)) {
            n = -1;
            break;
        }
    }
    if (n == 0)
        complete_stream_finish(copy->to);
    close(copy->to);
    close(copy->from);
    return NULL;
}

int
inlet_from_stranger(int fd, GError **error)
{
    CallerCopy *copy;
    GThread *thread;
    int ours, theirs;

    if (!complete_stream_open(&theirs, &ours, error)) {
        close(fd);
        return -1;
    }
    g_unix_set_fd_nonblocking(ours, TRUE, NULL);
    copy = g_new(CallerCopy, 1);
    *copy = (CallerCopy){.from = fd, .to = theirs};
    thread = g_thread_try_new("inlet", copy_in_thread, copy, error);
    if (thread) {
        g_thread_unref(thread);
        return ours;
    }
    close(fd);
    close(ours);
    close(theirs);
    g_free(copy);
    return -1;
}
