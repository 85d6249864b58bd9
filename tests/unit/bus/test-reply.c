/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-reply: an execution's answer is small enough to be sent, whatever a guest's results are. */
#include <string.h>

#include "message.h"
#include "reply.h"

#define MIB (1024u * 1024)

static const MessageAddress address = {.to = ":1.1", .serial = 1, .is_expected = TRUE};

static RunnerMessage *
result_of(const char *mime_type, gsize size, guint n_saved)
{
    RunnerMessage *message = g_new0(RunnerMessage, 1);
    guint8 *bytes = g_malloc(size);

    memset(bytes, 0xff, size);
    message->type = RUNNER_RESULT;
    message->result.display_id = g_strdup("");
    message->result.parts = g_new0(RunnerPart, 1);
    message->result.parts[0].mime_type = g_strdup(mime_type);
    message->result.parts[0].data = g_bytes_new_take(bytes, size);
    message->result.n_parts = 1;
    message->result.saved = g_new0(RunnerSaved, n_saved);
    for (guint i = 0; i < n_saved; i++) {
        message->result.saved[i].mime_type = g_strdup_printf("image/x-%u", i);
        message->result.saved[i].path = g_strnfill(RUNNER_PATH_MAX, 'p');
    }
    message->result.n_saved = n_saved;
    return message;
}

/* Returns the number of results in the answer. */
static gsize
answer(GuestExecution *execution, gboolean *ret_are_cut)
{
    g_autoptr(GVariant) dict = g_variant_ref_sink(reply_execution(execution));
    g_autoptr(GVariant) results = g_variant_lookup_value(dict, "results", NULL);
    g_autoptr(GDBusMessage) message =
        message_answer(&address, g_variant_new("(@a{sv})", dict), NULL);

    g_assert_true(g_variant_lookup(dict, "results-truncated", "b", ret_are_cut));
    g_assert_cmpuint(message_size(message), <=, MESSAGE_SIZE_MAX);
    return g_variant_n_children(results);
}

/* Each byte that is not UTF-8 becomes three. */
static void
test_invalid_text(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();
    gboolean are_cut;

    for (guint i = 0; i < 3; i++)
        guest_execution_add(execution, result_of("text/plain", 4 * MIB, 0));
    g_assert_cmpuint(answer(execution, &are_cut), ==, 1);
    g_assert_true(are_cut);
}

/* Output and results that are within their own bounds, together. */
static void
test_output_and_results(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();
    g_autofree guint8 *output = g_malloc(GUEST_OUTPUT_MAX);
    gboolean are_cut;

    memset(output, 'x', GUEST_OUTPUT_MAX);
    guest_output_add(&execution->out, output, GUEST_OUTPUT_MAX);
    guest_output_add(&execution->err, output, GUEST_OUTPUT_MAX);
    for (guint i = 0; i < 3; i++)
        guest_execution_add(execution, result_of("image/png", 5 * MIB, 0));
    g_assert_cmpuint(answer(execution, &are_cut), ==, 1);
    g_assert_true(are_cut);
}

static void
test_saved(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();
    gboolean are_cut;

    for (guint i = 0; i < 100; i++)
        guest_execution_add(execution, result_of("text/plain", 1, RUNNER_SAVED_MAX));
    g_assert_true(execution->results_truncated);
    g_assert_cmpuint(execution->results->len, <, 64);
    g_assert_cmpuint(answer(execution, &are_cut), >=, 32);
    g_assert_true(are_cut);
}

static void
test_small(void)
{
    g_autoptr(GuestExecution) execution = guest_execution_new();
    gboolean are_cut;

    guest_execution_add(execution, result_of("image/png", MIB, 1));
    g_assert_cmpuint(answer(execution, &are_cut), ==, 1);
    g_assert_false(are_cut);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reply/invalid-text", test_invalid_text);
    g_test_add_func("/reply/output-and-results", test_output_and_results);
    g_test_add_func("/reply/saved", test_saved);
    g_test_add_func("/reply/small", test_small);
    return g_test_run();
}
