/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer: the host's side of a connection to a real agent, for tests.
 *
 * It keeps what each stream sent. Every wait is for a frame, and a frame that does not come within
 * ten seconds fails the test.
 */
#pragma once

#include <glib.h>

#include "wire.h"

typedef struct {
    pid_t pid;
    int fd;
    char *cgroup;
    char *sandbox; /* of the last HELLO */
    GByteArray *in;
    GHashTable *streams;
    guint32 last_stream;
    guint n_frames;
} Peer;

/* What the agent has sent for one stream. */
typedef struct {
    GByteArray *data[_WIRE_CHANNELS];
    guint32 credit[_WIRE_CHANNELS]; /* given back by the agent */
    gboolean eof[_WIRE_CHANNELS];
    gboolean withholds_credit;
    guint32 pid; /* 0: not started */
    gboolean is_ok;
    GBytes *pong;
    gboolean has_exited, is_reaped;
    WireExit how;
    guint32 status;
    guint64 user_us, system_us, peak_rss_kib;
    int error; /* 0: none */
    WireObject about;
    char *name;
} Answer;

typedef struct {
    guint32 flags;
    guint64 timeout_ms;
    guint32 columns, rows;
    const char *user, *cwd, *tag;
    const char *const *environment;
} Start;

/* Starts an agent and connects. Returns NULL and skips the test if the test may not start one. */
Peer *peer_new(void);
/* The agent also has a network, whose host connects to this socket (FakeAgent). */
Peer *peer_new_with_net(int net_listener);
void peer_free(Peer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peer, peer_free)

/* Makes a new connection on the same stream of bytes: drops all answers and waits for HELLO. */
void peer_connect(Peer *peer);
/* The two steps of peer_connect(). */
void peer_send_preamble(Peer *peer, guint8 nonce[WIRE_NONCE_SIZE]);
void peer_wait_hello(Peer *peer, const guint8 nonce[WIRE_NONCE_SIZE]);

void peer_send_raw(Peer *peer, const void *data, gsize size);
void peer_send(Peer *peer, guint32 stream, WireType type, WireChannel channel, const void *data,
               gsize size);
void peer_send_u32(Peer *peer, guint32 stream, WireType type, WireChannel channel, guint32 value);

guint32 peer_new_stream(Peer *peer);
/* Does not wait. If `start` is NULL, the program runs without flags, as root, in root's home. */
guint32 peer_start(Peer *peer, const Start *start, const char *const *argv);
guint32 peer_shell(Peer *peer, const Start *start, const char *script);
guint32 peer_attach(Peer *peer, const char *tag);
/* Neither waits. */
guint32 peer_freeze(Peer *peer);
guint32 peer_thaw(Peer *peer, guint64 realtime_ns);

/* What the agent has sent for this stream so far. */
Answer *peer_answer(Peer *peer, guint32 stream);
/* Waits for one frame and handles it. */
void peer_step(Peer *peer);
/* Each handles frames until the condition is met. */
Answer *peer_wait_started(Peer *peer, guint32 stream);
Answer *peer_wait_end(Peer *peer, guint32 stream); /* EXITED, ERROR or OK */
Answer *peer_wait_data(Peer *peer, guint32 stream, WireChannel channel, gsize size);
void peer_ping(Peer *peer);

/* All data that arrived on a channel, as text. */
char *answer_text(const Answer *answer, WireChannel channel);

/* The directory of the cgroups that can be frozen. */
char *peer_operations(const Peer *peer);
/* Sends pings until the agent has `n_fds` descriptors and no cgroup below its own. */
guint peer_count_fds(const Peer *peer);
void peer_wait_clean(Peer *peer, guint n_fds);

/* A test function for g_test_add_data_func(): calls its data, a void (*)(Peer *), with a new agent,
 * and fails if descriptors or cgroups are left. */
void peer_run_clean(gconstpointer test);

typedef struct {
    const char *name;
    void (*run)(Peer *peer);
} PeerTest;

/* Adds each test as "/agent/AREA/NAME"; peer_run_clean() runs it. */
void peer_add_tests(const char *area, const PeerTest *tests, gsize count);
