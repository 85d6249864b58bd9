/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * input: one buffer per channel.
 *
 * A process that does not take its input any more (EPIPE, or a descriptor that it never had) is no
 * error: what comes is dropped, and the host gets its window back as if it had been taken.
 */
#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE_MIN 4096u

static bool
is_control(const Channel *channel)
{
    return channel == &channel->stream->channels[WIRE_CONTROL];
}

static bool
takes_input(const Channel *channel)
{
    return channel->source.fd >= 0;
}

/* Nobody takes what is written from now on. The control channel may still be read. */
static void
stop_writing(Channel *channel)
{
    if (is_control(channel))
        shutdown(channel->source.fd, SHUT_WR);
    else
        source_close(&channel->source);
}

static void
release_buffer(Input *input)
{
    free(input->data);
    input->data = NULL;
    input->begin = input->end = input->size = 0;
}

static void
stop_taking(Channel *channel)
{
    source_close(&channel->source);
    channel->input.refused = true;
}

/* Writes what is possible; all of it when nobody takes it. Returns how much is dealt with. */
static size_t
write_some(Channel *channel, const uint8_t *data, size_t size)
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

/* Room for `size` more bytes at the end; the window bounds it. */
static int
make_room(Input *input, size_t size)
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
input_data(Channel *channel, const uint8_t *data, size_t size)
{
    Input *input = &channel->input;

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
input_write(Channel *channel)
{
    Input *input = &channel->input;

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
input_refused(Channel *channel)
{
    if (takes_input(channel))
        stop_taking(channel);
    input_write(channel);
}

void
input_eof(Channel *channel)
{
    channel->input.eof = true;
    input_write(channel);
}

uint32_t
input_take_owed(Channel *channel)
{
    Input *input = &channel->input;

    /* Not for every few bytes while more wait; but all of it when all is passed on, because the
     * host may want to know that. */
    if (input->begin < input->end && input->owed < WIRE_WINDOW / 4)
        return 0;
    uint32_t owed = input->owed;
    input->held -= owed;
    input->owed = 0;
    return owed;
}

void
input_clear(Channel *channel)
{
    /* An end that waited for what is now lost is an end all the same. */
    if (channel->input.eof && takes_input(channel))
        stop_writing(channel);
    release_buffer(&channel->input);
    channel->input = (Input){.held = 0};
}
