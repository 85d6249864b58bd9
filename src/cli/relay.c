/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay: two splices. */
#include "relay.h"

typedef struct {
    GSocketConnection *ends[2];
    GCancellable *failed;
    guint n_directions;
} Relay;

typedef struct {
    Relay *relay;
    GSocketConnection *to;
} Direction;

static void
release(Relay *relay)
{
    if (--relay->n_directions > 0)
        return;
    g_object_unref(relay->ends[0]);
    g_object_unref(relay->ends[1]);
    g_object_unref(relay->failed);
    g_free(relay);
}

/* The end of a direction is passed on; a failure ends the other one, too. */
static void
on_spliced(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Direction *direction = data;
    GSocket *socket = g_socket_connection_get_socket(direction->to);

    if (g_output_stream_splice_finish(G_OUTPUT_STREAM(source), result, /* error= */ NULL) < 0 ||
        !g_socket_shutdown(socket, /* read= */ FALSE, /* write= */ TRUE, /* error= */ NULL))
        g_cancellable_cancel(direction->relay->failed);
    release(direction->relay);
}

static void
start_direction(Relay *relay, GSocketConnection *from, GSocketConnection *to)
{
    Direction *direction = g_new(Direction, 1);

    *direction = (Direction){.relay = relay, .to = to};
    g_output_stream_splice_async(g_io_stream_get_output_stream(G_IO_STREAM(to)),
                                 g_io_stream_get_input_stream(G_IO_STREAM(from)),
                                 G_OUTPUT_STREAM_SPLICE_NONE, G_PRIORITY_DEFAULT, relay->failed,
                                 on_spliced, direction);
}

void
relay_start(GSocketConnection *one, GSocketConnection *other)
{
    Relay *relay = g_new(Relay, 1);

    *relay = (Relay){
        .ends = {g_object_ref(one), g_object_ref(other)},
        .failed = g_cancellable_new(),
        .n_directions = 2,
    };
    start_direction(relay, one, other);
    start_direction(relay, other, one);
}
