/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream-input: one buffer per channel.
 *
 * It is not an error if a process does not read its input any more (EPIPE, or it never had the
 * descriptor): the bytes are dropped, and the window is returned to the host as if they had been
 * read.
 */
#include "stream-input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE_MIN 4096u

static bool
is_control(const StreamChannel *channel)
{
    return channel == &channel->stream->channels[WIRE_CONTROL];
}

static bool
takes_input(const StreamChannel *channel)
{
    return channel->source.fd >= 0;
}

/* The process does not read from now on. It may still write to the control channel. */
static void
stop_writing(StreamChannel *channel)
{
    if (is_control(channel))
        shutdown(channel->source.fd, SHUT_WR);
    else
        source_close(&channel->source);
}

static void
release_buffer(ChannelInput *input)
{
    free(input->data);
    input->data = NULL;
    input->begin = input->end = input->size = 0;
}

static void
stop_taking(StreamChannel *channel)
{
    source_close(&channel->source);
    channel->input.refused = true;
}

/* Writes as much as possible; drops all bytes if the process does not read. Returns how many are
 * done.
 */
static size_t
write_some(StreamChannel *channel, const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size && takes_input(channel)) {
        ssize_t n = write(channel->source.fd, data + done, size - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            return done;
        else if (errno != EINTR) {
            if (!is_control(channel))
                stop_taking(channel);
            return size;
        }
    }
    return size;
}

/* Makes room for `size` more bytes at the end; the window bounds the size. */
static int
make_room(ChannelInput *input, size_t size)
{
    if (input->begin > 0) {
        memmove(input->data, input->data + input->begin, input->end - input->begin);
        input->end -= input->begin;
        input->begin = 0;
    }
    size_t wanted = input->size ? input->size : SIZE_MIN;
    while (wanted < input->end + size)
        wanted *= 2;
    if (wanted == input->size)
        return 0;

    uint8_t *data = realloc(input->data, wanted);
    if (!data)
        return -ENOMEM;
    input->data = data;
    input->size = wanted;
    return 0;
}

int
input_data(StreamChannel *channel, const uint8_t *data, size_t size)
{
    ChannelInput *input = &channel->input;

    if (input->eof || size > WIRE_WINDOW - input->held)
        return -EPROTO;
    input->held += (uint32_t)size;

    size_t done = input->end > input->begin ? 0 : write_some(channel, data, size);
    input->owed += (uint32_t)done;
    if (done == size)
        return 0;
    int r = make_room(input, size - done);
    if (r < 0)
        return r;
    memcpy(input->data + input->end, data + done, size - done);
    input->end += size - done;
    return 0;
}

void
input_write(StreamChannel *channel)
{
    ChannelInput *input = &channel->input;

    if (input->begin < input->end) {
        size_t done = write_some(channel, input->data + input->begin, input->end - input->begin);
        input->begin += done;
        input->owed += (uint32_t)done;
        if (input->begin < input->end)
            return;
        release_buffer(input);
    }
    if (input->eof && takes_input(channel))
        stop_writing(channel);
}

void
input_refused(StreamChannel *channel)
{
    if (takes_input(channel))
        stop_taking(channel);
    input_write(channel);
}

void
input_eof(StreamChannel *channel)
{
    channel->input.eof = true;
    input_write(channel);
}

uint32_t
input_take_owed(StreamChannel *channel)
{
    ChannelInput *input = &channel->input;

    /* While bytes wait, return larger amounts only. When none wait, return all of the window: the
     * host may need to know that the process has taken everything. */
    if (input->begin < input->end && input->owed < WIRE_WINDOW / 4)
        return 0;
    uint32_t owed = input->owed;
    input->held -= owed;
    input->owed = 0;
    return owed;
}

void
input_clear(StreamChannel *channel)
{
    /* The end of the input counts even if the bytes before it were dropped. */
    if (channel->input.eof && takes_input(channel))
        stop_writing(channel);
    release_buffer(&channel->input);
    channel->input = (ChannelInput){.held = 0};
}
