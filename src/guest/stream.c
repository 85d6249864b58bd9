/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: a process in the guest, as the host sees it.
 *
 * The host counts what the guest sends: a byte beyond the window ends the link.
 */
#include "stream.h"

#include <string.h>

#include "guest-error.h"
#include "link-private.h"

typedef struct {
    GByteArray *queued; /* for the guest; NULL: nothing yet */
    gsize sent;         /* of `queued` */
    gboolean refused;   /* the guest takes no more */
    guint32 out_window; /* bytes that may still be sent */
    guint32 in_window;  /* bytes that the guest may still send */
    guint32 owed;       /* credit that waits for the stream's turn */
    gboolean ending, ended;
} HostChannel;

struct GuestStream {
    LinkStream base;
    GuestLink *link; /* NULL: the stream is over */
    HostChannel channels[_WIRE_CHANNELS];
    const GuestStreamEvents *events;
    gpointer data;
};

static GuestStream *
from_base(LinkStream *base)
{
    return (GuestStream *)base; /* its first member */
}

/* --- sending --- */

static void
send_simple(GuestStream *stream, WireType type, WireChannel channel, const guint32 *value)
{
    guint8 frame[64];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    if (value)
        wire_put_u32(&w, *value);
    link_send(stream->link, frame, (gsize)wire_frame_end(&w, stream->base.number, type, channel));
}

/* Each call to send() wakes QEMU and the guest, so the frame is sent in one piece. */
static void
send_data(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size)
{
    guint8 frame[WIRE_HEADER_SIZE + WIRE_DATA_MAX + 1];

    wire_header_put(frame, &(WireHeader){.length = (guint32)size,
                                         .stream = stream->base.number,
                                         .type = WIRE_DATA,
                                         .channel = channel});
    memcpy(frame + WIRE_HEADER_SIZE, bytes, size);
    frame[WIRE_HEADER_SIZE + size] = WIRE_END;
    link_send(stream->link, frame, WIRE_HEADER_SIZE + size + 1);
}

static gsize
queued(const HostChannel *channel)
{
    return channel->queued ? channel->queued->len - channel->sent : 0;
}

/* Removes sent bytes when all are sent, or when they are the larger part. */
static void
forget_sent(HostChannel *channel)
{
    if (channel->sent < channel->queued->len && channel->sent < channel->queued->len / 2)
        return;
    g_byte_array_remove_range(channel->queued, 0, (guint)channel->sent);
    channel->sent = 0;
}

static gboolean
send_next_of(GuestStream *stream, WireChannel number)
{
    HostChannel *channel = &stream->channels[number];
    gsize n = MIN(MIN(queued(channel), channel->out_window), WIRE_DATA_MAX);

    if (n > 0 && link_must_wait(stream->link, &stream->base))
        return FALSE;
    if (n > 0) {
        link_add_moved(stream->link, &stream->base, n);
        send_data(stream, number, channel->queued->data + channel->sent, n);
        channel->out_window -= (guint32)n;
        channel->sent += n;
        forget_sent(channel);
        if (queued(channel) == 0 && stream->events->written)
            stream->events->written(stream, number, stream->data);
        return TRUE;
    }
    if (queued(channel) > 0 || !channel->ending || channel->ended)
        return FALSE;
    channel->ended = TRUE;
    send_simple(stream, WIRE_EOF, number, NULL);
    return TRUE;
}

static gboolean
send_owed(GuestStream *stream, WireChannel channel)
{
    guint32 owed = stream->channels[channel].owed;

    if (owed == 0 || link_must_wait(stream->link, &stream->base))
        return FALSE;
    stream->channels[channel].owed = 0;
    stream->channels[channel].in_window += owed;
    send_simple(stream, WIRE_CREDIT, channel, &owed);
    return TRUE;
}

static gboolean
send_next(LinkStream *base)
{
    GuestStream *stream = from_base(base);

    for (WireChannel i = 0; i < _WIRE_CHANNELS; i++)
        if (send_owed(stream, i))
            return TRUE;
    return send_next_of(stream, WIRE_CONTROL) || send_next_of(stream, WIRE_STDIN);
}

void
guest_stream_write(GuestStream *stream, WireChannel channel, const void *bytes, gsize size)
{
    HostChannel *c = &stream->channels[channel];

    if (!stream->link || c->refused)
        return;
    link_set_due(stream->link, &stream->base, TRUE);
    if (!c->queued)
        c->queued = g_byte_array_new();
    g_byte_array_append(c->queued, bytes, (guint)size);
    link_wake(stream->link, &stream->base);
}

void
guest_stream_write_end(GuestStream *stream, WireChannel channel)
{
    if (!stream->link)
        return;
    stream->channels[channel].ending = TRUE;
    link_wake(stream->link, &stream->base);
}

gsize
guest_stream_queued(const GuestStream *stream, WireChannel channel)
{
    return queued(&stream->channels[channel]);
}

void
guest_stream_stop_reading(GuestStream *stream, WireChannel channel)
{
    if (stream->link)
        send_simple(stream, WIRE_EOF, channel, NULL);
}

void
guest_stream_resize(GuestStream *stream, guint32 columns, guint32 rows)
{
    guint8 frame[64];
    WireWriter w;

    if (!stream->link)
        return;
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, columns);
    wire_put_u32(&w, rows);
    link_send(stream->link, frame,
              (gsize)wire_frame_end(&w, stream->base.number, WIRE_RESIZE, WIRE_STDIN));
}

/* A guest that reads nothing gets no credit, so it cannot make the host answer more and more. */
void
guest_stream_credit(GuestStream *stream, WireChannel channel, gsize size)
{
    if (!stream->link)
        return;
    stream->channels[channel].owed += (guint32)size;
    link_wake(stream->link, &stream->base);
}

static void
resume(LinkStream *base)
{
    GuestStream *stream = from_base(base);

    link_wake(stream->link, &stream->base);
}

void
guest_stream_signal(GuestStream *stream, int signal)
{
    guint32 value = (guint32)signal;

    if (stream->link)
        send_simple(stream, WIRE_SIGNAL, WIRE_STDIN, &value);
}

guint
guest_stream_grace_s(const GuestStream *stream)
{
    return stream->link ? link_grace_s(stream->link) : 0;
}

void
guest_stream_kill(GuestStream *stream)
{
    if (!stream->link)
        return;
    link_set_due(stream->link, &stream->base, TRUE);
    send_simple(stream, WIRE_KILL, WIRE_STDIN, NULL);
}

void
guest_stream_set_idle(GuestStream *stream)
{
    if (stream->link)
        link_set_due(stream->link, &stream->base, FALSE);
}

/* --- receiving --- */

static void
leave_link(GuestStream *stream)
{
    GuestLink *link = g_steal_pointer(&stream->link);

    if (link)
        link_remove_stream(link, &stream->base);
}

static void
lose(LinkStream *base, const GError *error)
{
    GuestStream *stream = from_base(base);

    leave_link(stream);
    stream->events->ended(stream, NULL, error, stream->data);
}

static gboolean
handle_data(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    HostChannel *channel = &stream->channels[header->channel];

    if (header->length > channel->in_window)
        return FALSE;
    channel->in_window -= header->length;
    link_add_moved(stream->link, &stream->base, header->length);
    stream->events->received(stream, header->channel, payload, header->length, stream->data);
    return TRUE;
}

static gboolean
handle_credit(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    HostChannel *channel = &stream->channels[header->channel];
    WireReader r;
    guint32 value;

    wire_reader_init(&r, payload, header->length);
    value = wire_get_u32(&r);
    if (wire_reader_end(&r) < 0 || value == 0 || value > WIRE_WINDOW - channel->out_window)
        return FALSE;
    channel->out_window += value;
    link_wake(stream->link, &stream->base);
    return TRUE;
}

static gboolean
handle_started(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    WireReader r;
    guint32 pid;

    wire_reader_init(&r, payload, header->length);
    pid = wire_get_u32(&r);
    if (wire_reader_end(&r) < 0)
        return FALSE;
    stream->events->started(stream, pid, stream->data);
    return TRUE;
}

static gboolean
handle_exited(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    GuestExit how;

    if (!guest_exit_read(payload, header->length, &how))
        return FALSE;
    leave_link(stream);
    stream->events->ended(stream, &how, NULL, stream->data);
    return TRUE;
}

static gboolean
handle_reaped(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    GuestExit how;

    if (!guest_exit_read(payload, header->length, &how))
        return FALSE;
    if (stream->events->reaped)
        stream->events->reaped(stream, &how, stream->data);
    return TRUE;
}

static gboolean
handle_error(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    g_autoptr(GError) error = guest_error_read(payload, header->length);

    if (!error)
        return FALSE;
    lose(&stream->base, error);
    return TRUE;
}

static gboolean
handle_eof(GuestStream *stream, const WireHeader *header)
{
    HostChannel *channel = &stream->channels[header->channel];

    if (header->length > 0)
        return FALSE;
    if (header->channel == WIRE_STDIN) {
        channel->refused = TRUE;
        g_clear_pointer(&channel->queued, g_byte_array_unref);
        channel->sent = 0;
    }
    if (stream->events->closed)
        stream->events->closed(stream, header->channel, stream->data);
    return TRUE;
}

static gboolean
handle_frame(LinkStream *base, const WireHeader *header, const guint8 *payload)
{
    GuestStream *stream = from_base(base);

    switch (header->type) {
    case WIRE_DATA:
        return handle_data(stream, header, payload);
    case WIRE_CREDIT:
        return handle_credit(stream, header, payload);
    case WIRE_EOF:
        return handle_eof(stream, header);
    case WIRE_STARTED:
        return handle_started(stream, header, payload);
    case WIRE_EXITED:
        return handle_exited(stream, header, payload);
    case WIRE_REAPED:
        return handle_reaped(stream, header, payload);
    case WIRE_ERROR:
        return handle_error(stream, header, payload);
    default:
        return FALSE;
    }
}

/* --- life --- */

static const LinkStreamFunctions functions = {handle_frame, send_next, resume, lose};

static GuestStream *
open_stream(GuestLink *link, WireWriter *w, WireType type, guint32 flags,
            const GuestStreamEvents *events, gpointer data, GError **error)
{
    GuestStream *stream = g_new0(GuestStream, 1);
    ptrdiff_t size;

    stream->base = (LinkStream){.functions = &functions, .number = link_next_number(link)};
    stream->link = link;
    stream->events = events;
    stream->data = data;
    for (guint i = 0; i < _WIRE_CHANNELS; i++)
        stream->channels[i].in_window = stream->channels[i].out_window = WIRE_WINDOW;
    size = wire_frame_end(w, stream->base.number, type, WIRE_STDIN);
    if (!link_add_stream(link, &stream->base, exchanges_channels(flags), w->data, size, error))
        g_clear_pointer(&stream, g_free);
    return stream;
}

static const char *
or_empty(const char *string)
{
    return string ? string : "";
}

GuestStream *
guest_stream_start(GuestLink *link, const GuestStart *start, const GuestStreamEvents *events,
                   gpointer data, GError **error)
{
    g_autofree guint8 *frame = g_malloc(WIRE_FRAME_MAX);
    WireWriter w;

    wire_frame_begin(&w, frame, WIRE_FRAME_MAX);
    wire_put_u32(&w, start->flags);
    wire_put_u64(&w, start->timeout_ms);
    wire_put_string(&w, or_empty(start->user));
    wire_put_string(&w, or_empty(start->cwd));
    wire_put_string(&w, or_empty(start->tag));
    wire_put_u32(&w, start->columns);
    wire_put_u32(&w, start->rows);
    wire_put_strv(&w, start->argv);
    wire_put_strv(&w, start->environment);
    return open_stream(link, &w, WIRE_START, start->flags, events, data, error);
}

GuestStream *
guest_stream_attach(GuestLink *link, const char *tag, guint32 flags,
                    const GuestStreamEvents *events, gpointer data, GError **error)
{
    g_autofree guint8 *frame = g_malloc(WIRE_FRAME_MAX); /* a tag may contain a path */
    WireWriter w;

    wire_frame_begin(&w, frame, WIRE_FRAME_MAX);
    wire_put_string(&w, tag);
    return open_stream(link, &w, WIRE_ATTACH, flags, events, data, error);
}

void
guest_stream_free(GuestStream *stream)
{
    if (!stream)
        return;
    if (stream->link)
        send_simple(stream, WIRE_CLOSE, WIRE_STDIN, NULL);
    leave_link(stream);
    for (guint i = 0; i < _WIRE_CHANNELS; i++)
        g_clear_pointer(&stream->channels[i].queued, g_byte_array_unref);
    g_free(stream);
}

const GuestLink *
guest_stream_link(const GuestStream *stream)
{
    return stream->link;
}

gboolean
guest_stream_is_stopped(const GuestStream *stream)
{
    return stream->link && link_is_stopped(stream->link);
}
