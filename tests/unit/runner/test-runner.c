/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-runner: the host parses valid messages of a runner, and refuses invalid ones. */
#include "error.h"
#include "frames.h"

#include <string.h>

static void
assert_broken(RunnerParser *parser)
{
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(runner_parser_next(parser, &error));
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
        g_assert_true(g_str_has_prefix(error->message, "the runner broke its protocol: "));
    }
}

/* Feeds the input, takes `good` messages, and expects that the next one is refused. */
static void
assert_refused(GByteArray *input, int good)
{
    g_autoptr(RunnerParser) parser = runner_parser_new(/* is_ready= */ FALSE);
    g_autoptr(GError) error = NULL;

    runner_parser_feed(parser, input->data, input->len);
    for (int i = 0; i < good; i++) {
        g_autoptr(RunnerMessage) message = runner_parser_next(parser, &error);
        g_assert_no_error(error);
        g_assert_nonnull(message);
    }
    assert_broken(parser);
}

/* --- what is accepted --- */

static GByteArray *
whole_conversation(void)
{
    GByteArray *out = g_byte_array_new();

    put_ready(out);
    put_result(out, 5, 1, "image/png", "\x89PNG\0\xff", 6);
    put_error(out, 5, "Fehler", "\xc3\xa4");
    put_result(out, 5, 0, "text/plain", "", 0);
    put_done(out, 5, RUNNER_FAILED);
    put_done(out, 6, RUNNER_OK);
    return out;
}

static void
check_message(int n, const RunnerMessage *message)
{
    static const RunnerType types[] = {RUNNER_READY,  RUNNER_RESULT, RUNNER_ERROR,
                                       RUNNER_RESULT, RUNNER_DONE,   RUNNER_DONE};
    static const guint32 executions[] = {0, 5, 5, 5, 5, 6};

    g_assert_cmpint(message->type, ==, types[n]);
    g_assert_cmpuint(message->execution, ==, executions[n]);
    if (n == 0) {
        g_assert_cmpstr(message->ready.language, ==, "python");
        g_assert_cmpstr(message->ready.version, ==, "3.11.2");
    } else if (n == 1) {
        gsize size;
        const guint8 *data = g_bytes_get_data(message->result.parts[0].data, &size);
        g_assert_true(message->result.is_main);
        g_assert_cmpuint(message->result.n_parts, ==, 1);
        g_assert_cmpstr(message->result.parts[0].mime_type, ==, "image/png");
        g_assert_cmpmem(data, size, "\x89PNG\0\xff", 6);
    } else if (n == 2) {
        g_assert_cmpstr(message->error.name, ==, "Fehler");
        g_assert_cmpstr(message->error.value, ==, "\xc3\xa4");
        g_assert_cmpstr(message->error.traceback, ==, "Traceback\n");
    } else if (n == 3) {
        g_assert_false(message->result.is_main);
        g_assert_cmpuint(g_bytes_get_size(message->result.parts[0].data), ==, 0);
    } else {
        g_assert_cmpint(message->done.status, ==, n == 4 ? RUNNER_FAILED : RUNNER_OK);
        g_assert_cmpuint(message->done.count, ==, 7);
    }
}

/* A conversation yields the same messages in pieces of every size. */
static void
test_pieces(void)
{
    g_autoptr(GByteArray) input = whole_conversation();

    for (guint piece = 1; piece <= input->len; piece++) {
        g_autoptr(RunnerParser) parser = runner_parser_new(/* is_ready= */ FALSE);
        int n = 0;
        for (guint at = 0; at < input->len; at += piece) {
            g_autoptr(GError) error = NULL;
            RunnerMessage *message;
            runner_parser_feed(parser, input->data + at, MIN(piece, input->len - at));
            while ((message = runner_parser_next(parser, &error))) {
                check_message(n++, message);
                runner_message_free(message);
            }
            g_assert_no_error(error);
        }
        g_assert_cmpint(n, ==, 6);
    }
}

/* A frame of the largest size is accepted; a frame with one byte more is refused when its header
 * arrives. */
static void
test_largest(void)
{
    const gsize size = RUNNER_FRAME_MAX - 24 - strlen("a/b");
    g_autofree char *data = g_malloc0(size);
    g_autoptr(GByteArray) input = g_byte_array_new();
    g_autoptr(RunnerParser) parser = runner_parser_new(/* is_ready= */ FALSE);
    g_autoptr(GError) error = NULL;

    put_ready(input);
    put_result(input, 1, 1, "a/b", data, size);
    put_u32(input, RUNNER_FRAME_MAX + 1);
    put_u32(input, 1);
    put_u32(input, RUNNER_RESULT);
    runner_parser_feed(parser, input->data, input->len);

    g_autoptr(RunnerMessage) ready = runner_parser_next(parser, &error);
    g_assert_no_error(error);
    g_autoptr(RunnerMessage) result = runner_parser_next(parser, &error);
    g_assert_no_error(error);
    g_assert_nonnull(ready);
    g_assert_cmpuint(g_bytes_get_size(result->result.parts[0].data), ==, size);
    assert_broken(parser);
}

/* --- what is refused --- */

static void
test_order(void)
{
    g_autoptr(GByteArray) early = g_byte_array_new();
    put_done(early, 1, RUNNER_OK);
    assert_refused(early, 0);

    g_autoptr(GByteArray) twice = g_byte_array_new();
    put_ready(twice);
    put_ready(twice);
    assert_refused(twice, 1);

    g_autoptr(GByteArray) nobodys = g_byte_array_new();
    put_ready(nobodys);
    put_done(nobodys, 0, RUNNER_OK);
    assert_refused(nobodys, 1);

    g_autoptr(GByteArray) nested = g_byte_array_new();
    put_ready(nested);
    put_result(nested, 1, 0, "a/b", "", 0);
    put_done(nested, 2, RUNNER_OK);
    assert_refused(nested, 2);
}

/* An execution has at most one error; the next execution may have another. */
static void
test_errors(void)
{
    g_autoptr(GByteArray) input = g_byte_array_new();

    put_ready(input);
    put_error(input, 1, "a", "b");
    put_done(input, 1, RUNNER_FAILED);
    put_error(input, 2, "a", "b");
    put_error(input, 2, "a", "b");
    assert_refused(input, 4);
}

static void
test_texts(void)
{
    g_autofree char *long_text = g_strnfill(RUNNER_TEXT_MAX + 1, 'x');
    const char *const bad[] = {"\xff", "\xc3", "\xed\xa0\x80", long_text};

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) input = g_byte_array_new();
        put_ready(input);
        put_error(input, 1, "name", bad[i]);
        assert_refused(input, 1);
    }

    g_autoptr(GByteArray) input = g_byte_array_new();
    GByteArray *payload = g_byte_array_new();
    put_bytes(payload, "a\0b", 3);
    put_text(payload, "3");
    put_frame(input, 0, RUNNER_READY, payload);
    assert_refused(input, 0);
}

static void
test_mime_types(void)
{
    g_autofree char *long_type = g_strnfill(RUNNER_MIME_MAX + 1, '/');
    const char *const bad[] = {"", "text", "a b/c", "a/b\n", "a/\xc3\xa4", long_type};

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) input = g_byte_array_new();
        put_ready(input);
        put_result(input, 1, 0, bad[i], "x", 1);
        assert_refused(input, 1);
    }
}

/* The payload has only numbers, which is valid for no type but DONE. */
static void
assert_numbers_refused(guint8 type, guint32 first, guint32 second, int more)
{
    g_autoptr(GByteArray) input = g_byte_array_new();
    GByteArray *payload = g_byte_array_new();

    put_ready(input);
    put_u32(payload, first);
    put_u32(payload, second);
    for (int i = 0; i < more; i++)
        put_u32(payload, 0);
    put_frame(input, 1, type, payload);
    assert_refused(input, 1);
}

static void
test_numbers(void)
{
    assert_numbers_refused(RUNNER_DONE, _RUNNER_STATUS_MAX, 1, 0);
    assert_numbers_refused(RUNNER_DONE, RUNNER_OK, 1, 1);
    assert_numbers_refused(RUNNER_DONE + 1, 0, 0, 0);
    assert_numbers_refused(RUNNER_CLEAR, 0, 0, 0);
    assert_numbers_refused(RUNNER_COMPLETENESS, _RUNNER_COMPLETENESS_MAX, 0, 0);
    assert_numbers_refused(RUNNER_COMPLETENESS, 0, 0, 1);
    assert_numbers_refused(RUNNER_COMPLETENESS + 1, 0, 0, 0);
    assert_numbers_refused(RUNNER_READY - 1, 0, 0, 0);
}

/* Each defined flag is accepted; the first undefined one is refused. */
static void
test_clear(void)
{
    g_autoptr(GByteArray) input = g_byte_array_new();
    g_autoptr(RunnerParser) parser = runner_parser_new(/* is_ready= */ FALSE);
    g_autoptr(GError) error = NULL;

    put_ready(input);
    put_clear(input, 1, 0);
    put_clear(input, 1, 1);
    put_clear(input, 1, 2);
    runner_parser_feed(parser, input->data, input->len);
    runner_message_free(runner_parser_next(parser, NULL));
    for (int waits = 0; waits <= 1; waits++) {
        g_autoptr(RunnerMessage) clear = runner_parser_next(parser, &error);
        g_assert_no_error(error);
        g_assert_cmpint(clear->type, ==, RUNNER_CLEAR);
        g_assert_cmpuint(clear->execution, ==, 1);
        g_assert_cmpint(clear->clear.waits, ==, waits);
    }
    assert_broken(parser);
}

/* CLEAR belongs to an execution, as all output of code does. */
static void
test_clear_of_nobody(void)
{
    g_autoptr(GByteArray) early = g_byte_array_new(), nobodys = g_byte_array_new();
    g_autoptr(GByteArray) nested = g_byte_array_new();

    put_clear(early, 1, 0);
    assert_refused(early, 0);
    put_ready(nobodys);
    put_clear(nobodys, 0, 0);
    assert_refused(nobodys, 1);
    put_ready(nested);
    put_clear(nested, 1, 0);
    put_clear(nested, 2, 0);
    assert_refused(nested, 2);
}

static void
test_completeness(void)
{
    g_autofree char *indent = g_strnfill(RUNNER_INDENT_MAX, ' ');
    g_autoptr(GByteArray) input = g_byte_array_new();
    g_autoptr(RunnerParser) parser = runner_parser_new(/* is_ready= */ FALSE);
    g_autoptr(GError) error = NULL;

    put_ready(input);
    put_completeness(input, 1, RUNNER_INCOMPLETE, indent);
    put_done(input, 1, RUNNER_OK);
    put_completeness(input, 2, RUNNER_UNKNOWN, "");
    runner_parser_feed(parser, input->data, input->len);
    runner_message_free(runner_parser_next(parser, NULL));

    g_autoptr(RunnerMessage) incomplete = runner_parser_next(parser, &error);
    g_assert_no_error(error);
    g_assert_cmpint(incomplete->type, ==, RUNNER_COMPLETENESS);
    g_assert_cmpint(incomplete->completeness.status, ==, RUNNER_INCOMPLETE);
    g_assert_cmpstr(incomplete->completeness.indent, ==, indent);
    runner_message_free(runner_parser_next(parser, NULL));

    g_autoptr(RunnerMessage) unknown = runner_parser_next(parser, &error);
    g_assert_no_error(error);
    g_assert_cmpint(unknown->completeness.status, ==, RUNNER_UNKNOWN);
    g_assert_cmpstr(unknown->completeness.indent, ==, "");
}

/* An indent must be white space within one line, and a check must have one answer. */
static void
test_completeness_refused(void)
{
    g_autofree char *long_indent = g_strnfill(RUNNER_INDENT_MAX + 1, ' ');
    const char *const bad[] = {"x", "  \n", " \xff", long_indent};
    g_autoptr(GByteArray) twice = g_byte_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) input = g_byte_array_new();
        put_ready(input);
        put_completeness(input, 1, RUNNER_INCOMPLETE, bad[i]);
        assert_refused(input, 1);
    }
    put_ready(twice);
    put_completeness(twice, 1, RUNNER_COMPLETE, "");
    put_completeness(twice, 1, RUNNER_COMPLETE, "");
    assert_refused(twice, 2);
}

typedef struct {
    guint32 flags, n_parts, n_saved;
    const char *id, *path;
} ResultWords;

static void
put_result_words(GByteArray *out, const ResultWords *words)
{
    GByteArray *payload = g_byte_array_new();

    put_u32(payload, words->flags);
    put_text(payload, words->id ? words->id : "");
    put_u32(payload, words->n_parts);
    for (guint32 i = 0; i < MIN(words->n_parts, RUNNER_PARTS_MAX + 1); i++) {
        put_text(payload, "a/b");
        put_text(payload, "x");
    }
    put_u32(payload, words->n_saved);
    for (guint32 i = 0; i < MIN(words->n_saved, RUNNER_SAVED_MAX + 1); i++) {
        put_text(payload, "c/d");
        put_text(payload, words->path ? words->path : "/tmp/1");
    }
    put_frame(out, 1, RUNNER_RESULT, payload);
}

static void
test_results_refused(void)
{
    g_autofree char *long_id = g_strnfill(RUNNER_DISPLAY_ID_MAX + 1, 'x');
    g_autofree char *long_path = g_strnfill(RUNNER_PATH_MAX + 1, '/');
    const ResultWords bad[] = {
        {0},
        {.flags = 8, .n_parts = 1},
        {.n_parts = RUNNER_PARTS_MAX + 1},
        {.n_parts = G_MAXUINT32},
        {.n_saved = RUNNER_SAVED_MAX + 1},
        {.n_saved = G_MAXUINT32},
        {.n_parts = 1, .id = long_id},
        {.n_parts = 1, .id = "\xff"},
        {.n_saved = 1, .path = long_path},
        {.n_saved = 1, .path = "tmp/1"},
        {.n_saved = 1, .path = "/\xff"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) input = g_byte_array_new();
        put_ready(input);
        put_result_words(input, &bad[i]);
        assert_refused(input, 1);
    }
}

/* A result with all fields, each at its bound. */
static void
test_result_words(void)
{
    g_autofree char *id = g_strnfill(RUNNER_DISPLAY_ID_MAX, 'x');
    g_autofree char *path = g_strnfill(RUNNER_PATH_MAX, '/');
    const ResultWords words = {7, RUNNER_PARTS_MAX, RUNNER_SAVED_MAX, id, path};
    g_autoptr(GByteArray) input = g_byte_array_new();
    g_autoptr(RunnerParser) parser = runner_parser_new(/* is_ready= */ FALSE);
    g_autoptr(GError) error = NULL;

    put_ready(input);
    put_result_words(input, &words);
    put_result_words(input, &(ResultWords){.flags = 2, .n_saved = 1});
    runner_parser_feed(parser, input->data, input->len);
    runner_message_free(runner_parser_next(parser, NULL));

    g_autoptr(RunnerMessage) full = runner_parser_next(parser, &error);
    g_assert_no_error(error);
    g_assert_true(full->result.is_main && full->result.is_update && full->result.is_cut);
    g_assert_cmpstr(full->result.display_id, ==, id);
    g_assert_cmpuint(full->result.n_parts, ==, RUNNER_PARTS_MAX);
    g_assert_cmpuint(full->result.n_saved, ==, RUNNER_SAVED_MAX);
    g_assert_cmpstr(full->result.saved[63].mime_type, ==, "c/d");
    g_assert_cmpstr(full->result.saved[63].path, ==, path);

    g_autoptr(RunnerMessage) saved = runner_parser_next(parser, &error);
    g_assert_no_error(error);
    g_assert_true(!saved->result.is_main && saved->result.is_update && !saved->result.is_cut);
    g_assert_cmpuint(saved->result.n_parts, ==, 0);
    g_assert_cmpstr(saved->result.saved[0].path, ==, "/tmp/1");
}

/* Each of the header's three reserved bytes must be zero. */
static void
test_reserved(void)
{
    for (int i = 9; i < 12; i++) {
        g_autoptr(GByteArray) input = g_byte_array_new();
        put_ready(input);
        input->data[i] = 1;
        assert_refused(input, 0);
    }
}

/* --- a host that was restarted --- */

static const guint8 nonce[RUNNER_NONCE_SIZE] = {'0', '1', '2', '3', '4', '5', '6', '7',
                                                '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

static void
put_synced(GByteArray *out, guint32 execution, const void *bytes, gsize size)
{
    GByteArray *payload = g_byte_array_new();

    put_bytes(payload, bytes, size);
    put_frame(out, execution, RUNNER_SYNCED, payload);
}

/* What a runner may have sent before: a frame that is cut off, one with a false length, complete
 * ones, and the beginning of the expected answer. */
static GByteArray *
what_is_lost(void)
{
    GByteArray *out = g_byte_array_new();

    put_result(out, 5, 0, "a/b", "0123", 4);
    g_byte_array_set_size(out, out->len - 3);
    put_u32(out, G_MAXUINT32);
    put_done(out, 5, RUNNER_INTERRUPTED);
    put_synced(out, 3, nonce, sizeof nonce);
    g_byte_array_set_size(out, out->len - 1);
    return out;
}

/* In pieces of every size, everything before the answer is dropped, and everything after it is
 * parsed. */
static void
test_sync(void)
{
    g_autoptr(GByteArray) input = what_is_lost();

    put_synced(input, 3, nonce, sizeof nonce);
    put_done(input, 4, RUNNER_OK);
    for (guint piece = 1; piece <= input->len; piece++) {
        g_autoptr(RunnerParser) parser = runner_parser_new_syncing(3, nonce);
        g_autoptr(GError) error = NULL;
        int n = 0;
        for (guint at = 0; at < input->len; at += piece) {
            RunnerMessage *message;
            runner_parser_feed(parser, input->data + at, MIN(piece, input->len - at));
            while ((message = runner_parser_next(parser, &error))) {
                g_assert_cmpint(message->type, ==, n == 0 ? RUNNER_SYNCED : RUNNER_DONE);
                g_assert_cmpuint(message->execution, ==, n == 0 ? 0 : 4);
                runner_message_free(message);
                n++;
            }
        }
        g_assert_no_error(error);
        g_assert_cmpint(n, ==, 2);
    }
}

/* A frame with another number, nonce or length is neither the answer nor an error. */
static void
test_not_synced(void)
{
    g_autoptr(GByteArray) input = what_is_lost();
    g_autoptr(RunnerParser) parser = runner_parser_new_syncing(3, nonce);
    g_autoptr(GError) error = NULL;

    put_synced(input, 2, nonce, sizeof nonce);
    put_synced(input, 3, "0123456789abcdeF", sizeof nonce);
    put_synced(input, 3, nonce, sizeof nonce - 1);
    put_ready(input);
    runner_parser_feed(parser, input->data, input->len);
    g_assert_null(runner_parser_next(parser, &error));
    g_assert_no_error(error);
}

/* After the answer, a runner is handled as usual: a second answer is refused. */
static void
test_synced_twice(void)
{
    g_autoptr(GByteArray) input = g_byte_array_new();
    g_autoptr(RunnerParser) parser = runner_parser_new_syncing(3, nonce);
    g_autoptr(GError) error = NULL;

    put_synced(input, 3, nonce, sizeof nonce);
    put_synced(input, 3, nonce, sizeof nonce);
    runner_parser_feed(parser, input->data, input->len);
    g_autoptr(RunnerMessage) synced = runner_parser_next(parser, &error);
    g_assert_no_error(error);
    g_assert_cmpint(synced->type, ==, RUNNER_SYNCED);
    assert_broken(parser);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/runner/pieces", test_pieces);
    g_test_add_func("/runner/largest", test_largest);
    g_test_add_func("/runner/order", test_order);
    g_test_add_func("/runner/errors", test_errors);
    g_test_add_func("/runner/texts", test_texts);
    g_test_add_func("/runner/mime-types", test_mime_types);
    g_test_add_func("/runner/numbers", test_numbers);
    g_test_add_func("/runner/clear", test_clear);
    g_test_add_func("/runner/clear-of-nobody", test_clear_of_nobody);
    g_test_add_func("/runner/completeness", test_completeness);
    g_test_add_func("/runner/completeness-refused", test_completeness_refused);
    g_test_add_func("/runner/results-refused", test_results_refused);
    g_test_add_func("/runner/result-words", test_result_words);
    g_test_add_func("/runner/reserved", test_reserved);
    g_test_add_func("/runner/sync", test_sync);
    g_test_add_func("/runner/not-synced", test_not_synced);
    g_test_add_func("/runner/synced-twice", test_synced_twice);
    return g_test_run();
}
