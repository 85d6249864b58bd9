/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* peer: a host that sends and receives one frame at a time, with blocking calls. */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "fake-agent.h"

#define WAIT_MS 10000

static void
answer_free(gpointer data)
{
    Answer *answer = data;
    for (int i = 0; i < _WIRE_CHANNELS; i++)
        g_byte_array_unref(answer->data[i]);
    g_clear_pointer(&answer->pong, g_bytes_unref);
    g_free(answer->name);
    g_free(answer);
}

Answer *
peer_answer(Peer *peer, guint32 stream)
{
    Answer *answer = g_hash_table_lookup(peer->streams, GUINT_TO_POINTER(stream));
    if (!answer) {
        answer = g_new0(Answer, 1);
        for (int i = 0; i < _WIRE_CHANNELS; i++)
            answer->data[i] = g_byte_array_new();
        g_hash_table_insert(peer->streams, GUINT_TO_POINTER(stream), answer);
    }
    return answer;
}

Peer *
peer_new(void)
{
    return peer_new_with_net(/* net_listener= */ -1);
}

Peer *
peer_new_with_net(int net_listener)
{
    static guint count;
    g_autoptr(GError) error = NULL;
    const char *root = fake_agent_cgroup_root();

    if (geteuid() != 0 || !root) {
        g_test_skip("needs root and cgroup2");
        return NULL;
    }
    Peer *peer = g_new0(Peer, 1);
    peer->cgroup = g_strdup_printf("%s/cloche-test-%d-%u", root, (int)getpid(), count++);
    peer->in = g_byte_array_new();
    peer->streams = g_hash_table_new_full(NULL, NULL, NULL, answer_free);
    FakeAgent agent = {g_getenv("CLOCHE_AGENT"), peer->cgroup, /* runners= */ NULL, net_listener};
    peer->pid = fake_agent_spawn(&agent, &peer->fd, &error);
    g_assert_no_error(error);
    peer_connect(peer);
    return peer;
}

void
peer_free(Peer *peer)
{
    close(peer->fd);
    fake_agent_reap(peer->pid, peer->cgroup);
    g_assert_false(g_file_test(peer->cgroup, G_FILE_TEST_EXISTS));
    g_hash_table_unref(peer->streams);
    g_byte_array_unref(peer->in);
    g_free(peer->cgroup);
    g_free(peer->sandbox);
    g_free(peer);
}

/* --- bytes --- */

static void
receive(Peer *peer)
{
    guint8 bytes[65536];
    struct pollfd wait = {.fd = peer->fd, .events = POLLIN};

    g_assert_cmpint(poll(&wait, 1, WAIT_MS), ==, 1);
    gssize n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    g_assert_cmpint(n, >, 0);
    g_byte_array_append(peer->in, bytes, (guint)n);
}

/* Reads while it sends, because otherwise both sides could block on full buffers. */
void
peer_send_raw(Peer *peer, const void *data, gsize size)
{
    const guint8 *bytes = data;

    while (size > 0) {
        struct pollfd wait = {.fd = peer->fd, .events = POLLIN | POLLOUT};
        g_assert_cmpint(poll(&wait, 1, WAIT_MS), ==, 1);
        if (wait.revents & POLLIN)
            receive(peer);
        gssize n = send(peer->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue;
        g_assert_cmpint(n, >, 0);
        bytes += n;
        size -= (gsize)n;
    }
}

void
peer_send(Peer *peer, guint32 stream, WireType type, WireChannel channel, const void *data,
          gsize size)
{
    WireHeader header = {(guint32)size, stream, (guint8)type, (guint8)channel};
    g_autofree guint8 *frame = g_malloc(WIRE_HEADER_SIZE + size + 1);

    wire_header_put(frame, &header);
    if (size > 0)
        memcpy(frame + WIRE_HEADER_SIZE, data, size);
    frame[WIRE_HEADER_SIZE + size] = WIRE_END;
    peer_send_raw(peer, frame, WIRE_HEADER_SIZE + size + 1);
}

void
peer_send_u32(Peer *peer, guint32 stream, WireType type, WireChannel channel, guint32 value)
{
    guint32 little = GUINT32_TO_LE(value);
    peer_send(peer, stream, type, channel, &little, sizeof little);
}

/* --- connecting --- */

void
peer_send_preamble(Peer *peer, guint8 nonce[WIRE_NONCE_SIZE])
{
    g_autofree guint8 *pad = g_malloc0(WIRE_PREAMBLE_PAD);

    for (guint i = 0; i < WIRE_NONCE_SIZE; i++)
        nonce[i] = (guint8)g_random_int();
    peer_send_raw(peer, pad, WIRE_PREAMBLE_PAD);
    peer_send_raw(peer, wire_magic, WIRE_MAGIC_SIZE);
    peer_send_raw(peer, nonce, WIRE_NONCE_SIZE);
    g_hash_table_remove_all(peer->streams);
}

void
peer_wait_hello(Peer *peer, const guint8 nonce[WIRE_NONCE_SIZE])
{
    guint8 greeting[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];
    gsize keep = 0;
    ptrdiff_t at;

    memcpy(greeting, wire_magic, WIRE_MAGIC_SIZE);
    memcpy(greeting + WIRE_MAGIC_SIZE, nonce, WIRE_NONCE_SIZE);
    while ((at = wire_find(peer->in->data, peer->in->len, greeting, sizeof greeting, &keep)) < 0) {
        g_byte_array_remove_range(peer->in, 0, (guint)(peer->in->len - keep));
        receive(peer);
    }
    g_byte_array_remove_range(peer->in, 0, (guint)((gsize)at + sizeof greeting));
    g_clear_pointer(&peer->sandbox, g_free);
    while (!peer->sandbox)
        peer_step(peer);
}

void
peer_connect(Peer *peer)
{
    guint8 nonce[WIRE_NONCE_SIZE];
    peer_send_preamble(peer, nonce);
    peer_wait_hello(peer, nonce);
}

/* --- asking --- */

guint32
peer_new_stream(Peer *peer)
{
    return ++peer->last_stream;
}

guint32
peer_start(Peer *peer, const Start *start, const char *const *argv)
{
    static const Start ordinary;
    static guint8 frame[WIRE_FRAME_MAX];
    guint32 stream = peer_new_stream(peer);
    WireWriter w;

    start = start ? start : &ordinary;
    wire_frame_begin(&w, frame, sizeof frame);
    wire_put_u32(&w, start->flags);
    wire_put_u64(&w, start->timeout_ms);
    wire_put_string(&w, start->user ? start->user : "root");
    wire_put_string(&w, start->cwd ? start->cwd : "");
    wire_put_string(&w, start->tag ? start->tag : "");
    wire_put_u32(&w, start->columns);
    wire_put_u32(&w, start->rows);
    wire_put_strv(&w, argv);
    wire_put_strv(&w, start->environment);
    ptrdiff_t size = wire_frame_end(&w, stream, WIRE_START, 0);
    g_assert_cmpint(size, >, 0);
    peer_send_raw(peer, frame, (gsize)size);
    return stream;
}

guint32
peer_shell(Peer *peer, const Start *start, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    return peer_start(peer, start, argv);
}

guint32
peer_attach(Peer *peer, const char *tag)
{
    guint8 frame[1024];
    guint32 stream = peer_new_stream(peer);
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof frame);
    wire_put_string(&w, tag);
    peer_send_raw(peer, frame, (gsize)wire_frame_end(&w, stream, WIRE_ATTACH, 0));
    return stream;
}

guint32
peer_freeze(Peer *peer)
{
    guint32 stream = peer_new_stream(peer);

    peer_send(peer, stream, WIRE_FREEZE, 0, NULL, 0);
    return stream;
}

guint32
peer_thaw(Peer *peer, guint64 realtime_ns)
{
    guint32 stream = peer_new_stream(peer);
    guint64 little = GUINT64_TO_LE(realtime_ns);

    peer_send(peer, stream, WIRE_THAW, 0, &little, sizeof little);
    return stream;
}

/* --- answers --- */

static void
take_data(Peer *peer, Answer *answer, const WireHeader *header, const guint8 *payload)
{
    g_assert_cmpuint(header->length, <=, WIRE_DATA_MAX);
    g_assert_cmpuint(answer->pid, !=, 0);
    g_byte_array_append(answer->data[header->channel], payload, header->length);
    if (!answer->withholds_credit)
        peer_send_u32(peer, header->stream, WIRE_CREDIT, header->channel, header->length);
}

static void
take_frame(Peer *peer, const WireHeader *header, const guint8 *payload)
{
    Answer *answer = peer_answer(peer, header->stream);
    WireReader r;

    wire_reader_init(&r, payload, header->length);
    g_assert_false(answer->has_exited);
    switch (header->type) {
    case WIRE_HELLO:
        g_assert_cmpuint(wire_get_u32(&r), ==, WIRE_VERSION);
        peer->sandbox = wire_get_string(&r, 64);
        free(wire_get_string(&r, 256));
        break;
    case WIRE_DATA:
        take_data(peer, answer, header, payload);
        return;
    case WIRE_EOF:
        answer->eof[header->channel] = TRUE;
        break;
    case WIRE_CREDIT:
        answer->credit[header->channel] += wire_get_u32(&r);
        break;
    case WIRE_STARTED:
        answer->pid = wire_get_u32(&r);
        break;
    case WIRE_OK:
        answer->is_ok = TRUE;
        break;
    case WIRE_PONG:
        answer->pong = g_bytes_new(payload, header->length);
        return;
    case WIRE_ERROR:
        answer->error = (int)wire_get_u32(&r);
        answer->about = wire_get_u32(&r);
        answer->name = wire_get_string(&r, 256);
        free(wire_get_string(&r, 256));
        break;
    case WIRE_REAPED: /* EXITED says the same */
        answer->is_reaped = TRUE;
        return;
    case WIRE_EXITED:
        answer->has_exited = TRUE;
        answer->how = wire_get_u32(&r);
        answer->status = wire_get_u32(&r);
        answer->user_us = wire_get_u64(&r);
        answer->system_us = wire_get_u64(&r);
        answer->peak_rss_kib = wire_get_u64(&r);
        break;
    default:
        g_assert_not_reached();
    }
    g_assert_cmpint(wire_reader_end(&r), ==, 0);
}

void
peer_step(Peer *peer)
{
    WireHeader header;
    const guint8 *payload;
    gsize size;
    int r;

    while ((r = wire_frame_get(peer->in->data, peer->in->len, &header, &payload, &size)) == 0)
        receive(peer);
    g_assert_cmpint(r, ==, 1);
    /* take_frame() may send credit and then append to the buffer, so the frame is removed first. */
    g_autofree guint8 *copy = g_memdup2(payload, header.length);
    g_byte_array_remove_range(peer->in, 0, (guint)size);
    peer->n_frames++;
    take_frame(peer, &header, copy ? copy : (const guint8 *)"");
}

Answer *
peer_wait_started(Peer *peer, guint32 stream)
{
    Answer *answer = peer_answer(peer, stream);
    while (answer->pid == 0 && answer->error == 0)
        peer_step(peer);
    g_assert_cmpint(answer->error, ==, 0);
    return answer;
}

Answer *
peer_wait_end(Peer *peer, guint32 stream)
{
    Answer *answer = peer_answer(peer, stream);
    while (!answer->has_exited && answer->error == 0 && !answer->is_ok)
        peer_step(peer);
    return answer;
}

Answer *
peer_wait_data(Peer *peer, guint32 stream, WireChannel channel, gsize size)
{
    Answer *answer = peer_answer(peer, stream);
    while (answer->data[channel]->len < size)
        peer_step(peer);
    return answer;
}

void
peer_ping(Peer *peer)
{
    guint32 stream = peer_new_stream(peer);
    Answer *answer = peer_answer(peer, stream);

    peer_send(peer, stream, WIRE_PING, 0, "are you there", 13);
    while (!answer->pong)
        peer_step(peer);
    g_assert_cmpmem(g_bytes_get_data(answer->pong, NULL), g_bytes_get_size(answer->pong),
                    "are you there", 13);
}

char *
answer_text(const Answer *answer, WireChannel channel)
{
    const GByteArray *data = answer->data[channel];
    return data->len > 0 ? g_strndup((const char *)data->data, data->len) : g_strdup("");
}

/* --- what is left --- */

static guint
count_entries(const char *path, GFileTest test)
{
    guint n = 0;
    const char *name;

    GDir *directory = g_dir_open(path, 0, NULL);
    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);
        n += test == 0 || g_file_test(entry, test);
    }
    g_clear_pointer(&directory, g_dir_close);
    return n;
}

char *
peer_operations(const Peer *peer)
{
    return g_build_filename(peer->cgroup, CGROUP_OPERATIONS, NULL);
}

guint
peer_count_fds(const Peer *peer)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)peer->pid);
    return count_entries(path, 0);
}

void
peer_wait_clean(Peer *peer, guint n_fds)
{
    gint64 end = g_get_monotonic_time() + WAIT_MS * G_TIME_SPAN_MILLISECOND;
    g_autofree char *operations = peer_operations(peer);
    guint n_groups = 0;

    do {
        peer_ping(peer);
        n_groups = count_entries(operations, G_FILE_TEST_IS_DIR) +
                   count_entries(peer->cgroup, G_FILE_TEST_IS_DIR) - 1;
    } while ((n_groups > 0 || peer_count_fds(peer) != n_fds) && g_get_monotonic_time() < end);
    g_assert_cmpuint(n_groups, ==, 0);
    g_assert_cmpuint(peer_count_fds(peer), ==, n_fds);
}

void
peer_run_clean(gconstpointer test)
{
    void (*run)(Peer *peer) = (void (*)(Peer *))test;
    g_autoptr(Peer) peer = peer_new();
    if (!peer)
        return;
    guint n_fds = peer_count_fds(peer);
    run(peer);
    peer_wait_clean(peer, n_fds);
}

void
peer_add_tests(const char *area, const PeerTest *tests, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        g_autofree char *path = g_strdup_printf("/agent/%s/%s", area, tests[i].name);

        g_test_add_data_func(path, tests[i].run, peer_run_clean);
    }
}
