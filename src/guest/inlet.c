/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inlet: a descriptor whose bytes go to the guest, as fast as the guest takes them. */
#include "inlet.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

#include "closer.h"

struct Inlet {
    int fd;
    guint source;
    gboolean is_finishing;
    const InletEvents *events;
    gpointer data;
};

/* The writer gets EPIPE. If bytes remained, it would get ECONNRESET. A descriptor ends the loop:
 * further ones may be more than this process can have. They are closed with the socket. */
static void
stop_writer(int fd)
{
    guint8 bytes[INLET_SIZE];
    gssize n;

    shutdown(fd, SHUT_RD);
    do
        n = closer_receive(fd, bytes, sizeof(bytes));
    while (n > 0);
}

static void
disconnect(Inlet *inlet)
{
    g_clear_handle_id(&inlet->source, g_source_remove);
    if (inlet->fd < 0)
        return;
    stop_writer(inlet->fd);
    closer_close(inlet->fd);
    inlet->fd = -1;
}

static gboolean
on_readable(int fd, GIOCondition condition, gpointer data)
{
    Inlet *inlet = data;
    guint8 bytes[INLET_SIZE];
    gssize n = closer_receive(fd, bytes, sizeof(bytes));
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
