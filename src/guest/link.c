/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link: one connection to one agent.
 *
 * Any handler may end in guest_link_free(). `dead` keeps the link quiet from then on, and each
 * function that dispatches holds a reference, so that the memory stays until the handler returns.
 */
#include "link-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock-sync.h"
#include "closer.h"
#include "error.h"
#include "greeting.h"
#include "large-frames.h"
#include "link-requests.h"
#include "quiet-watch.h"
#include "unsent.h"
#include "util.h"

/* With more numbers in use, new streams are refused: the guest does not answer. */
#define LINK_EXCHANGES_MAX (4u * WIRE_STREAMS_MAX)
/* With more streams that the guest may not know to be closed, it is asked whether it does. */
#define LINK_CLOSED_MAX 256u
#define READ_SIZE (128u * 1024)
#define SMALL_FRAME 512u

struct GuestLink {
    int fd;
    guint in_source, out_source, excess_source, greet_timer, greet_timeout_s;
    GByteArray *in;
    Unsent unsent;
    guint8 nonce[WIRE_NONCE_SIZE];
    gboolean greeted; /* magic and nonce were found */
    QuietWatch quiet;
    gboolean dead, is_stalled;
    gint64 stopped_since_us, stopped_us; /* CLOCK_BOOTTIME; the sum of earlier stops */
    char *sandbox_id;                    /* from the agent's HELLO */
    guint32 version;                     /* from the agent's HELLO; 0: it has not greeted */
    guint32 ping; /* the number of the PING that was not answered; 0: there is none */
    Exchanges exchanges;
    StreamTable streams;
    LinkRequests requests;
    Slots *large_frames; /* of the owner's sandboxes; of this one before it has an owner */
    const guint *grace_s;
    ClockSync clock;
    gboolean clock_is_due; /* set the clock when the agent has greeted */
    GTask *greeting;
    GuestLost lost;
    gpointer lost_data;
};

guint32
link_next_number(GuestLink *link)
{
    return exchanges_next_number(&link->exchanges);
}

static void
finalize(gpointer data)
{
    GuestLink *link = data;

    g_free(link->sandbox_id);
    stream_table_clear(&link->streams);
    link_requests_clear(&link->requests);
    exchanges_clear(&link->exchanges);
    slots_unref(link->large_frames);
    unsent_clear(&link->unsent);
    g_byte_array_unref(link->in);
}

static void
link_unref(GuestLink *link)
{
    g_rc_box_release_full(link, finalize);
}

typedef GuestLink HeldLink; /* with a reference for as long as a handler runs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldLink, link_unref)

/* --- loss --- */

/* Ends all streams and requests with `error`. */
static void
fail_all(GuestLink *link, const GError *error)
{
    /* Taken out first: a callback may call this function again. */
    g_autoptr(GTask) greeting = g_steal_pointer(&link->greeting);

    if (greeting)
        g_task_return_error(greeting, g_error_copy(error));
    link_requests_fail_all(&link->requests, error);
    stream_table_lose_all(&link->streams, error);
}

static void
disconnect(GuestLink *link)
{
    link->dead = TRUE;
    g_clear_handle_id(&link->in_source, g_source_remove);
    g_clear_handle_id(&link->out_source, g_source_remove);
    g_clear_handle_id(&link->excess_source, g_source_remove);
    quiet_watch_set_due(&link->quiet, FALSE);
    g_clear_handle_id(&link->greet_timer, g_source_remove);
    stream_table_stop(&link->streams);
    unsent_drop(&link->unsent);
    if (link->fd >= 0)
        closer_close(link->fd);
    link->fd = -1;
}

/* Ends the link from inside: must be the last thing that a handler does. */
static void G_GNUC_PRINTF(3, 4) lose_guest(GuestLink *link, GuestLoss why, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list ap;

    if (link->dead)
        return;
    va_start(ap, format);
    message = g_strdup_vprintf(format, ap);
    va_end(ap);
    disconnect(link);
    link->lost(link, why, message, link->lost_data);
}

/* --- sending --- */

static gboolean
may_send(gpointer data)
{
    GuestLink *link = data;

    return !link->dead && unsent_is_short(&link->unsent);
}

void
link_wake(GuestLink *link, LinkStream *stream)
{
    stream_table_wake(&link->streams, stream);
}

static gboolean
on_writable(int fd, GIOCondition condition, gpointer data)
{
    g_autoptr(HeldLink) link = g_rc_box_acquire(data);
    int r = unsent_send(&link->unsent, link->fd);

    if (r < 0) {
        link->out_source = 0;
        lose_guest(link, GUEST_GONE, "writing to the agent failed: %s", g_strerror(-r));
        return G_SOURCE_REMOVE;
    }
    stream_table_send(&link->streams);
    if (unsent_size(&link->unsent) > 0)
        return G_SOURCE_CONTINUE;
    link->out_source = 0;
    return G_SOURCE_REMOVE;
}

static gboolean
on_excess(gpointer data)
{
    g_autoptr(HeldLink) link = g_rc_box_acquire(data);

    link->excess_source = 0;
    if (unsent_is_excessive(&link->unsent))
        lose_guest(link, GUEST_BROKE_PROTOCOL, "its agent does not read what it is sent");
    return G_SOURCE_REMOVE;
}

/* Callers go on with their stream afterwards, so the link cannot end here. */
void
link_send(GuestLink *link, const guint8 *frame, gsize size)
{
    if (link->dead)
        return;
    unsent_add(&link->unsent, link->fd, frame, size);
    if (link->out_source == 0 && unsent_size(&link->unsent) > 0)
        link->out_source = g_unix_fd_add(link->fd, G_IO_OUT, on_writable, link);
    if (link->excess_source == 0 && unsent_is_excessive(&link->unsent))
        link->excess_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_excess, link, NULL);
}

static void
send_preamble(GuestLink *link)
{
    g_autoptr(GBytes) preamble = greeting_begin(link->nonce);

    link_send(link, g_bytes_get_data(preamble, NULL), g_bytes_get_size(preamble));
}

/* --- silence --- */

/* The answer to an earlier PING tells as much as that to a new one. */
static void
send_ping(gpointer data)
{
    GuestLink *link = data;
    guint8 frame[SMALL_FRAME];
    WireWriter w;

    if (link->ping != 0)
        return;
    link->ping = link_next_number(link);
    exchanges_begin(&link->exchanges, link->ping, EXCHANGE_PING, /* channels= */ 0);
    wire_frame_begin(&w, frame, sizeof(frame));
    link_send(link, frame, (gsize)wire_frame_end(&w, link->ping, WIRE_PING, WIRE_STDIN));
}

/* The answer to a PING proves that the guest knows of each stream that was closed before. */
static void
ask_about_closed(GuestLink *link)
{
    if (exchanges_count_closed(&link->exchanges) > LINK_CLOSED_MAX)
        send_ping(link);
}

static void
give_up(gpointer data)
{
    g_autoptr(HeldLink) link = g_rc_box_acquire(data);

    lose_guest(link, GUEST_HUNG, "its agent has not answered for %d seconds", GUEST_HUNG_S);
}

static const QuietWatchEvents quiet_events = {send_ping, give_up};

static void
watch_quiet(GuestLink *link)
{
    quiet_watch_set_due(&link->quiet,
                        !link->dead && link->greeted && exchanges_are_due(&link->exchanges));
}

/* --- streams --- */

/* FALSE with an error when no stream can be opened now. */
static gboolean
check_opening(const GuestLink *link, ptrdiff_t size, GError **error)
{
    if (link->dead)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "The sandbox was lost");
    else if (size < 0)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "Arguments and environment are too long together");
    else if (stream_table_size(&link->streams) >= WIRE_STREAMS_MAX ||
             exchanges_count(&link->exchanges) >= LINK_EXCHANGES_MAX)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "Too many processes are under way in this sandbox");
    else
        return unsent_check_room(&link->unsent, (gsize)size, error);
    return FALSE;
}

gboolean
link_add_stream(GuestLink *link, LinkStream *stream, guint channels, const guint8 *frame,
                ptrdiff_t size, GError **error)
{
    if (!check_opening(link, size, error))
        return FALSE;
    exchanges_begin(&link->exchanges, stream->number, EXCHANGE_OPENING, channels);
    stream_table_add(&link->streams, stream);
    link_send(link, frame, (gsize)size);
    watch_quiet(link);
    return TRUE;
}

void
link_remove_stream(GuestLink *link, LinkStream *stream)
{
    stream_table_remove(&link->streams, stream);
    exchanges_close(&link->exchanges, stream->number);
    ask_about_closed(link);
    watch_quiet(link);
}

void
link_set_due(GuestLink *link, LinkStream *stream, gboolean is_due)
{
    exchanges_set_due(&link->exchanges, stream->number, is_due);
    watch_quiet(link);
}

void
link_add_moved(GuestLink *link, LinkStream *stream, gsize size)
{
    stream_table_add_moved(&link->streams, stream, size);
}

Slots *
link_large_frames(const GuestLink *link)
{
    return link->large_frames;
}

guint
link_grace_s(const GuestLink *link)
{
    return *link->grace_s;
}

void
guest_link_set_owner(GuestLink *link, Budget *buffers, Slots *large_frames)
{
    unsent_set_budget(&link->unsent, buffers);
    slots_unref(link->large_frames);
    link->large_frames = slots_ref(large_frames);
}

gint64
link_stopped_us(const GuestLink *link)
{
    return link->stopped_us + (link->is_stalled ? util_boottime_us() - link->stopped_since_us : 0);
}

gboolean
link_is_stopped(const GuestLink *link)
{
    return link->is_stalled;
}

gboolean
link_must_wait(const GuestLink *link, const LinkStream *stream)
{
    return priority_must_wait(&link->streams.priority, stream->moved);
}

guint32
link_version(const GuestLink *link)
{
    return link->version;
}

/* --- requests --- */

void
link_send_request(GuestLink *link, WireWriter *w, WireType type, GAsyncReadyCallback callback,
                  gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    guint32 number = link_next_number(link);
    ptrdiff_t size = wire_frame_end(w, number, type, WIRE_STDIN);

    if (link->dead || size < 0) {
        g_task_return_new_error(
            task, CLOCHE_ERROR,
            link->dead ? CLOCHE_ERROR_GUEST_LOST : CLOCHE_ERROR_INVALID_ARGUMENT,
            link->dead ? "The sandbox was lost" : "The request is too long for the guest");
        g_object_unref(task);
        return;
    }
    exchanges_begin(&link->exchanges, number, EXCHANGE_REQUEST, /* channels= */ 0);
    link_requests_add(&link->requests, number, task);
    link_send(link, w->data, (gsize)size);
    watch_quiet(link);
}

/* --- the guest's clock --- */

static guint32
send_clock(gpointer data)
{
    GuestLink *link = data;
    guint32 number = link_next_number(link);
    guint8 frame[SMALL_FRAME];
    WireWriter w;

    exchanges_begin(&link->exchanges, number, EXCHANGE_REQUEST, /* channels= */ 0);
    watch_quiet(link);
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u64(&w, (guint64)g_get_real_time() * 1000);
    link_send(link, frame, (gsize)wire_frame_end(&w, number, WIRE_CLOCK, WIRE_STDIN));
    return number;
}

void
guest_link_set_clock(GuestLink *link)
{
    link->clock_is_due = link->version == 0;
    if (!link->dead && !link->is_stalled && link->version >= WIRE_VERSION_CLOCK)
        clock_sync_begin(&link->clock);
}

/* --- receiving --- */

static gboolean
handle_hello(GuestLink *link, const WireHeader *header, const guint8 *payload)
{
    g_autoptr(GTask) greeting = NULL;
    g_autofree char *id = NULL;
    guint32 version;

    if (!link->greeting || !greeting_read_hello(header, payload, &version, &id))
        return FALSE;
    greeting = g_steal_pointer(&link->greeting); /* its callback may free the link */
    g_clear_handle_id(&link->greet_timer, g_source_remove);
    link->sandbox_id = g_steal_pointer(&id);
    if (version < WIRE_VERSION_OLDEST || version > WIRE_VERSION) {
        g_task_return_new_error(
            greeting, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
            "The agent speaks version %u of the protocol, not %u to %u: build the "
            "image again with this version's build-image",
            version, WIRE_VERSION_OLDEST, WIRE_VERSION);
        return TRUE;
    }
    link->version = version;
    if (link->clock_is_due)
        guest_link_set_clock(link);
    g_task_return_boolean(greeting, TRUE);
    return TRUE;
}

static gboolean
handle_clock_answer(GuestLink *link, const WireHeader *header, const guint8 *payload)
{
    g_autoptr(GError) refusal = NULL;

    if (!clock_sync_answer(&link->clock, header, payload, &refusal))
        return FALSE;
    if (refusal)
        g_debug("The clock of sandbox '%s' could not be set: %s", link->sandbox_id,
                refusal->message);
    return TRUE;
}

static gboolean
handle_frame(GuestLink *link, const WireHeader *header, const guint8 *payload)
{
    LinkStream *stream = stream_table_find(&link->streams, header->stream);
    GTask *request;

    if (!exchanges_receive(&link->exchanges, header))
        return FALSE;
    watch_quiet(link);
    if (header->type == WIRE_HELLO)
        return handle_hello(link, header, payload);
    if (header->type == WIRE_PONG) {
        link->ping = 0;
        ask_about_closed(link);
        return header->length == 0;
    }
    if (stream)
        return stream->functions->handle_frame(stream, header, payload);
    if ((request = link_requests_steal(&link->requests, header->stream)))
        return link_requests_answer(request, header, payload);
    if (clock_sync_expects(&link->clock, header->stream))
        return handle_clock_answer(link, header, payload);
    return TRUE; /* the host has closed the stream */
}

static void
handle_bytes(GuestLink *link)
{
    gsize used = 0;

    if (!link->greeted)
        link->greeted = greeting_find(link->nonce, link->in);
    while (link->greeted && !link->dead) {
        WireHeader header;
        const guint8 *payload;
        gsize size;
        int r =
            wire_frame_get(link->in->data + used, link->in->len - used, &header, &payload, &size);

        if (r == 0)
            break;
        if (r < 0 || !handle_frame(link, &header, payload)) {
            lose_guest(link, GUEST_BROKE_PROTOCOL, "its agent broke the protocol (%s)",
                       r < 0 ? "a malformed frame" : "an unexpected frame");
            return;
        }
        used += size;
    }
    if (!link->dead && used > 0)
        g_byte_array_remove_range(link->in, 0, (guint)used);
}

static gboolean
on_readable(int fd, GIOCondition condition, gpointer data)
{
    g_autoptr(HeldLink) link = g_rc_box_acquire(data);
    guint held = link->in->len;
    gssize n;

    g_byte_array_set_size(link->in, held + READ_SIZE);
    n = closer_receive(fd, link->in->data + held, READ_SIZE);
    g_byte_array_set_size(link->in, held + (guint)MAX(n, 0));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        lose_guest(link, GUEST_GONE, "its machine has ended");
        return G_SOURCE_REMOVE;
    }
    quiet_watch_heard(&link->quiet);
    handle_bytes(link);
    return link->dead ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* --- life --- */

GuestLink *
guest_link_new(int fd, const guint *grace_s, GuestLost lost, gpointer data)
{
    GuestLink *link = g_rc_box_new0(GuestLink);

    link->fd = fd;
    link->grace_s = grace_s;
    link->in = g_byte_array_new();
    unsent_init(&link->unsent);
    exchanges_init(&link->exchanges);
    stream_table_init(&link->streams, may_send, link);
    link_requests_init(&link->requests);
    link->large_frames = large_frames_new();
    quiet_watch_init(&link->quiet, GUEST_QUIET_S * 1000, GUEST_HUNG_S * 1000, &quiet_events, link);
    clock_sync_init(&link->clock, send_clock, link);
    link->lost = lost;
    link->lost_data = data;
    link->in_source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, link);
    return link;
}

static void
close_with(GuestLink *link, ClocheError code, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(CLOCHE_ERROR, code, why);
    g_autoptr(HeldLink) held = g_rc_box_acquire(link);

    disconnect(held);
    fail_all(held, error);
}

void
guest_link_close(GuestLink *link, const char *why)
{
    close_with(link, CLOCHE_ERROR_GUEST_LOST, why);
}

void
guest_link_free(GuestLink *link, const char *why)
{
    if (!link)
        return;
    guest_link_close(link, why);
    link_unref(link);
}

void
guest_link_leave(GuestLink *link)
{
    close_with(link, CLOCHE_ERROR_SERVICE_STOPPING,
               "The service stops or restarts; the sandbox continues: call again");
    link_unref(link);
}

/* --- the greeting --- */

static gboolean
on_greet_timeout(gpointer data)
{
    GuestLink *link = data;
    g_autoptr(GTask) task = g_steal_pointer(&link->greeting);

    link->greet_timer = 0;
    g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT,
                            "The agent in the guest did not answer in time");
    return G_SOURCE_REMOVE;
}

/* The timeout starts again when a stopped machine continues. */
static void
watch_greeting(GuestLink *link)
{
    g_clear_handle_id(&link->greet_timer, g_source_remove);
    if (link->greeting && !link->dead && !link->is_stalled)
        link->greet_timer = g_timeout_add_seconds(link->greet_timeout_s, on_greet_timeout, link);
}

void
guest_link_greet_async(GuestLink *link, guint timeout_s, GAsyncReadyCallback callback,
                       gpointer data)
{
    link->greeting = g_task_new(NULL, NULL, callback, data);
    exchanges_begin(&link->exchanges, EXCHANGE_GREETING_NUMBER, EXCHANGE_GREETING,
                    /* channels= */ 0);
    link->greet_timeout_s = timeout_s;
    watch_greeting(link);
    send_preamble(link);
}

void
guest_link_set_stalled(GuestLink *link, gboolean is_stalled)
{
    if (link->is_stalled != is_stalled && is_stalled)
        link->stopped_since_us = util_boottime_us();
    else if (link->is_stalled != is_stalled)
        link->stopped_us += util_boottime_us() - link->stopped_since_us;
    link->is_stalled = is_stalled;
    quiet_watch_set_stopped(&link->quiet, is_stalled);
    watch_greeting(link);
}

gboolean
guest_link_greet_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

const char *
guest_link_sandbox_id(const GuestLink *link)
{
    return link->sandbox_id;
}
