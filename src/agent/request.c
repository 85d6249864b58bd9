/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* request: a table with one row per type of frame. */
#include "request.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "claim.h"
#include "clock.h"
#include "freeze.h"
#include "process.h"
#include "quiesce.h"
#include "trust.h"

#define USER_MAX 256u
#define TAG_MAX (PATH_MAX + 256u)
#define PING_MAX 64u
#define STRINGS_MAX 65536u
#define TERMINAL_SIZE_MAX 65535u
#define TERMINAL_EXCLUDES                                                                          \
    (START_NO_STDIN | START_MERGE_STDERR | START_CONTROL | START_DISCARD_OUTPUT | START_BUILTIN)

typedef struct {
    uint32_t stream;
    WireChannel channel;
    const uint8_t *payload;
    size_t size;
} Frame;

/* --- a new connection --- */

static void
on_connected(const uint8_t *nonce)
{
    struct utsname kernel;
    WireWriter w;

    process_close_all();
    quiesce_forget();
    freeze_forget();

    memcpy(port_frame(), wire_magic, WIRE_MAGIC_SIZE);
    port_frame_done(WIRE_MAGIC_SIZE);
    memcpy(port_frame(), nonce, WIRE_NONCE_SIZE);
    port_frame_done(WIRE_NONCE_SIZE);

    uname(&kernel);
    wire_frame_begin(&w, port_frame(), PORT_ANSWER_MAX);
    wire_put_u32(&w, WIRE_VERSION);
    wire_put_string(&w, claim_id());
    wire_put_string(&w, kernel.release);
    port_frame_done(wire_frame_end(&w, 0, WIRE_HELLO, 0));
}

/* --- START and ATTACH --- */

static int
parse_start(const Frame *frame, StartRequest *request)
{
    WireReader r;

    wire_reader_init(&r, frame->payload, frame->size);
    request->flags = wire_get_u32(&r);
    request->timeout_ms = wire_get_u64(&r);
    request->user = wire_get_string(&r, USER_MAX);
    request->cwd = wire_get_string(&r, PATH_MAX);
    request->tag = wire_get_string(&r, TAG_MAX);
    request->columns = wire_get_u32(&r);
    request->rows = wire_get_u32(&r);
    request->argv = wire_get_strv(&r, STRINGS_MAX, WIRE_PAYLOAD_MAX);
    request->environment = wire_get_strv(&r, STRINGS_MAX, WIRE_PAYLOAD_MAX);
    return wire_reader_end(&r);
}

/* The name of the invalid field, or NULL. */
static const char *
find_fault(const StartRequest *request)
{
    bool has_tag = *request->tag != '\0';

    if (request->flags & ~(uint32_t)_START_FLAGS_ALL)
        return "flags";
    if (request->flags & START_TERMINAL && request->flags & TERMINAL_EXCLUDES)
        return "flags";
    if (request->columns > TERMINAL_SIZE_MAX || request->rows > TERMINAL_SIZE_MAX)
        return "terminal";
    if (has_tag != !!(request->flags & START_KEEP))
        return "tag";
    if (!request->argv[0] || !*request->argv[0])
        return "argv";
    for (char **entry = request->environment; *entry; entry++)
        if (**entry == '=' || !strchr(*entry, '='))
            return "environment";
    return NULL;
}

/* If the request names no user, the user is the claim's. Before the claim there is none. */
static int
choose_user(StartRequest *request)
{
    if (*request->user || !claim_user())
        return *request->user ? 0 : -ENOENT;
    free(request->user);
    request->user = strdup(claim_user());
    return request->user ? 0 : -ENOMEM;
}

static int
check_start(const Frame *frame, StartRequest *request)
{
    int r = parse_start(frame, request);
    const char *fault = r < 0 ? "start" : find_fault(request);

    if (fault) {
        port_send_error(frame->stream, r < 0 ? -r : EINVAL, WIRE_ABOUT_REQUEST, fault);
        return -EINVAL;
    }
    r = choose_user(request);
    if (r < 0)
        port_send_error(frame->stream, -r, r == -ENOENT ? WIRE_ABOUT_USER : WIRE_ABOUT_SYSTEM,
                        "user");
    return r;
}

/* Answers with ERROR if there is no room for one more stream. */
static bool
has_room(const Frame *frame)
{
    if (process_count_streams() < WIRE_STREAMS_MAX)
        return true;
    port_send_error(frame->stream, EMFILE, WIRE_ABOUT_SYSTEM, "streams");
    return false;
}

static int
on_start(const Frame *frame)
{
    StartRequest request = {.flags = 0};

    if (process_has_stream(frame->stream))
        return -EPROTO;
    if (!has_room(frame))
        return 0;
    if (check_start(frame, &request) < 0)
        start_request_free(&request);
    else
        process_start(frame->stream, &request, claim_environment());
    return 0;
}

static int
on_attach(const Frame *frame)
{
    WireReader reader;

    if (process_has_stream(frame->stream))
        return -EPROTO;
    if (!has_room(frame))
        return 0;
    wire_reader_init(&reader, frame->payload, frame->size);
    char *tag = wire_get_string(&reader, TAG_MAX);
    int r = wire_reader_end(&reader);
    if (r < 0)
        port_send_error(frame->stream, -r, WIRE_ABOUT_REQUEST, "attach");
    else {
        r = process_attach(frame->stream, tag);
        if (r < 0)
            port_send_error(frame->stream, -r, WIRE_ABOUT_TAG, tag);
    }
    free(tag);
    return 0;
}

/* --- streams --- */

/* Reads a payload that consists of one number. */
static int
get_number(const Frame *frame, uint32_t *ret)
{
    WireReader r;

    wire_reader_init(&r, frame->payload, frame->size);
    *ret = wire_get_u32(&r);
    return wire_reader_end(&r);
}

static int
on_data(const Frame *frame)
{
    return process_data(frame->stream, frame->channel, frame->payload, frame->size);
}

static int
on_eof(const Frame *frame)
{
    return frame->size > 0 ? -EPROTO : process_eof(frame->stream, frame->channel);
}

static int
on_credit(const Frame *frame)
{
    uint32_t bytes = 0;
    int r = get_number(frame, &bytes);
    return r < 0 ? r : process_credit(frame->stream, frame->channel, bytes);
}

static int
on_signal(const Frame *frame)
{
    uint32_t number = 0;
    int r = get_number(frame, &number);
    if (r < 0 || number == 0 || number > (uint32_t)SIGRTMAX)
        return -EPROTO;
    process_signal(frame->stream, (int)number);
    return 0;
}

static int
on_resize(const Frame *frame)
{
    WireReader r;

    wire_reader_init(&r, frame->payload, frame->size);
    uint32_t columns = wire_get_u32(&r), rows = wire_get_u32(&r);
    if (wire_reader_end(&r) < 0 || columns > TERMINAL_SIZE_MAX || rows > TERMINAL_SIZE_MAX)
        return -EPROTO;
    process_resize(frame->stream, columns, rows);
    return 0;
}

static int
on_kill(const Frame *frame)
{
    if (frame->size > 0)
        return -EPROTO;
    process_kill(frame->stream);
    return 0;
}

static int
on_close(const Frame *frame)
{
    if (frame->size > 0)
        return -EPROTO;
    process_close(frame->stream);
    return 0;
}

/* --- the machine --- */

static int
on_claim(const Frame *frame)
{
    claim_make(frame->stream, frame->payload, frame->size);
    return 0;
}

static int
on_ping(const Frame *frame)
{
    if (frame->size > PING_MAX)
        return -EPROTO;

    WireHeader header = {
        .length = (uint32_t)frame->size,
        .stream = frame->stream,
        .type = WIRE_PONG,
    };
    uint8_t *out = port_frame();
    wire_header_put(out, &header);
    memcpy(out + WIRE_HEADER_SIZE, frame->payload, frame->size);
    out[WIRE_HEADER_SIZE + frame->size] = WIRE_END;
    port_frame_done((ptrdiff_t)(WIRE_HEADER_SIZE + frame->size + 1));
    return 0;
}

static int
on_quiesce(const Frame *frame)
{
    if (frame->size > 0)
        return -EPROTO;
    quiesce_start(frame->stream);
    return 0;
}

static int
on_clock(const Frame *frame)
{
    WireReader reader;

    wire_reader_init(&reader, frame->payload, frame->size);
    uint64_t realtime_ns = wire_get_u64(&reader);
    int r = wire_reader_end(&reader);
    if (r == 0)
        r = clock_follow(realtime_ns);
    if (r < 0)
        port_send_error(frame->stream, -r, WIRE_ABOUT_REQUEST, "clock");
    else
        port_send(frame->stream, WIRE_OK, 0);
    return 0;
}

static int
on_trust(const Frame *frame)
{
    WireReader reader;
    size_t size = 0;

    wire_reader_init(&reader, frame->payload, frame->size);
    const uint8_t *pem = wire_get_bytes(&reader, &size);
    int r = wire_reader_end(&reader);
    if (r < 0)
        port_send_error(frame->stream, -r, WIRE_ABOUT_REQUEST, "certificates");
    else if ((r = trust_set(pem, size)) < 0)
        port_send_error(frame->stream, -r, r == -EINVAL ? WIRE_ABOUT_REQUEST : WIRE_ABOUT_SYSTEM,
                        "certificates");
    else
        port_send(frame->stream, WIRE_OK, 0);
    return 0;
}

static int
on_freeze(const Frame *frame)
{
    if (frame->size > 0)
        return -EPROTO;
    freeze_start(frame->stream);
    return 0;
}

static int
on_thaw(const Frame *frame)
{
    WireReader reader;

    wire_reader_init(&reader, frame->payload, frame->size);
    uint64_t realtime_ns = wire_get_u64(&reader);
    int r = wire_reader_end(&reader);
    if (r == 0)
        r = freeze_thaw(realtime_ns);
    if (r < 0)
        port_send_error(frame->stream, -r, WIRE_ABOUT_REQUEST, "clock");
    else
        port_send(frame->stream, WIRE_OK, 0);
    return 0;
}

static int (*const handlers[])(const Frame *frame) = {
    [WIRE_DATA] = on_data,     [WIRE_EOF] = on_eof,         [WIRE_CREDIT] = on_credit,
    [WIRE_CLAIM] = on_claim,   [WIRE_START] = on_start,     [WIRE_ATTACH] = on_attach,
    [WIRE_SIGNAL] = on_signal, [WIRE_KILL] = on_kill,       [WIRE_CLOSE] = on_close,
    [WIRE_PING] = on_ping,     [WIRE_QUIESCE] = on_quiesce, [WIRE_RESIZE] = on_resize,
    [WIRE_CLOCK] = on_clock,   [WIRE_TRUST] = on_trust,     [WIRE_FREEZE] = on_freeze,
    [WIRE_THAW] = on_thaw,
};

static int
on_frame(const WireHeader *header, const uint8_t *payload)
{
    Frame frame = {header->stream, header->channel, payload, header->length};

    if (header->type >= sizeof handlers / sizeof *handlers || !handlers[header->type])
        return -EPROTO;
    return handlers[header->type](&frame);
}

const PortHandlers request_handlers = {.connected = on_connected, .frame = on_frame};
