/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: a process in the guest, seen from the host: windows in both directions, and how it ended.
 *
 * What the guest may send is counted here and not believed: a byte beyond the window ends the link.
 */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "link-private.h"

#define NAME_MAX_SIZE 4096u

typedef struct {
    GByteArray *queued; /* for the guest; NULL: nothing yet */
    gsize sent;         /* of that */
    gboolean refused;   /* the guest takes no more */
    guint32 out_window; /* what may still be sent */
    guint32 in_window;  /* what the guest may still send */
    guint32 owed;       /* credit that waits for its way */
    gboolean ending, ended;
} Channel;

struct GuestStream {
    GuestLink *link; /* NULL: gone */
    guint32 number;
    gboolean over; /* no frames any more, in either direction */
    guint64 moved; /* bytes, in both directions */
    Channel channels[_WIRE_CHANNELS];
    const GuestStreamEvents *events;
    gpointer data;
};

/* --- errors of the guest --- */

static gboolean
is_want_of_resources(guint32 errnum)
{
    return errnum == ENOMEM || errnum == EAGAIN || errnum == ENOSPC || errnum == EDQUOT ||
           errnum == EMFILE || errnum == ENFILE;
}

static ClocheError
file_error_code(guint32 errnum)
{
    switch (errnum) {
    case ENOENT:
        return CLOCHE_ERROR_NO_SUCH_FILE;
    case EEXIST:
        return CLOCHE_ERROR_FILE_EXISTS;
    case ENOTDIR:
        return CLOCHE_ERROR_NOT_A_DIRECTORY;
    case EISDIR:
        return CLOCHE_ERROR_IS_A_DIRECTORY;
    case ENOTEMPTY:
        return CLOCHE_ERROR_DIRECTORY_NOT_EMPTY;
    case EACCES:
    case EPERM:
    case EROFS:
        return CLOCHE_ERROR_PERMISSION_DENIED;
    case EIO:
        return CLOCHE_ERROR_FAILED;
    default:
        return CLOCHE_ERROR_INVALID_ARGUMENT;
    }
}

static ClocheError
port_error_code(guint32 errnum)
{
    switch (errnum) {
    case EINVAL:
        return CLOCHE_ERROR_INVALID_ARGUMENT;
    case ETIMEDOUT:
        return CLOCHE_ERROR_TIMED_OUT;
    default:
        return CLOCHE_ERROR_CONNECTION_REFUSED;
    }
}

static ClocheError
error_code(WireObject about, guint32 errnum)
{
    if (about == WIRE_ABOUT_USER)
        return CLOCHE_ERROR_NO_SUCH_USER;
    if (about == WIRE_ABOUT_REQUEST)
        return CLOCHE_ERROR_INVALID_ARGUMENT;
    if (about == WIRE_ABOUT_SYSTEM || is_want_of_resources(errnum))
        return CLOCHE_ERROR_OUT_OF_RESOURCES;
    switch (about) {
    case WIRE_ABOUT_PROGRAM:
        if (errnum == E2BIG)
            return CLOCHE_ERROR_INVALID_ARGUMENT;
        return errnum == EACCES || errnum == EPERM ? CLOCHE_ERROR_PERMISSION_DENIED
                                                   : CLOCHE_ERROR_NO_SUCH_PROGRAM;
    case WIRE_ABOUT_DIRECTORY:
        return errnum == EACCES ? CLOCHE_ERROR_PERMISSION_DENIED : CLOCHE_ERROR_NO_SUCH_DIRECTORY;
    case WIRE_ABOUT_FILE:
        return file_error_code(errnum);
    case WIRE_ABOUT_PORT:
        return port_error_code(errnum);
    default:
        return CLOCHE_ERROR_OUT_OF_RESOURCES;
    }
}

GError *
guest_error(WireObject about, guint32 errnum, const char *name)
{
    static const char *const objects[_WIRE_ABOUT_MAX] = {"request", "program", "directory", "user",
                                                         "tag",     "guest",   "file",      "port"};
    g_autofree char *valid = g_utf8_make_valid(name, -1);

    if (about == WIRE_ABOUT_USER && errnum == ENOENT)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_USER,
                           "There is no user '%s' in the sandbox", valid);
    if (about == WIRE_ABOUT_FILE && errnum == ENXIO)
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                           "file '%s': It is not a regular file; only a program in the sandbox can "
                           "read or write it",
                           valid);
    if (about == WIRE_ABOUT_SYSTEM && is_want_of_resources(errnum))
        return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_OUT_OF_RESOURCES,
                           "The sandbox ran out of %s: %s", valid, g_strerror((int)errnum));
    return g_error_new(CLOCHE_ERROR, error_code(about, errnum), "%s '%s': %s", objects[about],
                       valid, g_strerror((int)errnum));
}

GError *
stream_read_error(const guint8 *payload, gsize size)
{
    WireReader r;
    guint32 errnum, about;
    g_autofree char *name = NULL, *message = NULL;

    wire_reader_init(&r, payload, size);
    errnum = wire_get_u32(&r);
    about = wire_get_u32(&r);
    name = wire_get_string(&r, NAME_MAX_SIZE);
    message = wire_get_string(&r, NAME_MAX_SIZE);
    if (wire_reader_end(&r) < 0 || about >= _WIRE_ABOUT_MAX || errnum > G_MAXINT)
        return NULL;
    return guest_error(about, errnum, name);
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
    link_send(stream->link, frame, (gsize)wire_frame_end(&w, stream->number, type, channel));
}

/* In one piece: each piece wakes QEMU and the guest. */
static void
send_data(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size)
{
    guint8 frame[WIRE_HEADER_SIZE + WIRE_DATA_MAX + 1];

    wire_header_put(frame, &(WireHeader){.length = (guint32)size,
                                         .stream = stream->number,
                                         .type = WIRE_DATA,
                                         .channel = channel});
    memcpy(frame + WIRE_HEADER_SIZE, bytes, size);
    frame[WIRE_HEADER_SIZE + size] = WIRE_END;
    link_send(stream->link, frame, WIRE_HEADER_SIZE + size + 1);
}

static gsize
queued(const Channel *channel)
{
    return channel->queued ? channel->queued->len - channel->sent : 0;
}

/* What was sent goes when all was, or when it is the larger part. */
static void
forget_sent(Channel *channel)
{
    if (channel->sent < channel->queued->len && channel->sent < channel->queued->len / 2)
        return;
    g_byte_array_remove_range(channel->queued, 0, (guint)channel->sent);
    channel->sent = 0;
}

static void
count_moved(GuestStream *stream, gsize size)
{
    stream->moved += size;
    way_moved(stream->link, stream, stream->moved, size);
}

static gboolean
channel_turn(GuestStream *stream, WireChannel number)
{
    Channel *channel = &stream->channels[number];
    gsize n = MIN(MIN(queued(channel), channel->out_window), WIRE_DATA_MAX);

    if (n > 0 && way_is_taken(stream->link, stream->moved))
        return FALSE;
    if (n > 0) {
        count_moved(stream, n);
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

gboolean
stream_turn(GuestStream *stream)
{
    return channel_turn(stream, WIRE_CONTROL) || channel_turn(stream, WIRE_STDIN);
}

void
guest_stream_write(GuestStream *stream, WireChannel channel, const void *bytes, gsize size)
{
    Channel *c = &stream->channels[channel];

    if (stream->over || c->refused)
        return;
    if (!c->queued)
        c->queued = g_byte_array_new();
    g_byte_array_append(c->queued, bytes, (guint)size);
    link_wake(stream->link, stream);
}

void
guest_stream_write_end(GuestStream *stream, WireChannel channel)
{
    if (stream->over)
        return;
    stream->channels[channel].ending = TRUE;
    link_wake(stream->link, stream);
}

gsize
guest_stream_queued(const GuestStream *stream, WireChannel channel)
{
    return queued(&stream->channels[channel]);
}

void
guest_stream_stop_reading(GuestStream *stream, WireChannel channel)
{
    if (!stream->over)
        send_simple(stream, WIRE_EOF, channel, NULL);
}

void
guest_stream_resize(GuestStream *stream, guint32 columns, guint32 rows)
{
    guint8 frame[64];
    WireWriter w;

    if (stream->over)
        return;
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u32(&w, columns);
    wire_put_u32(&w, rows);
    link_send(stream->link, frame,
              (gsize)wire_frame_end(&w, stream->number, WIRE_RESIZE, WIRE_STDIN));
}

static void
send_owed(GuestStream *stream, WireChannel channel)
{
    guint32 owed = stream->channels[channel].owed;

    if (owed == 0 || way_is_taken(stream->link, stream->moved))
        return;
    stream->channels[channel].owed = 0;
    stream->channels[channel].in_window += owed;
    send_simple(stream, WIRE_CREDIT, channel, &owed);
}

void
guest_stream_credit(GuestStream *stream, WireChannel channel, gsize size)
{
    if (stream->over)
        return;
    stream->channels[channel].owed += (guint32)size;
    send_owed(stream, channel);
}

void
stream_go_on(GuestStream *stream)
{
    for (WireChannel i = 0; i < _WIRE_CHANNELS; i++)
        send_owed(stream, i);
    link_wake(stream->link, stream);
}

void
guest_stream_signal(GuestStream *stream, int signal)
{
    guint32 value = (guint32)signal;

    if (!stream->over)
        send_simple(stream, WIRE_SIGNAL, WIRE_STDIN, &value);
}

void
guest_stream_kill(GuestStream *stream)
{
    if (!stream->over)
        send_simple(stream, WIRE_KILL, WIRE_STDIN, NULL);
}

/* --- receiving --- */

static void
leave_link(GuestStream *stream)
{
    stream->over = TRUE;
    if (!stream->link)
        return;
    g_hash_table_remove(stream->link->streams, GUINT_TO_POINTER(stream->number));
    link_forget(stream->link, stream);
    way_leave(stream->link, stream);
    link_watch_quiet(stream->link);
    stream->link = NULL;
}

void
stream_lose(GuestStream *stream, const GError *error)
{
    leave_link(stream);
    stream->events->ended(stream, NULL, error, stream->data);
}

static gboolean
handle_data(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    Channel *channel = &stream->channels[header->channel];

    if (header->channel == WIRE_STDIN || header->length > channel->in_window)
        return FALSE;
    channel->in_window -= header->length;
    count_moved(stream, header->length);
    stream->events->received(stream, header->channel, payload, header->length, stream->data);
    return TRUE;
}

static gboolean
handle_credit(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    Channel *channel = &stream->channels[header->channel];
    WireReader r;
    guint32 value;

    wire_reader_init(&r, payload, header->length);
    value = wire_get_u32(&r);
    if (wire_reader_end(&r) < 0 || value > WIRE_WINDOW - channel->out_window)
        return FALSE;
    channel->out_window += value;
    link_wake(stream->link, stream);
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
read_exit(const WireHeader *header, const guint8 *payload, GuestExit *ret)
{
    WireReader r;
    guint32 kind;

    wire_reader_init(&r, payload, header->length);
    kind = wire_get_u32(&r);
    ret->status = wire_get_u32(&r);
    ret->user_us = wire_get_u64(&r);
    ret->system_us = wire_get_u64(&r);
    ret->peak_rss_kib = wire_get_u64(&r);
    if (wire_reader_end(&r) < 0 || kind >= _WIRE_EXIT_MAX || ret->status > 255)
        return FALSE;
    ret->how = kind;
    return TRUE;
}

static gboolean
handle_exited(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    GuestExit how;

    if (!read_exit(header, payload, &how))
        return FALSE;
    leave_link(stream);
    stream->events->ended(stream, &how, NULL, stream->data);
    return TRUE;
}

static gboolean
handle_reaped(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    GuestExit how;

    if (!read_exit(header, payload, &how))
        return FALSE;
    if (stream->events->reaped)
        stream->events->reaped(stream, &how, stream->data);
    return TRUE;
}

static gboolean
handle_error(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
    g_autoptr(GError) error = stream_read_error(payload, header->length);

    if (!error)
        return FALSE;
    stream_lose(stream, error);
    return TRUE;
}

static gboolean
handle_eof(GuestStream *stream, const WireHeader *header)
{
    Channel *channel = &stream->channels[header->channel];

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

gboolean
stream_handle(GuestStream *stream, const WireHeader *header, const guint8 *payload)
{
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

static GuestStream *
stream_open(GuestLink *link, WireWriter *w, WireType type, const GuestStreamEvents *events,
            gpointer data, GError **error)
{
    guint32 number = link_next_number(link);
    ptrdiff_t size = wire_frame_end(w, number, type, WIRE_STDIN);
    GuestStream *stream;

    if (link->dead || size < 0 || link->out->len > LINK_UNSENT_MAX ||
        g_hash_table_size(link->streams) >= WIRE_STREAMS_MAX) {
        g_set_error(error, CLOCHE_ERROR,
                    link->dead ? CLOCHE_ERROR_GUEST_LOST
                    : size < 0 ? CLOCHE_ERROR_INVALID_ARGUMENT
                               : CLOCHE_ERROR_BUSY,
                    link->dead ? "The sandbox was lost"
                    : size < 0 ? "Arguments and environment are too long together"
                               : "Too many processes are under way in this sandbox");
        return NULL;
    }
    stream = g_new0(GuestStream, 1);
    stream->link = link;
    stream->number = number;
    stream->events = events;
    stream->data = data;
    for (guint i = 0; i < _WIRE_CHANNELS; i++)
        stream->channels[i].in_window = stream->channels[i].out_window = WIRE_WINDOW;
    g_hash_table_insert(link->streams, GUINT_TO_POINTER(number), stream);
    way_enter(link, stream);
    link_send(link, w->data, (gsize)size);
    link_watch_quiet(link);
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
    return stream_open(link, &w, WIRE_START, events, data, error);
}

GuestStream *
guest_stream_attach(GuestLink *link, const char *tag, const GuestStreamEvents *events,
                    gpointer data, GError **error)
{
    guint8 frame[512];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_string(&w, tag);
    return stream_open(link, &w, WIRE_ATTACH, events, data, error);
}

void
guest_stream_free(GuestStream *stream)
{
    if (!stream)
        return;
    if (!stream->over)
        send_simple(stream, WIRE_CLOSE, WIRE_STDIN, NULL);
    leave_link(stream);
    for (guint i = 0; i < _WIRE_CHANNELS; i++)
        g_clear_pointer(&stream->channels[i].queued, g_byte_array_unref);
    g_free(stream);
}
