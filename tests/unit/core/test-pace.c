/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-pace: the accelerator determines how the host deals with machines. */
#include "pace.h"

static void
test_values(void)
{
    const Pace *emulated = pace_of(/* emulated= */ TRUE), *kvm = pace_of(/* emulated= */ FALSE);

    g_assert_cmpuint(emulated->claim_pause_ms, ==, 150);
    g_assert_cmpuint(emulated->exercises, ==, 3);
    g_assert_cmpuint(emulated->grace_s, ==, 20);
    g_assert_cmpuint(kvm->claim_pause_ms, ==, 20);
    g_assert_cmpuint(kvm->exercises, ==, 1);
    g_assert_cmpuint(kvm->grace_s, ==, 5);
}

static void
test_starts(void)
{
    static const struct {
        guint processors;
        gboolean is_waited_for;
        guint emulated, kvm;
    } cases[] = {
        {1, FALSE, 1, 2}, {2, FALSE, 1, 2}, {3, FALSE, 1, 2}, {4, FALSE, 2, 2}, {6, FALSE, 3, 3},
        {1, TRUE, 1, 2},  {2, TRUE, 2, 2},  {3, TRUE, 3, 3},  {8, TRUE, 8, 8},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpuint(pace_starts(pace_of(TRUE), cases[i].processors, cases[i].is_waited_for),
                         ==, cases[i].emulated);
        g_assert_cmpuint(pace_starts(pace_of(FALSE), cases[i].processors, cases[i].is_waited_for),
                         ==, cases[i].kvm);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pace/values", test_values);
    g_test_add_func("/pace/starts", test_starts);
    return g_test_run();
}
