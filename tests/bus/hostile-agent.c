/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hostile-agent: an agent that behaves correctly until a process is to be started, and then does
 * what its argv[0] says. The table at the end of this file has the names.
 *
 * It accepts claims and quiesces, so that its machine becomes a sandbox. As "timekeeper" it is not
 * hostile: whenever its clock is to be set, it writes a line with its sandbox and the time to the
 * FIFO "clocks" beside its link.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-port.h"
#include "vm-fake.h"

#define FD 3

static bool starts; /* the claim was a real one, not a rehearsal */
static const char *path;
static char id[65]; /* of the sandbox */

static bool
is_called(const char *name)
{
    return strcmp(program_invocation_short_name, name) == 0;
}

/* --- actions in place of starting a process --- */

static void
send_started(uint32_t stream)
{
    port_send_numbers(stream, WIRE_STARTED, 0, (const uint32_t[]){7}, 1);
}

static void
be_silent(uint32_t stream)
{
    send_started(stream);
    for (;;)
        pause();
}

static void
flood(uint32_t stream)
{
    static const uint8_t zeros[WIRE_DATA_MAX];
    const uint8_t *payload;
    WireHeader header;

    send_started(stream);
    for (;;) { /* regardless of the credit that it gets */
        port_send_frame(stream, WIRE_DATA, WIRE_STDOUT, zeros, sizeof zeros);
        while (port_next(0, &header, &payload) > 0)
            ;
    }
}

static void
send_garbage(uint32_t stream)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 12345678901234567890\r\n\r\n";

    port_send_bytes(text, sizeof text);
}

static void
send_unknown_type(uint32_t stream)
{
    port_send_frame(stream, 99, 0, "", 0);
}

static void
send_unmarked_frame(uint32_t stream)
{
    uint8_t frame[WIRE_HEADER_SIZE + 1] = {0};

    wire_header_put(frame, &(WireHeader){0, stream, WIRE_EOF, 1});
    port_send_bytes(frame, sizeof frame); /* without WIRE_END after it */
}

static void
send_to_nobody(uint32_t stream)
{
    send_started(stream + 1000);
}

static void
send_credit_for_nothing(uint32_t stream)
{
    port_send_numbers(stream, WIRE_CREDIT, WIRE_STDIN, (const uint32_t[]){1}, 1);
}

static void
exit_with_odd_status(uint32_t stream)
{
    static const uint32_t numbers[8] = {WIRE_EXIT_STATUS, 256};

    send_started(stream);
    port_send_numbers(stream, WIRE_EXITED, 0, numbers, 8);
}

/* Not hostile: a machine without free memory. */
static void
exit_out_of_memory(uint32_t stream)
{
    static const uint32_t numbers[8] = {WIRE_EXIT_OUT_OF_MEMORY, 9};

    send_started(stream);
    port_send_numbers(stream, WIRE_EXITED, 0, numbers, 8);
}

static void
greet_again(uint32_t stream)
{
    port_send_hello(WIRE_VERSION, id);
}

static void
send_data_to_stdin(uint32_t stream)
{
    send_started(stream);
    port_send_frame(stream, WIRE_DATA, WIRE_STDIN, "x", 1);
}

static void
die(uint32_t stream)
{
    _exit(EXIT_FAILURE); /* the first process of a namespace cannot kill itself with a signal */
}

static void
shut_down(uint32_t stream)
{
    _exit(0);
}

static void
panic(uint32_t stream)
{
    _exit(FAKE_PANIC);
}

static void
hang_up(uint32_t stream)
{
    close(FD);
    for (;;)
        pause();
}

static const struct {
    const char *name;
    void (*start)(uint32_t stream);
} behaviours[] = {
    {"silent", be_silent},
    {"flood", flood},
    {"garbage", send_garbage},
    {"unknown-type", send_unknown_type},
    {"unmarked", send_unmarked_frame},
    {"to-nobody", send_to_nobody},
    {"credit", send_credit_for_nothing},
    {"odd-status", exit_with_odd_status},
    {"out-of-memory", exit_out_of_memory},
    {"greets-again", greet_again},
    {"stdin", send_data_to_stdin},
    {"dies", die},
    {"shuts-down", shut_down},
    {"panics", panic},
    {"hangs-up", hang_up},
};

/* --- requests of the host --- */

/* A process ends at once in a rehearsal, or if the agent has no action for it. */
static void
start(uint32_t stream)
{
    for (size_t i = 0; starts && i < sizeof behaviours / sizeof *behaviours; i++)
        if (is_called(behaviours[i].name)) {
            behaviours[i].start(stream);
            return;
        }
    send_started(stream);
    port_send_numbers(stream, WIRE_EXITED, 0, (const uint32_t[8]){WIRE_EXIT_STATUS}, 8);
}

static void
be_claimed(const WireHeader *header, const uint8_t *payload)
{
    WireReader reader;

    wire_reader_init(&reader, payload, header->length);
    char *claimed = wire_get_string(&reader, sizeof id - 1);
    if (claimed)
        strcpy(id, claimed);
    free(claimed);
    starts = *id; /* a rehearsal has no id */
}

/* An agent from before this frame exits because of it, as of any unknown frame. */
static void
tell_clock(const WireHeader *header, const uint8_t *payload)
{
    WireReader reader;
    char fifo[4096], line[128];

    if (!is_called("timekeeper"))
        exit(EXIT_FAILURE);
    wire_reader_init(&reader, payload, header->length);
    snprintf(line, sizeof line, "%s %llu\n", id, (unsigned long long)wire_get_u64(&reader));
    snprintf(fifo, sizeof fifo, "%.*sclocks", (int)(strrchr(path, '/') + 1 - path), path);
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        exit(EXIT_FAILURE);
    close(fd);
    port_send_frame(header->stream, WIRE_OK, 0, "", 0);
}

static void
handle(const WireHeader *header, const uint8_t *payload)
{
    switch (header->type) {
    case WIRE_PING:
        port_send_frame(header->stream, WIRE_PONG, 0, payload, header->length);
        break;
    case WIRE_CLAIM:
        if (is_called("refuses-claim")) {
            port_send_frame(header->stream, WIRE_STARTED, 0, "", 0);
            break;
        }
        be_claimed(header, payload);
        port_send_frame(header->stream, WIRE_OK, 0, "", 0);
        break;
    case WIRE_QUIESCE:
    case WIRE_TRUST:
    case WIRE_FREEZE:
    case WIRE_THAW:
        port_send_frame(header->stream, WIRE_OK, 0, "", 0);
        break;
    case WIRE_START:
        start(header->stream);
        break;
    case WIRE_CLOCK:
        tell_clock(header, payload);
        break;
    }
}

static uint32_t
version(void)
{
    if (is_called("newer"))
        return WIRE_VERSION + 1;
    if (is_called("too-old"))
        return WIRE_VERSION_OLDEST - 1;
    return is_called("old") ? WIRE_VERSION_OLDEST : WIRE_VERSION;
}

static void
greet(void)
{
    uint8_t greeting[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];

    port_find_preamble(greeting);
    while (is_called("reticent") && starts) { /* to each further instance of the service */
        port_send_bytes("", 1);
        port_find_preamble(greeting);
    }
    if (is_called("mute"))
        for (;;)
            pause();
    port_send_bytes(greeting, sizeof greeting);
    port_send_hello(version(), id);
}

int
main(int argc, char **argv)
{
    WireHeader header;
    const uint8_t *payload;

    path = argv[0];
    greet();
    for (;;)
        if (port_next(/* timeout_ms= */ -1, &header, &payload) > 0)
            handle(&header, payload);
        else
            greet(); /* for the next instance of the service */
}
