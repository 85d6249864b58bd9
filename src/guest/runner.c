/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner: frames of the runner protocol in both directions.
 *
 * Fields are those of wire.h (b, s and v). Strings must also be UTF-8, because they are passed to
 * D-Bus without a conversion.
 */
#include "runner.h"

#include "error.h"
#include "wire.h"

#include <string.h>

#define HEADER_SIZE 12u
/* When so many bytes were taken out, the remaining ones are moved to the front. */
#define COMPACT_AT (64u * 1024)

enum {
    REQUEST_RESEED = 1,
    REQUEST_EXECUTE,
    REQUEST_SYNC,
};

enum {
    RESULT_MAIN = 1 << 0,
    RESULT_UPDATE = 1 << 1,
    RESULT_CUT = 1 << 2,
    RESULT_ALL = RESULT_MAIN | RESULT_UPDATE | RESULT_CUT,
};

enum {
    CLEAR_WAIT = 1 << 0,
};

/* The first character of a check's dialect. */
#define CHECK_MARK "?"

/* Ends a request that a runner may be reading. */
static const guint8 sync_mark[16] = {255, 254, 254, 254, 254, 254, 254, 254,
                                     254, 254, 254, 254, 254, 254, 254, 254};

struct RunnerParser {
    GByteArray *input;
    gsize used; /* of `input`: taken out already */
    gboolean is_ready;
    guint32 execution; /* whose messages are being read; 0: of none */
    gboolean has_error, has_completeness;
    GError *broken;
    GBytes *answer; /* the frame that ends the synchronization; NULL: none is expected */
};

typedef struct {
    guint32 length;
    guint32 execution;
    guint8 type;
} Header;

/* --- messages --- */

static void
free_result(RunnerMessage *message)
{
    for (guint i = 0; i < message->result.n_saved; i++) {
        g_free(message->result.saved[i].mime_type);
        g_free(message->result.saved[i].path);
    }
    g_free(message->result.saved);
    g_free(message->result.display_id);
    for (guint i = 0; i < message->result.n_parts; i++) {
        g_free(message->result.parts[i].mime_type);
        g_clear_pointer(&message->result.parts[i].data, g_bytes_unref);
    }
    g_free(message->result.parts);
}

void
runner_message_free(RunnerMessage *message)
{
    if (!message)
        return;
    switch (message->type) {
    case RUNNER_READY:
        g_free(message->ready.language);
        g_free(message->ready.version);
        break;
    case RUNNER_RESULT:
        free_result(message);
        break;
    case RUNNER_ERROR:
        g_free(message->error.name);
        g_free(message->error.value);
        g_free(message->error.traceback);
        break;
    case RUNNER_COMPLETENESS:
        g_free(message->completeness.indent);
        break;
    case RUNNER_DONE:
    case RUNNER_SYNCED:
    case RUNNER_CLEAR:
        break;
    }
    g_free(message);
}

/* --- fields --- */

/* A new string of UTF-8 without NUL. NULL: the reader has failed. */
static char *
get_text(WireReader *r, gsize max)
{
    size_t size = 0;
    const uint8_t *bytes = wire_get_bytes(r, &size);

    if (!bytes || size > max || !g_utf8_validate_len((const char *)bytes, size, NULL)) {
        r->failed = true;
        return NULL;
    }
    return g_strndup((const char *)bytes, size);
}

static gboolean
is_mime_type(const guint8 *bytes, gsize size)
{
    if (size == 0 || size > RUNNER_MIME_MAX || !memchr(bytes, '/', size))
        return FALSE;
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isgraph(bytes[i]))
            return FALSE;
    return TRUE;
}

static char *
get_mime_type(WireReader *r)
{
    size_t size = 0;
    const uint8_t *bytes = wire_get_bytes(r, &size);

    if (!bytes || !is_mime_type(bytes, size)) {
        r->failed = true;
        return NULL;
    }
    return g_strndup((const char *)bytes, size);
}

static void
get_part(WireReader *r, RunnerPart *part)
{
    size_t size = 0;

    part->mime_type = get_mime_type(r);
    const uint8_t *bytes = wire_get_bytes(r, &size);
    if (bytes)
        part->data = g_bytes_new(bytes, size);
}

static void
get_saved(WireReader *r, RunnerSaved *saved)
{
    saved->mime_type = get_mime_type(r);
    saved->path = get_text(r, RUNNER_PATH_MAX);
    if (!r->failed && saved->path[0] != '/')
        r->failed = true;
}

/* A number of at most `max`; 0 when the reader has failed. */
static guint32
get_count(WireReader *r, guint32 max)
{
    guint32 count = wire_get_u32(r);

    if (count > max)
        r->failed = true;
    return r->failed ? 0 : count;
}

static void
get_result(WireReader *r, RunnerMessage *message)
{
    guint32 flags = wire_get_u32(r);
    guint32 count;

    if (flags & ~(guint32)RESULT_ALL)
        r->failed = true;
    message->result.is_main = (flags & RESULT_MAIN) != 0;
    message->result.is_update = (flags & RESULT_UPDATE) != 0;
    message->result.is_cut = (flags & RESULT_CUT) != 0;
    message->result.display_id = get_text(r, RUNNER_DISPLAY_ID_MAX);

    count = get_count(r, RUNNER_PARTS_MAX);
    message->result.parts = g_new0(RunnerPart, count);
    message->result.n_parts = count;
    for (guint i = 0; i < count && !r->failed; i++)
        get_part(r, &message->result.parts[i]);

    count = get_count(r, RUNNER_SAVED_MAX);
    message->result.saved = g_new0(RunnerSaved, count);
    message->result.n_saved = count;
    for (guint i = 0; i < count && !r->failed; i++)
        get_saved(r, &message->result.saved[i]);
    if (message->result.n_parts + message->result.n_saved == 0)
        r->failed = true;
}

static void
get_clear(WireReader *r, RunnerMessage *message)
{
    guint32 flags = wire_get_u32(r);

    if (flags & ~(guint32)CLEAR_WAIT)
        r->failed = true;
    message->clear.waits = (flags & CLEAR_WAIT) != 0;
}

static void
get_completeness(WireReader *r, RunnerMessage *message)
{
    guint32 status = wire_get_u32(r);
    char *indent = get_text(r, RUNNER_INDENT_MAX);

    if (status >= _RUNNER_COMPLETENESS_MAX || (indent && indent[strspn(indent, " \t")] != '\0'))
        r->failed = true;
    message->completeness.status = status;
    message->completeness.indent = indent;
}

static void
get_done(WireReader *r, RunnerMessage *message)
{
    guint32 status = wire_get_u32(r);

    if (status >= _RUNNER_STATUS_MAX)
        r->failed = true;
    message->done.status = status;
    message->done.count = wire_get_u32(r);
}

/* NULL: the payload is malformed. */
static RunnerMessage *
parse_payload(RunnerType type, const guint8 *payload, gsize size)
{
    g_autoptr(RunnerMessage) message = g_new0(RunnerMessage, 1);
    WireReader r;

    wire_reader_init(&r, payload, size);
    message->type = type;
    switch (type) {
    case RUNNER_READY:
        message->ready.language = get_text(&r, RUNNER_NAME_MAX);
        message->ready.version = get_text(&r, RUNNER_NAME_MAX);
        break;
    case RUNNER_RESULT:
        get_result(&r, message);
        break;
    case RUNNER_ERROR:
        message->error.name = get_text(&r, RUNNER_TEXT_MAX);
        message->error.value = get_text(&r, RUNNER_TEXT_MAX);
        message->error.traceback = get_text(&r, RUNNER_TEXT_MAX);
        break;
    case RUNNER_DONE:
        get_done(&r, message);
        break;
    case RUNNER_CLEAR:
        get_clear(&r, message);
        break;
    case RUNNER_COMPLETENESS:
        get_completeness(&r, message);
        break;
    case RUNNER_SYNCED:
        break;
    }
    return wire_reader_end(&r) == 0 ? g_steal_pointer(&message) : NULL;
}

/* --- the parser --- */

RunnerParser *
runner_parser_new(gboolean is_ready)
{
    RunnerParser *parser = g_new0(RunnerParser, 1);

    parser->input = g_byte_array_new();
    parser->is_ready = is_ready;
    return parser;
}

void
runner_parser_free(RunnerParser *parser)
{
    if (!parser)
        return;
    g_byte_array_unref(parser->input);
    g_clear_pointer(&parser->answer, g_bytes_unref);
    g_clear_error(&parser->broken);
    g_free(parser);
}

void
runner_parser_feed(RunnerParser *parser, const void *bytes, gsize size)
{
    if (parser->broken)
        return;
    if (parser->used == parser->input->len || parser->used >= COMPACT_AT) {
        g_byte_array_remove_range(parser->input, 0, (guint)parser->used);
        parser->used = 0;
    }
    g_byte_array_append(parser->input, bytes, (guint)size);
}

gsize
runner_parser_unfinished(const RunnerParser *parser)
{
    return parser->input->len - parser->used;
}

/* RUNNER_SYNCED is found by find_answer(), and not parsed. */
static gboolean
is_known_type(guint8 type)
{
    return type >= RUNNER_READY && type <= RUNNER_COMPLETENESS && type != RUNNER_SYNCED;
}

/* Why a frame with this header breaks the protocol now, or NULL. */
static const char *
find_fault(const RunnerParser *parser, const Header *header, const guint8 *raw)
{
    if (raw[9] != 0 || raw[10] != 0 || raw[11] != 0)
        return "a malformed header";
    if (header->length > RUNNER_FRAME_MAX)
        return "a frame that is too long";
    if (!is_known_type(header->type))
        return "a frame of an unknown type";
    if ((header->type == RUNNER_READY) == parser->is_ready)
        return parser->is_ready ? "it is ready a second time" : "it was not ready yet";
    if ((header->type == RUNNER_READY) != (header->execution == 0))
        return "a frame that belongs to no execution";
    if (parser->execution != 0 && header->execution != parser->execution)
        return "an execution within another";
    if (header->type == RUNNER_ERROR && parser->has_error)
        return "a second error of one execution";
    if (header->type == RUNNER_COMPLETENESS && parser->has_completeness)
        return "a second completeness of one execution";
    return NULL;
}

static gboolean
read_header(const RunnerParser *parser, const guint8 *raw, Header *ret_header,
            const char **ret_fault)
{
    guint32 length, execution;

    memcpy(&length, raw, 4);
    memcpy(&execution, raw + 4, 4);
    *ret_header = (Header){GUINT32_FROM_LE(length), GUINT32_FROM_LE(execution), raw[8]};
    *ret_fault = find_fault(parser, ret_header, raw);
    return *ret_fault == NULL;
}

/* Notes what the message means for the next ones. */
static void
advance(RunnerParser *parser, const Header *header)
{
    gboolean is_over = header->type == RUNNER_DONE;

    parser->used += HEADER_SIZE + header->length;
    parser->is_ready = TRUE;
    parser->execution = is_over ? 0 : header->execution;
    parser->has_error = !is_over && (parser->has_error || header->type == RUNNER_ERROR);
    parser->has_completeness =
        !is_over && (parser->has_completeness || header->type == RUNNER_COMPLETENESS);
}

static RunnerMessage *
break_protocol(RunnerParser *parser, const char *fault, GError **error)
{
    parser->broken =
        g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "the runner broke its protocol: %s", fault);
    g_propagate_error(error, g_error_copy(parser->broken));
    return NULL;
}

/* Discards what comes before the answer. NULL: the answer has not arrived yet. */
static RunnerMessage *
find_answer(RunnerParser *parser)
{
    gsize size, keep = 0;
    const guint8 *needle = g_bytes_get_data(parser->answer, &size);
    ptrdiff_t at = wire_find(parser->input->data + parser->used, parser->input->len - parser->used,
                             needle, size, &keep);
    RunnerMessage *message;

    if (at < 0) {
        parser->used = parser->input->len - keep;
        return NULL;
    }
    parser->used += (gsize)at + size;
    g_clear_pointer(&parser->answer, g_bytes_unref);
    message = g_new0(RunnerMessage, 1);
    message->type = RUNNER_SYNCED;
    return message;
}

RunnerMessage *
runner_parser_next(RunnerParser *parser, GError **error)
{
    const guint8 *raw = parser->input->data + parser->used;
    gsize left = parser->input->len - parser->used;
    const char *fault = NULL;
    Header header;

    if (parser->broken) {
        g_propagate_error(error, g_error_copy(parser->broken));
        return NULL;
    }
    if (parser->answer)
        return find_answer(parser);
    if (left < HEADER_SIZE)
        return NULL;
    if (!read_header(parser, raw, &header, &fault))
        return break_protocol(parser, fault, error);
    if (left - HEADER_SIZE < header.length)
        return NULL;

    RunnerMessage *message = parse_payload(header.type, raw + HEADER_SIZE, header.length);
    if (!message)
        return break_protocol(parser, "a frame with malformed fields", error);
    message->execution = header.execution;
    advance(parser, &header);
    return message;
}

/* --- requests --- */

static void
put_u32(GByteArray *out, gsize value)
{
    guint32 little = GUINT32_TO_LE((guint32)value);

    g_byte_array_append(out, (const guint8 *)&little, sizeof little);
}

static void
put_bytes(GByteArray *out, const void *bytes, gsize size)
{
    put_u32(out, size);
    g_byte_array_append(out, bytes, (guint)size);
}

static void
put_strv(GByteArray *out, const char *const *strv)
{
    put_u32(out, strv ? g_strv_length((char **)strv) : 0);
    for (; strv && *strv; strv++)
        put_bytes(out, *strv, strlen(*strv));
}

/* Refuses what would not fit into a frame, before anything is copied. */
static gboolean
check_size(const char *what, gsize size, const char *const *environment, GError **error)
{
    gsize total = size;

    for (; environment && *environment; environment++)
        total += strlen(*environment) + 4;
    if (total <= RUNNER_FRAME_MAX - 64)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "%s and environment have %" G_GSIZE_FORMAT " bytes, at most %u are possible", what,
                total, RUNNER_FRAME_MAX - 64);
    return FALSE;
}

static void
put_header(GByteArray *out, guint32 execution, guint8 type, gsize length)
{
    const guint8 rest[4] = {type};

    put_u32(out, length);
    put_u32(out, execution);
    g_byte_array_append(out, rest, sizeof rest);
}

/* Begins a frame whose payload is added next. end_frame() fills in its length. */
static GByteArray *
begin_frame(guint32 execution, guint8 type)
{
    GByteArray *out = g_byte_array_new();

    g_assert(execution != 0);
    put_header(out, execution, type, 0);
    return out;
}

static GBytes *
end_frame(GByteArray *out)
{
    guint32 length = GUINT32_TO_LE(out->len - HEADER_SIZE);

    memcpy(out->data, &length, sizeof length);
    return g_byte_array_free_to_bytes(out);
}

GBytes *
runner_encode_reseed(guint32 execution, const void *entropy, gsize entropy_size,
                     const char *const *environment, const char *directory, GError **error)
{
    g_assert(entropy_size >= RUNNER_ENTROPY_MIN && entropy_size <= RUNNER_ENTROPY_MAX);
    if (!check_size("directory", entropy_size + strlen(directory), environment, error))
        return NULL;

    GByteArray *out = begin_frame(execution, REQUEST_RESEED);
    put_bytes(out, entropy, entropy_size);
    put_strv(out, environment);
    put_bytes(out, directory, strlen(directory));
    return end_frame(out);
}

GBytes *
runner_encode_execute(guint32 execution, guint32 flags, const char *dialect, const char *code,
                      const char *const *environment, GError **error)
{
    if (!check_size("code", strlen(dialect) + strlen(code), environment, error))
        return NULL;

    GByteArray *out = begin_frame(execution, REQUEST_EXECUTE);
    put_u32(out, flags);
    put_bytes(out, dialect, strlen(dialect));
    put_bytes(out, code, strlen(code));
    put_strv(out, environment);
    return end_frame(out);
}

GBytes *
runner_encode_check(guint32 execution, const char *dialect, const char *code, GError **error)
{
    g_autofree char *marked = g_strconcat(CHECK_MARK, dialect, NULL);

    return runner_encode_execute(execution, RUNNER_SILENT, marked, code, /* environment= */ NULL,
                                 error);
}

/* Adds a frame that contains only the nonce. */
static void
put_nonce_frame(GByteArray *out, guint32 execution, guint8 type,
                const guint8 nonce[RUNNER_NONCE_SIZE])
{
    put_header(out, execution, type, 4 + RUNNER_NONCE_SIZE);
    put_bytes(out, nonce, RUNNER_NONCE_SIZE);
}

GBytes *
runner_encode_sync(guint32 execution, const guint8 nonce[RUNNER_NONCE_SIZE])
{
    GByteArray *out = g_byte_array_new();

    g_byte_array_append(out, sync_mark, sizeof sync_mark);
    put_nonce_frame(out, execution, REQUEST_SYNC, nonce);
    return g_byte_array_free_to_bytes(out);
}

RunnerParser *
runner_parser_new_syncing(guint32 execution, const guint8 nonce[RUNNER_NONCE_SIZE])
{
    RunnerParser *parser = runner_parser_new(/* is_ready= */ TRUE);
    GByteArray *answer = g_byte_array_new();

    put_nonce_frame(answer, execution, RUNNER_SYNCED, nonce);
    parser->answer = g_byte_array_free_to_bytes(answer);
    return parser;
}
