/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: the descriptors 0 to 3 of a process, and their windows.
 *
 * A process has one stream for its whole life. The stream has a number while the host is attached.
 * All streams send in turns, one frame each, so that none delays the others.
 *
 * There are two rules of order. Bytes that the process wrote to 1 and 2 before it wrote to 3 are
 * sent before those of 3: when 3 has bytes, the present content of the pipes becomes due first.
 * When the process ends, the present content of its pipes is sent before EXITED; later output of
 * its descendants is read and dropped, so that they do not get SIGPIPE.
 *
 * When a reader closes its end on one side, the writer on the other side is informed, as with a
 * pipe.
 */
#pragma once

#include <sys/types.h>

#include "loop.h"
#include "wire.h"

typedef struct ProcessStream ProcessStream;

/* Calls to the owner: the process must be ended; the stream has sent its last frame. */
typedef struct {
    void (*overrun)(ProcessStream *stream);
    void (*ended)(ProcessStream *stream);
} StreamHandlers;

/* From the process to the host. */
typedef struct {
    bool readable;   /* an event came, and no read has returned EAGAIN since */
    uint32_t credit; /* bytes of DATA that the host accepts */
    size_t due;      /* bytes that must be sent before later events */
} ChannelOutput;

/* From the host to the process. */
typedef struct {
    uint8_t *data;
    size_t begin, end, size;
    uint32_t held; /* bytes of the host's window that were not returned yet */
    uint32_t owed; /* the part of these that was passed on and can be returned */
    bool eof;
    bool refused; /* the process reads no more; the host was not informed yet */
} ChannelInput;

typedef struct {
    Source source; /* fd -1: the process has no such descriptor, or it was closed */
    ProcessStream *stream;
    ChannelOutput output;
    ChannelInput input;
} StreamChannel;

typedef struct {
    WireExit how;
    uint32_t status;
    uint64_t user_us, system_us, peak_rss_kib;
} StreamExit;

struct ProcessStream {
    uint32_t number; /* 0: the host is not attached */
    StreamChannel channels[_WIRE_CHANNELS];
    WireChannel last; /* the channel that sent last */
    uint32_t pid;     /* for STARTED */
    bool answer_due;  /* STARTED waits for a turn */
    bool is_open;     /* STARTED was sent: DATA may go out */
    bool has_exited;
    bool exit_is_told; /* EXITED or REAPED was sent */
    bool is_draining;  /* its output is dropped for ever */
    bool is_terminal;  /* its channels 0 and 1 are two descriptors of a terminal's master */
    StreamExit exit;
    int error; /* sent instead of STARTED */
    WireObject error_about;
    char *error_name;
    const StreamHandlers *handlers;
    bool is_queued;
    ProcessStream *next_queued;
};

/* Initializes a stream without descriptors. */
void stream_init(ProcessStream *stream, const StreamHandlers *handlers);
/* Adds a channel, and takes ownership of the agent's end. 0 or -errno; on failure `fd` is closed.
 */
int stream_add(ProcessStream *stream, WireChannel channel, int fd);
void stream_clear(ProcessStream *stream);

/* Attaches the host under this number, with full windows. STARTED is not sent yet. */
void stream_attach(ProcessStream *stream, uint32_t number);
/* Detaches the host. Input that the process has not read is dropped. */
void stream_detach(ProcessStream *stream);
/* No host will attach again: output is dropped. */
void stream_drain(ProcessStream *stream);

void stream_started(ProcessStream *stream, uint32_t pid);
/* Ends the stream with ERROR. */
void stream_failed(ProcessStream *stream, int error, WireObject about, const char *name);
void stream_exited(ProcessStream *stream, const StreamExit *how);

/* Frames of the host. -EPROTO if they violate the protocol. */
int stream_data(ProcessStream *stream, WireChannel channel, const uint8_t *data, size_t size);
int stream_eof(ProcessStream *stream, WireChannel channel);
int stream_credit(ProcessStream *stream, WireChannel channel, uint32_t bytes);
/* Sets the size of the terminal, if the stream has one. */
void stream_resize(ProcessStream *stream, uint32_t columns, uint32_t rows);

/* Whether a stream has work for which the port has room. */
bool streams_have_work(void);
/* Gives a turn to the stream that waited longest. */
void streams_turn(void);
