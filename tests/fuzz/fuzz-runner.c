/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-runner: the parser of a runner's messages (src/guest/runner.h) survives any bytes.
 *
 * The first byte of the input is the size of the pieces in which the rest arrives. The same bytes
 * in one piece must give the same messages, both to a parser that begins at a message and to one
 * that first searches for the beginning of a message.
 */
#include "runner.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gsize
weigh_result(const RunnerMessage *message)
{
    gsize weight = g_str_hash(message->result.display_id);

    for (guint i = 0; i < message->result.n_parts; i++)
        weight += g_str_hash(message->result.parts[i].mime_type) +
                  g_bytes_hash(message->result.parts[i].data);
    for (guint i = 0; i < message->result.n_saved; i++)
        weight += g_str_hash(message->result.saved[i].mime_type) +
                  g_str_hash(message->result.saved[i].path);
    return weight;
}

/* All strings and bytes are read, so that a checker of memory sees a bad one. */
static gsize
weigh(const RunnerMessage *message)
{
    gsize weight = message->execution;

    if (message->type == RUNNER_READY)
        weight += g_str_hash(message->ready.language) + g_str_hash(message->ready.version);
    if (message->type == RUNNER_ERROR)
        weight += g_str_hash(message->error.name) + g_str_hash(message->error.value) +
                  g_str_hash(message->error.traceback);
    if (message->type == RUNNER_COMPLETENESS)
        weight += message->completeness.status + g_str_hash(message->completeness.indent);
    if (message->type == RUNNER_CLEAR)
        weight += message->clear.waits ? 2 : 1;
    return message->type == RUNNER_RESULT ? weight + weigh_result(message) : weight;
}

static RunnerParser *
parser_new(gboolean is_syncing)
{
    static const guint8 nonce[RUNNER_NONCE_SIZE] = "nnnnnnnnnnnnnnn";

    return is_syncing ? runner_parser_new_syncing(/* execution= */ 1, nonce)
                      : runner_parser_new(/* is_ready= */ FALSE);
}

static gsize
parse(gboolean is_syncing, const uint8_t *data, size_t size, size_t piece)
{
    g_autoptr(RunnerParser) parser = parser_new(is_syncing);
    gsize weight = 0;

    for (size_t at = 0; at < size; at += piece) {
        RunnerMessage *message;
        runner_parser_feed(parser, data + at, MIN(piece, size - at));
        while ((message = runner_parser_next(parser, NULL))) {
            weight += weigh(message) + 1;
            runner_message_free(message);
        }
    }
    return weight;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int is_syncing = 0; size > 1 && is_syncing < 2; is_syncing++)
        g_assert_cmpuint(parse(is_syncing, data + 1, size - 1, data[0] + 1), ==,
                         parse(is_syncing, data + 1, size - 1, size));
    return 0;
}
