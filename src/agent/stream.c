/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream: turns, windows, and the order of output.
 *
 * FIONREAD is called for the control socket first and then for the pipes. So all bytes that a
 * process wrote to a pipe before its control bytes are counted.
 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-port.h"
#include "stream-input.h"

static ProcessStream *queue_first, *queue_last;

static void
enqueue(ProcessStream *stream)
{
    if (stream->is_queued)
        return;
    stream->is_queued = true;
    stream->next_queued = NULL;
    if (queue_last)
        queue_last->next_queued = stream;
    else
        queue_first = stream;
    queue_last = stream;
}

static void
dequeue(ProcessStream *stream)
{
    ProcessStream *before = NULL, *s = queue_first;

    if (!stream->is_queued)
        return;
    for (; s != stream; s = s->next_queued)
        before = s;
    if (before)
        before->next_queued = stream->next_queued;
    else
        queue_first = stream->next_queued;
    if (queue_last == stream)
        queue_last = before;
    stream->is_queued = false;
}

static void
on_channel_ready(Source *source, uint32_t events)
{
    StreamChannel *channel = CONTAINER_OF(source, StreamChannel, source);

    channel->output.readable = true;
    if (channel == &channel->stream->channels[WIRE_STDIN] && events & EPOLLERR)
        input_refused(channel);
    else if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) && channel->input.begin < channel->input.end)
        input_write(channel);
    enqueue(channel->stream);
}

void
stream_init(ProcessStream *stream, const StreamHandlers *handlers)
{
    *stream = (ProcessStream){.handlers = handlers};
    for (int i = 0; i < _WIRE_CHANNELS; i++) {
        stream->channels[i].source.fd = -1;
        stream->channels[i].stream = stream;
    }
}

int
stream_add(ProcessStream *stream, WireChannel channel, int fd)
{
    static const uint32_t events[] = {
        [WIRE_STDIN] = EPOLLOUT,
        [WIRE_STDOUT] = EPOLLIN,
        [WIRE_STDERR] = EPOLLIN,
        [WIRE_CONTROL] = EPOLLIN | EPOLLOUT,
    };
    return source_open(&stream->channels[channel].source, fd, events[channel], on_channel_ready);
}

void
stream_clear(ProcessStream *stream)
{
    stream_detach(stream);
    for (int i = 0; i < _WIRE_CHANNELS; i++)
        source_close(&stream->channels[i].source);
    dequeue(stream);
}

void
stream_attach(ProcessStream *stream, uint32_t number)
{
    stream->number = number;
    for (int i = 0; i < _WIRE_CHANNELS; i++) {
        StreamChannel *channel = &stream->channels[i];
        channel->output = (ChannelOutput){.readable = true, .credit = WIRE_WINDOW};
    }
    enqueue(stream);
}

void
stream_detach(ProcessStream *stream)
{
    stream->number = 0;
    stream->is_open = stream->answer_due = false;
    free(stream->error_name);
    stream->error_name = NULL;
    for (int i = 0; i < _WIRE_CHANNELS; i++)
        input_clear(&stream->channels[i]);
}

void
stream_drain(ProcessStream *stream)
{
    source_close(&stream->channels[WIRE_STDIN].source);
    stream->is_draining = true;
    for (int i = 0; i < _WIRE_CHANNELS; i++)
        stream->channels[i].output.readable = true;
    enqueue(stream);
}

void
stream_started(ProcessStream *stream, uint32_t pid)
{
    stream->pid = pid;
    stream->answer_due = true;
    enqueue(stream);
}

void
stream_failed(ProcessStream *stream, int error, WireObject about, const char *name)
{
    stream->error = error;
    stream->error_about = about;
    stream->error_name = strdup(name);
    stream->answer_due = true;
    enqueue(stream);
}

/* --- order --- */

/* The bytes that can be read now. A terminal does not report them. */
static size_t
bytes_in(const ProcessStream *stream, WireChannel channel)
{
    if (stream->is_terminal)
        return channel == WIRE_STDOUT && stream->channels[channel].source.fd >= 0 ? SIZE_MAX : 0;
    int n = 0;
    int fd = stream->channels[channel].source.fd;
    return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* Marks the present content as due: first the pipes, then the control bytes. */
static void
note_what_is_due(ProcessStream *stream)
{
    stream->channels[WIRE_CONTROL].output.due = bytes_in(stream, WIRE_CONTROL);
    stream->channels[WIRE_STDOUT].output.due = bytes_in(stream, WIRE_STDOUT);
    stream->channels[WIRE_STDERR].output.due = bytes_in(stream, WIRE_STDERR);
}

static bool
is_due(const ProcessStream *stream, WireChannel channel)
{
    return stream->channels[channel].output.due > 0;
}

void
stream_exited(ProcessStream *stream, const StreamExit *how)
{
    note_what_is_due(stream);
    /* Only a read shows whether a terminal is empty, and there may be no further event. */
    if (stream->is_terminal)
        stream->channels[WIRE_STDOUT].output.readable = true;
    stream->exit = *how;
    stream->has_exited = true;
    enqueue(stream);
}

/* --- frames of the host --- */

static bool
is_input(WireChannel channel)
{
    return channel == WIRE_STDIN || channel == WIRE_CONTROL;
}

int
stream_data(ProcessStream *stream, WireChannel channel, const uint8_t *data, size_t size)
{
    if (!is_input(channel) || size > WIRE_DATA_MAX)
        return -EPROTO;
    int r = input_data(&stream->channels[channel], data, size);
    if (r == -ENOMEM) {
        stream->handlers->overrun(stream);
        return 0;
    }
    enqueue(stream);
    return r;
}

/* The host closed this output, so its writer gets SIGPIPE or a hang-up. */
static void
stop_reading(ProcessStream *stream, WireChannel index)
{
    StreamChannel *channel = &stream->channels[index];

    source_close(&channel->source);
    channel->output.due = 0;
    if (stream->is_terminal)
        source_close(&stream->channels[WIRE_STDIN].source);
    enqueue(stream);
}

int
stream_eof(ProcessStream *stream, WireChannel channel)
{
    if (!is_input(channel)) {
        stop_reading(stream, channel);
        return 0;
    }
    input_eof(&stream->channels[channel]);
    enqueue(stream);
    return 0;
}

int
stream_credit(ProcessStream *stream, WireChannel channel, uint32_t bytes)
{
    ChannelOutput *output = &stream->channels[channel].output;
    if (channel == WIRE_STDIN || bytes > WIRE_WINDOW - output->credit)
        return -EPROTO;
    output->credit += bytes;
    enqueue(stream);
    return 0;
}

void
stream_resize(ProcessStream *stream, uint32_t columns, uint32_t rows)
{
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};

    if (stream->is_terminal)
        ioctl(stream->channels[WIRE_STDOUT].source.fd, TIOCSWINSZ, &size);
}

/* --- turns: each function returns whether it did work --- */

static bool
send_answer(ProcessStream *stream)
{
    uint32_t number = stream->number;

    stream->answer_due = false;
    if (stream->error != 0) {
        const char *name = stream->error_name ? stream->error_name : "";
        port_send_error(number, stream->error, stream->error_about, name);
        stream_detach(stream);
        stream->handlers->ended(stream);
        return false;
    }
    WireWriter w;
    wire_frame_begin(&w, port_frame(), PORT_ANSWER_MAX);
    wire_put_u32(&w, stream->pid);
    port_frame_done(wire_frame_end(&w, number, WIRE_STARTED, 0));
    stream->is_open = true;
    return true;
}

static bool
send_credit(ProcessStream *stream, WireChannel channel)
{
    uint32_t owed = input_take_owed(&stream->channels[channel]);
    if (owed == 0)
        return false;

    WireWriter w;
    wire_frame_begin(&w, port_frame(), PORT_ANSWER_MAX);
    wire_put_u32(&w, owed);
    port_frame_done(wire_frame_end(&w, stream->number, WIRE_CREDIT, channel));
    return true;
}

static bool
send_refusal(ProcessStream *stream)
{
    ChannelInput *input = &stream->channels[WIRE_STDIN].input;

    if (!input->refused)
        return false;
    input->refused = false;
    port_send(stream->number, WIRE_EOF, WIRE_STDIN);
    return true;
}

static void
send_exit(ProcessStream *stream, WireType type)
{
    WireWriter w;
    wire_frame_begin(&w, port_frame(), PORT_ANSWER_MAX);
    wire_put_u32(&w, stream->exit.how);
    wire_put_u32(&w, stream->exit.status);
    wire_put_u64(&w, stream->exit.user_us);
    wire_put_u64(&w, stream->exit.system_us);
    wire_put_u64(&w, stream->exit.peak_rss_kib);
    port_frame_done(wire_frame_end(&w, stream->number, type, 0));
    stream->exit_is_told = true;
}

static void
send_exited(ProcessStream *stream)
{
    send_exit(stream, WIRE_EXITED);
    stream_detach(stream);
    stream->handlers->ended(stream);
}

/* The output has ended. A control channel may still be written. */
static void
output_ended(ProcessStream *stream, WireChannel index)
{
    StreamChannel *channel = &stream->channels[index];

    channel->output.readable = false;
    channel->output.due = 0;
    if (index != WIRE_CONTROL)
        source_close(&channel->source);
    if (!stream->is_draining)
        port_send(stream->number, WIRE_EOF, index);
}

/* Reads at most `max` bytes directly into a frame. */
static bool
send_data(ProcessStream *stream, WireChannel index, size_t max)
{
    StreamChannel *channel = &stream->channels[index];
    ChannelOutput *output = &channel->output;
    uint8_t *frame = port_frame();

    if (max > WIRE_DATA_MAX)
        max = WIRE_DATA_MAX;
    ssize_t n = read(channel->source.fd, frame + WIRE_HEADER_SIZE, max);
    if (n < 0 && errno == EIO) { /* the last process has closed the terminal */
        output_ended(stream, index);
        return true;
    }
    if (n < 0) {
        output->readable = errno == EINTR;
        output->due = 0;
        return output->readable;
    }
    if (n == 0) {
        output_ended(stream, index);
        return true;
    }
    output->due -= output->due < (size_t)n ? output->due : (size_t)n;
    if (stream->is_draining)
        return true;

    WireHeader header = {
        .length = (uint32_t)n,
        .stream = stream->number,
        .type = WIRE_DATA,
        .channel = (uint8_t)index,
    };
    wire_header_put(frame, &header);
    frame[WIRE_HEADER_SIZE + n] = WIRE_END;
    port_frame_done(WIRE_HEADER_SIZE + n + 1);
    output->credit -= (uint32_t)n;
    return true;
}

/* Sends as many of the due bytes as the host accepts. */
static bool
send_due(ProcessStream *stream, WireChannel index)
{
    const ChannelOutput *output = &stream->channels[index].output;
    return send_data(stream, index, output->due < output->credit ? output->due : output->credit);
}

/* Whether the control channel has reached its end. Peeks only: bytes that arrived after the pipes
 * were checked must not be read yet. */
static bool
look_at_control(ProcessStream *stream)
{
    char byte;
    ssize_t n = recv(stream->channels[WIRE_CONTROL].source.fd, &byte, 1, MSG_PEEK);

    if (n == 0)
        output_ended(stream, WIRE_CONTROL);
    else if (n < 0)
        stream->channels[WIRE_CONTROL].output.readable = false;
    return n >= 0;
}

static bool
control_turn(ProcessStream *stream)
{
    if (!is_due(stream, WIRE_CONTROL)) {
        if (stream->has_exited)
            return false;
        if (bytes_in(stream, WIRE_CONTROL) == 0)
            return look_at_control(stream);
        note_what_is_due(stream);
    }
    if (is_due(stream, WIRE_STDOUT) || is_due(stream, WIRE_STDERR))
        return false;
    return send_due(stream, WIRE_CONTROL);
}

static bool
channel_turn(ProcessStream *stream, WireChannel index)
{
    StreamChannel *channel = &stream->channels[index];
    ChannelOutput *output = &channel->output;

    if (channel->source.fd < 0 || !output->readable)
        return false;
    if (stream->is_draining)
        return send_data(stream, index, WIRE_DATA_MAX);
    if (output->credit == 0)
        return false;
    if (index == WIRE_CONTROL)
        return control_turn(stream);
    if (stream->has_exited)
        return output->due > 0 && send_due(stream, index);
    return send_data(stream, index, output->credit);
}

/* The channels take turns as well, beginning after the one that sent last. */
static bool
outputs_turn(ProcessStream *stream)
{
    for (int i = 1; i <= _WIRE_CHANNELS; i++) {
        WireChannel index = (stream->last + i) % _WIRE_CHANNELS;
        if (index != WIRE_STDIN && channel_turn(stream, index)) {
            stream->last = index;
            return true;
        }
    }
    return false;
}

static bool
all_due_is_sent(const ProcessStream *stream)
{
    return !is_due(stream, WIRE_STDOUT) && !is_due(stream, WIRE_STDERR) &&
           !is_due(stream, WIRE_CONTROL);
}

static bool
stream_turn(ProcessStream *stream)
{
    if (stream->is_draining)
        return outputs_turn(stream);
    if (stream->number == 0)
        return false;
    if (stream->answer_due)
        return send_answer(stream);
    if (!stream->is_open)
        return false;
    if (send_credit(stream, WIRE_STDIN) || send_credit(stream, WIRE_CONTROL) ||
        send_refusal(stream) || outputs_turn(stream))
        return true;
    if (stream->has_exited && all_due_is_sent(stream))
        send_exited(stream);
    else if (stream->has_exited && !stream->exit_is_told)
        send_exit(stream, WIRE_REAPED);
    return false;
}

bool
streams_have_work(void)
{
    return queue_first && port_has_room();
}

void
streams_turn(void)
{
    ProcessStream *stream = queue_first;

    dequeue(stream);
    if (stream_turn(stream))
        enqueue(stream);
}
