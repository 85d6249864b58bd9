/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: the descriptors 0 to 3 of a process, and their windows.
 *
 * A stream belongs to a process all its life; it has a number while the host listens. Everything
 * that goes out does so in turns, one frame each, so that a hundred streams stay fair.
 *
 * Two rules of order. What the process wrote to 1 and 2 before it wrote to 3 goes out before that:
 * when 3 has bytes, what is in the pipes at that moment becomes due first. And when the process
 * ends, what is in its pipes at that moment goes out before EXITED; what its descendants write
 * afterwards is read and thrown away, so that they do not die of SIGPIPE.
 *
 * A reader that goes, at either end, is told at the other, as of a pipe.
 */
#pragma once

#include <sys/types.h>

#include "loop.h"
#include "wire.h"

typedef struct Stream Stream;

/* News for whoever owns the stream: the process is to be ended; the stream's last frame is sent. */
typedef struct {
    void (*overrun)(Stream *stream);
    void (*ended)(Stream *stream);
} StreamHandlers;

/* From the process to the host. */
typedef struct {
    bool readable;   /* an edge came, and no read has come up empty since */
    uint32_t credit; /* DATA that the host takes */
    size_t due;      /* bytes that go out before what came after them */
} Output;

/* From the host to the process. */
typedef struct {
    uint8_t *data;
    size_t begin, end, size;
    uint32_t held; /* bytes of the host's window that it has not got back */
    uint32_t owed; /* of these, passed on: to be given back */
    bool eof;
    bool refused; /* the process takes no more, which the host is still to be told */
} Input;

typedef struct {
    Source source; /* fd -1: the process has no such descriptor, or it is over */
    Stream *stream;
    Output output;
    Input input;
} Channel;

typedef struct {
    WireExit how;
    uint32_t status;
    uint64_t user_us, system_us, peak_rss_kib;
} StreamExit;

struct Stream {
    uint32_t number; /* 0: nobody listens */
    Channel channels[_WIRE_CHANNELS];
    WireChannel last; /* whose turn it was */
    uint32_t pid;     /* for STARTED */
    bool answer_due;  /* STARTED waits for a turn */
    bool is_open;     /* STARTED was sent: DATA may go out */
    bool has_exited;
    bool exit_is_told; /* by REAPED */
    bool is_draining;  /* nobody will ever read it again */
    bool is_terminal;  /* its channels 0 and 1 are both of a terminal's master */
    StreamExit exit;
    int error; /* instead of STARTED */
    WireObject error_about;
    char *error_name;
    const StreamHandlers *handlers;
    bool is_queued;
    Stream *next_queued;
};

/* A stream without descriptors. */
void stream_init(Stream *stream, const StreamHandlers *handlers);
/* Takes the agent's end of a channel. 0 or -errno; `fd` is closed on failure. */
int stream_add(Stream *stream, WireChannel channel, int fd);
void stream_clear(Stream *stream);

/* The host listens under this number, with fresh windows. STARTED is not sent yet. */
void stream_attach(Stream *stream, uint32_t number);
/* Nobody listens any more; what the host sent and the process has not taken is lost. */
void stream_detach(Stream *stream);
/* Nobody ever will: what comes is thrown away. */
void stream_drain(Stream *stream);

void stream_started(Stream *stream, uint32_t pid);
/* Ends the stream with ERROR. */
void stream_failed(Stream *stream, int error, WireObject about, const char *name);
void stream_exited(Stream *stream, const StreamExit *how);

/* What the host sends. -EPROTO when it may not. */
int stream_data(Stream *stream, WireChannel channel, const uint8_t *data, size_t size);
int stream_eof(Stream *stream, WireChannel channel);
int stream_credit(Stream *stream, WireChannel channel, uint32_t bytes);
/* Of its terminal, if it has one. */
void stream_resize(Stream *stream, uint32_t columns, uint32_t rows);

/* Has any stream something to do that the port has room for? */
bool streams_have_work(void);
/* Gives the stream that waited longest its turn. */
void streams_turn(void);
