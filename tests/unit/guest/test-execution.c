/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-execution: the results of an execution are counted as they are sent to its caller. */
#include "execution.h"

#include <string.h>

#include "guest-text.h"

#define MIB (1024u * 1024)

static RunnerMessage *
result_new(guint parts, const char *mime_type, gsize size, guint8 byte, guint saved)
{
    RunnerMessage *message = g_new0(RunnerMessage, 1);

    message->type = RUNNER_RESULT;
    message->result.display_id = g_strdup("");
    message->result.parts = g_new0(RunnerPart, parts);
    message->result.n_parts = parts;
    for (guint i = 0; i < parts; i++) {
        message->result.parts[i].mime_type = g_strdup(mime_type);
        message->result.parts[i].data = g_bytes_new_take(g_malloc(size), size);
        if (size > 0)
            memset((guint8 *)g_bytes_get_data(message->result.parts[i].data, NULL), byte, size);
    }
    message->result.saved = g_new0(RunnerSaved, saved);
    message->result.n_saved = saved;
    for (guint i = 0; i < saved; i++) {
        message->result.saved[i].mime_type = g_strdup("image/png");
        message->result.saved[i].path = g_strnfill(RUNNER_PATH_MAX, '/');
    }
    return message;
}

static void
assert_kept(GuestExecution *execution, guint count)
{
    g_assert_cmpuint(execution->results->len, ==, count);
    g_assert_cmpuint(execution->results_size, <=, GUEST_RESULTS_SIZE_MAX);
    g_assert_true(execution->results_truncated);
}

/* Names of saved files count. */
static void
test_saved(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();

    for (guint i = 0; i < GUEST_RESULTS_MAX; i++)
        guest_execution_add(execution, result_new(0, "", 0, 0, RUNNER_SAVED_MAX));
    g_assert_cmpuint(execution->results->len, >, 0);
    g_assert_cmpuint(execution->results->len * RUNNER_SAVED_MAX * RUNNER_PATH_MAX, <=,
                     GUEST_RESULTS_SIZE_MAX);
    assert_kept(execution, execution->results->len);
}

/* Each byte that is not UTF-8 becomes three in the answer. */
static void
test_invalid_text(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();

    for (guint i = 0; i < 3; i++)
        guest_execution_add(execution, result_new(1, "text/plain", 5 * MIB, 0xff, 0));
    assert_kept(execution, 1);
}

static void
test_valid(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();

    guest_execution_add(execution, result_new(1, "text/plain", 5 * MIB, 'a', 0));
    guest_execution_add(execution, result_new(1, "image/png", 5 * MIB, 0xff, 0));
    guest_execution_add(execution, result_new(1, "image/png", 5 * MIB, 0xff, 0));
    g_assert_false(execution->results_truncated);
    guest_execution_add(execution, result_new(1, "image/png", 5 * MIB, 0xff, 0));
    assert_kept(execution, 3);
}

/* Many types of parts count with their names. */
static void
test_many_small(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();
    gsize one;

    guest_execution_add(execution, result_new(RUNNER_PARTS_MAX, "text/plain", 0, 0, 0));
    one = execution->results_size;
    g_assert_cmpuint(one, >=, RUNNER_PARTS_MAX * strlen("text/plain"));
}

static void
test_text_size(void)
{
    for (guint round = 0; round < 2000; round++) {
        static const guint8 some[] = {'a', 0, 0xff, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0};
        gsize size = (gsize)g_test_rand_int_range(0, 12);
        guint8 bytes[12];
        gboolean is_invalid, is_cut;
        g_autofree char *text = NULL;

        for (gsize i = 0; i < size; i++)
            bytes[i] = some[g_test_rand_int_range(0, G_N_ELEMENTS(some))];
        text = guest_text(bytes, size, G_MAXSIZE, &is_invalid, &is_cut);
        g_assert_cmpuint(guest_text_size(bytes, size), ==, strlen(text));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/execution/saved", test_saved);
    g_test_add_func("/execution/invalid-text", test_invalid_text);
    g_test_add_func("/execution/valid", test_valid);
    g_test_add_func("/execution/many-small", test_many_small);
    g_test_add_func("/execution/text-size", test_text_size);
    return g_test_run();
}
