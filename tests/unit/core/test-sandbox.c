/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-sandbox: the states of a sandbox. */
#include "sandbox.h"

#define N SANDBOX_ENDED /* ends */
#define S (-1)          /* stays */

/* clang-format off */
static const int expected[_SANDBOX_STATE_MAX][_SANDBOX_EVENT_MAX] = {
    /*                    found             found paused    claimed          pause           resume           stop, deadline, lost */
    [SANDBOX_CLAIMING] = {SANDBOX_ADOPTING, SANDBOX_PAUSED, SANDBOX_RUNNING, S,              S,               N, N, N},
    [SANDBOX_ADOPTING] = {S,                S,              SANDBOX_RUNNING, SANDBOX_PAUSED, S,               N, N, N},
    [SANDBOX_RUNNING]  = {S,                S,              S,               SANDBOX_PAUSED, S,               N, N, N},
    [SANDBOX_PAUSED]   = {S,                S,              S,               S,              SANDBOX_RUNNING, N, N, N},
    [SANDBOX_ENDED]    = {S,                S,              S,               S,              S,               S, S, S},
};
/* clang-format on */

static void
test_changes(void)
{
    for (SandboxState state = 0; state < _SANDBOX_STATE_MAX; state++)
        for (SandboxEvent event = 0; event < _SANDBOX_EVENT_MAX; event++) {
            g_autoptr(Sandbox) sandbox = sandbox_new();
            int next = expected[state][event];

            sandbox->state = state;
            g_assert_cmpint(sandbox_change(sandbox, event), ==, next != S);
            g_assert_cmpint(sandbox->state, ==, next != S ? next : (int)state);
        }
}

static void
test_names(void)
{
    g_assert_cmpstr(sandbox_state_name(SANDBOX_RUNNING), ==, "running");
    g_assert_cmpstr(sandbox_state_name(SANDBOX_ADOPTING), ==, "running");
    g_assert_cmpstr(sandbox_state_name(SANDBOX_PAUSED), ==, "paused");
    g_assert_cmpstr(sandbox_state_name(SANDBOX_ENDED), ==, "ended");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sandbox/changes", test_changes);
    g_test_add_func("/sandbox/names", test_names);
    return g_test_run();
}
