/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link: the connection. Bytes in, frames out to requests and streams.
 *
 * Any handler may end up in guest_link_free(): `dead` keeps the link quiet from then on, and
 * whoever dispatches holds a reference, so that the memory stays until the handler has returned.
 */
#include "link-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

#define READ_SIZE (128u * 1024)
#define SMALL_FRAME 512u

guint32
link_next_number(GuestLink *link)
{
    return ++link->last_stream;
}

static void
finalize(gpointer data)
{
    GuestLink *link = data;

    g_free(link->sandbox_id);
    g_hash_table_unref(link->streams);
    g_hash_table_unref(link->requests);
    g_queue_clear(&link->waiting);
    g_byte_array_unref(link->in);
    g_byte_array_unref(link->out);
}

static void
link_unref(GuestLink *link)
{
    g_rc_box_release_full(link, finalize);
}

typedef GuestLink HeldLink; /* a reference for as long as a handler runs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldLink, link_unref)

/* --- sending --- */

/* A stream that writes because it has written is in its turn already. */
static void
pump(GuestLink *link)
{
    GuestStream *stream;

    if (link->is_pumping)
        return;
    link->is_pumping = TRUE;
    while (!link->dead && link->out->len < LINK_AHEAD &&
           (stream = g_queue_pop_head(&link->waiting)))
        if (stream_turn(stream) && !g_queue_find(&link->waiting, stream))
            g_queue_push_tail(&link->waiting, stream);
    link->is_pumping = FALSE;
}

void
link_wake(GuestLink *link, GuestStream *stream)
{
    if (!g_queue_find(&link->waiting, stream))
        g_queue_push_tail(&link->waiting, stream);
    pump(link);
}

void
link_forget(GuestLink *link, GuestStream *stream)
{
    g_queue_remove(&link->waiting, stream);
}

static gboolean
on_writable(int fd, GIOCondition condition, gpointer data)
{
    g_autoptr(HeldLink) link = g_rc_box_acquire(data);
    gssize n = send(link->fd, link->out->data, link->out->len, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        link->out_source = 0;
        link_lose(link, GUEST_GONE, "writing to the agent failed: %s", g_strerror(errno));
        return G_SOURCE_REMOVE;
    }
    if (n > 0)
        g_byte_array_remove_range(link->out, 0, (guint)n);
    pump(link);
    if (link->out->len > 0)
        return G_SOURCE_CONTINUE;
    link->out_source = 0;
    return G_SOURCE_REMOVE;
}

void
link_send(GuestLink *link, const guint8 *frame, gsize size)
{
    gssize n = 0;

    if (link->dead)
        return;
    if (link->out->len == 0) {
        n = send(link->fd, frame, size, MSG_NOSIGNAL);
        n = MAX(n, 0); /* a broken socket is told by its reading side */
    }
    if ((gsize)n == size)
        return;
    g_byte_array_append(link->out, frame + n, (guint)(size - (gsize)n));
    if (link->out_source == 0)
        link->out_source = g_unix_fd_add(link->fd, G_IO_OUT, on_writable, link);
}

static void
send_preamble(GuestLink *link)
{
    g_autofree guint8 *pad = g_malloc0(WIRE_PREAMBLE_PAD);

    util_random(link->nonce, sizeof(link->nonce));
    link_send(link, pad, WIRE_PREAMBLE_PAD);
    link_send(link, wire_magic, WIRE_MAGIC_SIZE);
    link_send(link, link->nonce, WIRE_NONCE_SIZE);
}

/* --- losing --- */

/* Number → GTask. */
static GHashTable *
requests_new(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, g_object_unref);
}

/* All that waits hears `error`. */
static void
fail_all(GuestLink *link, const GError *error)
{
    /* Taken out first: whoever hears of it may come here again. */
    g_autoptr(GTask) greeting = g_steal_pointer(&link->greeting);
    g_autoptr(GHashTable) requests = g_steal_pointer(&link->requests);
    g_autoptr(GList) tasks = g_hash_table_get_values(requests);
    g_autoptr(GList) streams = g_hash_table_get_keys(link->streams);

    link->requests = requests_new();
    if (greeting)
        g_task_return_error(greeting, g_error_copy(error));
    for (GList *l = tasks; l; l = l->next)
        g_task_return_error(l->data, g_error_copy(error));
    for (GList *l = streams; l; l = l->next) {
        GuestStream *stream = g_hash_table_lookup(link->streams, l->data);

        if (stream)
            stream_lose(stream, error);
    }
}

static void
disconnect(GuestLink *link)
{
    link->dead = TRUE;
    g_clear_handle_id(&link->in_source, g_source_remove);
    g_clear_handle_id(&link->out_source, g_source_remove);
    g_clear_handle_id(&link->quiet_timer, g_source_remove);
    g_clear_handle_id(&link->greet_timer, g_source_remove);
    g_clear_handle_id(&link->way_timer, g_source_remove);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

void
link_lose(GuestLink *link, GuestLoss why, const char *format, ...)
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

/* --- silence --- */

static gboolean
answers_are_due(GuestLink *link)
{
    return link->greeted &&
           (g_hash_table_size(link->streams) > 0 || g_hash_table_size(link->requests) > 0);
}

static gboolean
on_quiet_timer(gpointer data)
{
    g_autoptr(HeldLink) link = g_rc_box_acquire(data);
    gint64 quiet_s = (util_boottime_us() - link->heard_us) / G_USEC_PER_SEC;
    guint8 frame[SMALL_FRAME];
    WireWriter w;

    if (link->is_stalled || quiet_s < GUEST_QUIET_S)
        return G_SOURCE_CONTINUE;
    if (link->asked && quiet_s >= GUEST_HUNG_S) {
        link->quiet_timer = 0;
        link_lose(link, GUEST_HUNG, "its agent has not answered for %d seconds", GUEST_HUNG_S);
        return G_SOURCE_REMOVE;
    }
    if (!link->asked) {
        link->asked = TRUE;
        wire_frame_begin(&w, frame, sizeof(frame));
        link_send(link, frame,
                  (gsize)wire_frame_end(&w, link_next_number(link), WIRE_PING, WIRE_STDIN));
    }
    return G_SOURCE_CONTINUE;
}

void
link_watch_quiet(GuestLink *link)
{
    if (link->dead || !answers_are_due(link)) {
        g_clear_handle_id(&link->quiet_timer, g_source_remove);
        return;
    }
    if (link->quiet_timer != 0)
        return;
    link->asked = FALSE;
    link->heard_us = util_boottime_us();
    link->quiet_timer = g_timeout_add_seconds(GUEST_QUIET_S, on_quiet_timer, link);
}

/* --- receiving --- */

static gboolean
handle_hello(GuestLink *link, const WireHeader *header, const guint8 *payload)
{
    g_autoptr(GTask) greeting = NULL;
    WireReader r;
    g_autofree char *id = NULL, *release = NULL;
    guint32 version;

    wire_reader_init(&r, payload, header->length);
    version = wire_get_u32(&r);
    id = wire_get_string(&r, 64);
    release = wire_get_string(&r, 256);
    if (wire_reader_end(&r) < 0 || !link->greeting)
        return FALSE;
    greeting = g_steal_pointer(&link->greeting); /* whoever hears of it may free the link */
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
    clock_greeted(link);
    g_task_return_boolean(greeting, TRUE);
    return TRUE;
}

static gboolean
handle_answer(GuestLink *link, const WireHeader *header, const guint8 *payload)
{
    g_autoptr(GTask) task = NULL;
    GError *error;

    if (!g_hash_table_steal_extended(link->requests, GUINT_TO_POINTER(header->stream), NULL,
                                     (gpointer *)&task))
        return FALSE;
    link_watch_quiet(link);
    if (header->type == WIRE_OK && header->length == 0) {
        g_task_return_boolean(task, TRUE);
        return TRUE;
    }
    error = header->type == WIRE_ERROR ? stream_read_error(payload, header->length) : NULL;
    g_task_return_error(task, error ? error
                                    : g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                                                  "The agent's answer was malformed"));
    return error != NULL;
}

static gboolean
handle_frame(GuestLink *link, const WireHeader *header, const guint8 *payload)
{
    GuestStream *stream = g_hash_table_lookup(link->streams, GUINT_TO_POINTER(header->stream));

    if (header->type == WIRE_HELLO)
        return handle_hello(link, header, payload);
    if (link->greeting)
        return FALSE;
    if (header->type == WIRE_PONG)
        return header->length == 0;
    if (stream)
        return stream_handle(stream, header, payload);
    if (g_hash_table_contains(link->requests, GUINT_TO_POINTER(header->stream)))
        return handle_answer(link, header, payload);
    if (link->clock_number != 0 && header->stream == link->clock_number)
        return clock_answered(link, header, payload);
    /* A stream that this side has closed already: its last frames were on their way. */
    return header->stream != 0 && header->stream <= link->last_stream;
}

/* Throws away what an earlier connection left, up to and with our nonce. */
static void
find_greeting(GuestLink *link)
{
    guint8 needle[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];
    gsize keep = 0;
    ptrdiff_t at;

    memcpy(needle, wire_magic, WIRE_MAGIC_SIZE);
    memcpy(needle + WIRE_MAGIC_SIZE, link->nonce, WIRE_NONCE_SIZE);
    at = wire_find(link->in->data, link->in->len, needle, sizeof(needle), &keep);
    link->greeted = at >= 0;
    g_byte_array_remove_range(link->in, 0,
                              link->greeted ? (guint)(at + (ptrdiff_t)sizeof(needle))
                                            : (guint)(link->in->len - keep));
}

static void
handle_bytes(GuestLink *link)
{
    gsize used = 0;

    if (!link->greeted)
        find_greeting(link);
    while (link->greeted && !link->dead) {
        WireHeader header;
        const guint8 *payload;
        gsize size;
        int r =
            wire_frame_get(link->in->data + used, link->in->len - used, &header, &payload, &size);

        if (r == 0)
            break;
        if (r < 0 || !handle_frame(link, &header, payload)) {
            link_lose(link, GUEST_BROKE_PROTOCOL, "its agent broke the protocol (%s)",
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
    n = recv(fd, link->in->data + held, READ_SIZE, 0);
    g_byte_array_set_size(link->in, held + (guint)MAX(n, 0));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        link_lose(link, GUEST_GONE, "its machine went away");
        return G_SOURCE_REMOVE;
    }
    link->heard_us = util_boottime_us();
    link->asked = FALSE;
    handle_bytes(link);
    if (!link->dead && link->out->len > LINK_UNSENT_END)
        link_lose(link, GUEST_BROKE_PROTOCOL, "its agent sends, and never takes anything");
    return link->dead ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* --- life --- */

GuestLink *
guest_link_new(int fd, GuestLost lost, gpointer data)
{
    GuestLink *link = g_rc_box_new0(GuestLink);

    link->fd = fd;
    link->in = g_byte_array_new();
    link->out = g_byte_array_new();
    link->streams = g_hash_table_new(NULL, NULL);
    link->requests = requests_new();
    g_queue_init(&link->waiting);
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
               "The service stops, or is started anew; the sandbox goes on: call again");
    link_unref(link);
}

gboolean
guest_link_is_over(const GError *error)
{
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST) ||
           g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING);
}

/* --- requests --- */

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

/* It has its whole time when it goes on. */
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
    link->greet_timeout_s = timeout_s;
    watch_greeting(link);
    send_preamble(link);
}

void
guest_link_set_stalled(GuestLink *link, gboolean is_stalled)
{
    link->is_stalled = is_stalled;
    link->asked = FALSE;
    link->heard_us = util_boottime_us();
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

static void
send_request(GuestLink *link, WireWriter *w, WireType type, GAsyncReadyCallback callback,
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
    g_hash_table_insert(link->requests, GUINT_TO_POINTER(number), task);
    link_send(link, w->data, (gsize)size);
    link_watch_quiet(link);
}

void
guest_link_claim_async(GuestLink *link, const GuestClaim *claim, GAsyncReadyCallback callback,
                       gpointer data)
{
    g_autofree guint8 *frame = g_malloc(WIRE_FRAME_MAX);
    guint8 machine_id[16], entropy[64];
    WireWriter w;

    util_random(machine_id, sizeof(machine_id));
    util_random(entropy, sizeof(entropy));
    wire_frame_begin(&w, frame, WIRE_FRAME_MAX);
    wire_put_string(&w, claim->id);
    wire_put_string(&w, claim->hostname);
    wire_put_bytes(&w, machine_id, sizeof(machine_id));
    wire_put_bytes(&w, entropy, sizeof(entropy));
    wire_put_u64(&w, (guint64)g_get_real_time() * 1000);
    wire_put_string(&w, claim->user);
    wire_put_strv(&w, claim->environment);
    send_request(link, &w, WIRE_CLAIM, callback, data);
}

gboolean
guest_link_claim_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
guest_link_quiesce_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data)
{
    guint8 frame[SMALL_FRAME];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    send_request(link, &w, WIRE_QUIESCE, callback, data);
}

gboolean
guest_link_quiesce_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
