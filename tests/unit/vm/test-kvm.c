/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-kvm: the service determines whether to expect KVM, why it does not work, and when to try
 * again. */
#include <string.h>

#include "vm-kvm.h"

static void
test_promised(void)
{
    g_assert_true(kvm_is_promised("processor\t: 0\nflags\t\t: fpu vmx sse\n"));
    g_assert_true(kvm_is_promised("flags\t\t: fpu svm\n"));
    g_assert_true(kvm_is_promised("flags\t\t: svm fpu"));
    g_assert_true(kvm_is_promised("flags\t\t: fpu\n\nprocessor\t: 1\nflags\t\t: fpu vmx\n"));
    g_assert_false(kvm_is_promised("flags\t\t: fpu svm_lock vmx_x nosvm hypervisor\n"));
    g_assert_false(kvm_is_promised("model name\t: vmx svm\nbugs\t\t: svm\nflags\t\t: fpu\n"));
    g_assert_false(kvm_is_promised("vmx flags\t: vnmi vmx\nflags\t\t: fpu\n"));
    g_assert_false(kvm_is_promised(""));
}

static void
assert_reason(const char *text, const char *expected)
{
    g_autofree char *reason = kvm_reason(text);

    g_assert_cmpstr(reason, ==, expected);
}

static void
test_reason(void)
{
    assert_reason("machine 'p' did not start: internal error: Could not access KVM kernel module: "
                  "Permission denied\nqemu-system-x86_64: failed to initialize kvm\n",
                  "machine 'p' did not start: internal error: Could not access KVM kernel module: "
                  "Permission denied qemu-system-x86_64: failed to initialize kvm");
    assert_reason("  a\t\r\n\n  b\033[31m  ", "a b [31m");
    assert_reason("\xc3\xa9\xff", "\xc3\xa9\xef\xbf\xbd");
    assert_reason("monitor: kvm version too old\n2026-11-28T19:04:05.427785Z qemu-system-x86_64: "
                  "-accel kvm: failed\n2026-11-28T19:04:05Z qemu: gone",
                  "monitor: kvm version too old qemu-system-x86_64: -accel kvm: failed qemu: gone");
    assert_reason("at 19:04:05 on 2026-11-28", "at 19:04:05 on 2026-11-28");
    assert_reason("", "no reason was given");
    assert_reason("\n \n", "no reason was given");
}

/* Not in the middle of a character. */
static void
test_long_reason(void)
{
    g_autofree char *longest = g_strnfill(KVM_REASON_MAX, 'x');
    g_autofree char *longer = g_strconcat(longest, "y", NULL);
    g_autofree char *wide = g_strconcat(longest + 1, "\xc3\xa9", NULL);

    assert_reason(longest, longest);
    assert_reason(longer, longest);
    assert_reason(wide, longest + 1);
    assert_reason(wide + 1, wide + 1);
}

static void
test_ends(void)
{
    g_assert_null(kvm_end_reason(MACHINE_SHUT_DOWN));
    g_assert_nonnull(strstr(kvm_end_reason(MACHINE_PANICKED), "panicked"));
    g_assert_nonnull(strstr(kvm_end_reason(MACHINE_DIED), "QEMU died"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/kvm/promised", test_promised);
    g_test_add_func("/vm/kvm/reason", test_reason);
    g_test_add_func("/vm/kvm/long-reason", test_long_reason);
    g_test_add_func("/vm/kvm/ends", test_ends);
    return g_test_run();
}
