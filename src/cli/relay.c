/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay: two copies. */
#include "relay.h"

#include "copy.h"

typedef struct Relay Relay;

typedef struct {
    Relay *relay;
    Copy *copy;
    GSocketConnection *to;
    gboolean has_ended;
} Direction;

struct Relay {
    Direction directions[2];
};

static void
relay_free(Relay *relay)
{
    for (gsize i = 0; i < G_N_ELEMENTS(relay->directions); i++) {
        copy_free(relay->directions[i].copy);
        g_object_unref(relay->directions[i].to);
    }
    g_free(relay);
}

/* The end of a direction is passed on. A failure ends the other direction, too. */
static void
on_ended(int read_error, int write_error, gpointer data)
{
    Direction *direction = data;
    Relay *relay = direction->relay;
    GSocket *socket = g_socket_connection_get_socket(direction->to);
    gboolean is_good = read_error == 0 && write_error == 0 &&
                       g_socket_shutdown(socket, /* read= */ FALSE, /* write= */ TRUE,
                                         /* error= */ NULL);

    direction->has_ended = TRUE;
    if (!is_good || (relay->directions[0].has_ended && relay->directions[1].has_ended))
        relay_free(relay);
}

static void
start_direction(Relay *relay, Direction *direction, GSocketConnection *from, GSocketConnection *to)
{
    GSocket *source = g_socket_connection_get_socket(from);
    GSocket *target = g_socket_connection_get_socket(to);

    direction->relay = relay;
    direction->to = g_object_ref(to);
    direction->copy = copy_new(g_socket_get_fd(source), g_socket_get_fd(target),
                               /* filter= */ NULL, on_ended, direction);
}

void
relay_start(GSocketConnection *one, GSocketConnection *other)
{
    Relay *relay = g_new0(Relay, 1);

    start_direction(relay, &relay->directions[0], one, other);
    start_direction(relay, &relay->directions[1], other, one);
}
