/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-buffers: what the service keeps of a guest's output is charged to its owner, and to all. */
#include <string.h>

#include "execution.h"
#include "quota.h"

#define MIB (1024u * 1024)

static Quota *quota;

static void
add_output(GuestOutput *output, gsize size)
{
    g_autofree guint8 *bytes = g_malloc0(size);

    guest_output_add(output, bytes, size);
}

static void
test_budget(void)
{
    g_autoptr(Budget) whole = budget_new(10, NULL), a = budget_new(8, whole),
                      b = budget_new(8, whole);

    g_assert_true(budget_take(a, 8));
    g_assert_false(budget_take(a, 1));
    g_assert_false(budget_take(b, 3)); /* the whole has no room */
    g_assert_cmpuint(budget_used(b), ==, 0);
    g_assert_true(budget_take(b, 2));
    budget_give_back(a, 8);
    g_assert_cmpuint(budget_used(whole), ==, 2);
    g_assert_false(budget_take(b, G_MAXSIZE));
    budget_give_back(b, 2);
    g_assert_true(budget_take(NULL, G_MAXSIZE));
}

/* The output that has no room is counted, and nothing after it is kept: there is no hole. */
static void
test_output(void)
{
    Budget *budget = quota_buffers(quota, 1);
    GuestOutput output, later;

    g_assert_true(budget_take(budget, QUOTA_BUFFERS_EACH - 2 * MIB));
    guest_output_init(&output);
    guest_output_set_budget(&output, budget);
    add_output(&output, MIB);
    add_output(&output, MIB);
    g_assert_cmpuint(output.bytes->len, ==, MIB);
    budget_give_back(budget, QUOTA_BUFFERS_EACH - 2 * MIB);
    add_output(&output, 1);
    g_assert_cmpuint(output.bytes->len, ==, MIB);
    g_assert_cmpuint(output.size, ==, 2 * MIB + 1);
    guest_output_clear(&output);
    g_assert_cmpuint(budget_used(budget), ==, 0);

    /* A little is kept always. */
    g_assert_true(budget_take(budget, QUOTA_BUFFERS_EACH));
    guest_output_init(&later);
    guest_output_set_budget(&later, budget);
    add_output(&later, 1000);
    g_assert_cmpuint(later.bytes->len, ==, 1000);
    guest_output_clear(&later);
    budget_give_back(budget, QUOTA_BUFFERS_EACH);
}

static RunnerMessage *
result_of(gsize size)
{
    RunnerMessage *message = g_new0(RunnerMessage, 1);

    message->type = RUNNER_RESULT;
    message->result.display_id = g_strdup("");
    message->result.parts = g_new0(RunnerPart, 1);
    message->result.parts[0].mime_type = g_strdup("image/png");
    message->result.parts[0].data = g_bytes_new_take(g_malloc0(size), size);
    message->result.n_parts = 1;
    return message;
}

static void
test_results(void)
{
    Budget *budget = quota_buffers(quota, 1);
    GuestExecution *execution = guest_execution_new();

    guest_execution_set_budget(execution, budget);
    guest_execution_add(execution, result_of(MIB));
    g_assert_cmpuint(budget_used(budget), >=, MIB);
    g_assert_true(budget_take(budget, QUOTA_BUFFERS_EACH - budget_used(budget)));
    guest_execution_add(execution, result_of(1000));
    g_assert_true(execution->results_truncated);
    g_assert_cmpuint(execution->results->len, ==, 1);
    guest_execution_free(execution);
    budget_give_back(budget, budget_used(budget));
}

static void
test_users(void)
{
    guint users = QUOTA_BUFFERS_ALL / QUOTA_BUFFERS_EACH;

    for (guint uid = 0; uid < users; uid++)
        g_assert_true(budget_take(quota_buffers(quota, uid), QUOTA_BUFFERS_EACH));
    g_assert_false(budget_take(quota_buffers(quota, users), 1));
    for (guint uid = 0; uid < users; uid++)
        budget_give_back(quota_buffers(quota, uid), QUOTA_BUFFERS_EACH);
}

int
main(int argc, char **argv)
{
    static const QuotaAmounts none;
    int status;

    g_test_init(&argc, &argv, NULL);
    quota = quota_new(&none, &none);
    g_test_add_func("/buffers/budget", test_budget);
    g_test_add_func("/buffers/output", test_output);
    g_test_add_func("/buffers/results", test_results);
    g_test_add_func("/buffers/users", test_users);
    status = g_test_run();
    quota_free(quota);
    return status;
}
