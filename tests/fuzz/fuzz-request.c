/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-request: the agent's parsers of frames survive any payload, and what they pass on is whole.
 *
 * The first byte of the input is the frame's type, the second its channel. The functions that act
 * on a request are replaced by checks of what they are given.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "claim-request.h"
#include "claim.h"
#include "clock.h"
#include "freeze.h"
#include "process.h"
#include "quiesce.h"
#include "request.h"
#include "trust.h"

#define STREAM 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t frame[PORT_TURN_MAX];
static unsigned answers;

static void
require(bool is_true)
{
    if (!is_true)
        abort();
}

/* --- in place of the rest of the agent --- */

uint8_t *
port_frame(void)
{
    return frame;
}

void
port_frame_done(ptrdiff_t size)
{
    require(size > 0 && (size_t)size <= PORT_ANSWER_MAX);
    answers++;
}

void
port_send(uint32_t stream, WireType type, WireChannel channel)
{
    require(stream == STREAM);
    answers++;
}

void
port_send_error(uint32_t stream, int error, WireObject about, const char *name)
{
    require(stream == STREAM && error > 0 && about < _WIRE_ABOUT_MAX && name);
    answers++;
}

const char *
claim_id(void)
{
    return "";
}

const char *
claim_user(void)
{
    return "user";
}

char *const *
claim_environment(void)
{
    return NULL;
}

void
claim_make(uint32_t stream, const uint8_t *payload, size_t size)
{
    ClaimRequest claim = {.id = NULL};

    if (claim_request_parse(&claim, payload, size) == 0 && !claim_request_find_fault(&claim)) {
        require(strlen(claim.id) <= 64 && *claim.hostname && strlen(claim.hostname) <= 63);
        require(claim.machine_id_size == CLAIM_MACHINE_ID_SIZE);
        require(claim.entropy_size <= CLAIM_ENTROPY_MAX && claim.user && claim.environment);
    }
    claim_request_clear(&claim);
    answers++;
}

int
clock_follow(uint64_t realtime_ns)
{
    return realtime_ns % 2 == 0 ? 0 : -EPERM;
}

void
quiesce_start(uint32_t stream)
{
    answers++;
}

void
freeze_start(uint32_t stream)
{
    require(stream == STREAM);
    answers++;
}

int
freeze_thaw(uint64_t realtime_ns)
{
    return realtime_ns % 2 == 0 ? 0 : -EPERM;
}

void
freeze_forget(void)
{
}

int
trust_set(const uint8_t *pem, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* a sanitizer sees each byte beyond the payload */

    require(size <= WIRE_PAYLOAD_MAX && copy);
    memcpy(copy, pem, size);
    free(copy);
    return size > WIRE_CERTIFICATES_MAX ? -EINVAL : 0;
}

void
quiesce_forget(void)
{
}

void
start_request_free(StartRequest *request)
{
    free(request->user);
    free(request->cwd);
    free(request->tag);
    wire_strv_free(request->argv);
    wire_strv_free(request->environment);
    *request = (StartRequest){.flags = 0};
}

void
process_start(uint32_t stream, StartRequest *request, char *const *environment)
{
    require(*request->user && request->cwd && *request->argv[0] && request->environment);
    require(!!*request->tag == !!(request->flags & START_KEEP));
    start_request_free(request);
    answers++;
}

int
process_attach(uint32_t stream, const char *tag)
{
    return *tag == 'a' ? 0 : -ENOENT;
}

bool
process_has_stream(uint32_t stream)
{
    return false;
}

unsigned
process_count_streams(void)
{
    return 0;
}

int
process_data(uint32_t stream, WireChannel channel, const uint8_t *data, size_t size)
{
    return size > 0 && data[0] > 127 ? -EPROTO : 0;
}

int
process_eof(uint32_t stream, WireChannel channel)
{
    return 0;
}

int
process_credit(uint32_t stream, WireChannel channel, uint32_t bytes)
{
    return 0;
}

void
process_signal(uint32_t stream, int signal_number)
{
    require(signal_number > 0 && signal_number <= 64);
}

void
process_kill(uint32_t stream)
{
}

void
process_resize(uint32_t stream, uint32_t columns, uint32_t rows)
{
    require(columns <= 65535 && rows <= 65535);
}

void
process_close(uint32_t stream)
{
}

void
process_close_all(void)
{
}

/* --- the target --- */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size - 2 > WIRE_PAYLOAD_MAX)
        return 0;
    WireHeader header = {
        .length = (uint32_t)(size - 2),
        .stream = STREAM,
        .type = data[0],
        .channel = data[1] % _WIRE_CHANNELS,
    };
    answers = 0;
    request_handlers.frame(&header, data + 2);
    require(answers <= 1);
    return 0;
}
