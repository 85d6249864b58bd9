/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-kvm: 'cloche doctor' checks the processor's flags and the modules of KVM. */
#include "doctor-kvm.h"
#include "doctor-tree.h"

#define BEFORE "processor\t: 0\nvendor_id\t: GenuineIntel\n"

static Processor
check_flags(Tree *tree, const char *flags)
{
    g_autofree char *text =
        g_strdup_printf(BEFORE "flags\t\t: fpu %s sse\nvmx flags\t: vnmi ept\n\n", flags);

    tree_write(tree, "/proc/cpuinfo", text);
    return doctor_check_processor(&tree->host, tree->report);
}

static void
test_virtualization(void)
{
    g_autoptr(Tree) tree = tree_new();
    Processor processor;

    processor = check_flags(tree, "vmx");
    g_assert_cmpstr(processor.flag, ==, "vmx");
    g_assert_true(processor.is_known);
    assert_finding(tree, VERDICT_OK, "processor", "it has vmx", NULL);
    processor = check_flags(tree, "svm");
    g_assert_cmpstr(processor.flag, ==, "svm");
    assert_finding(tree, VERDICT_OK, "processor", "it has svm", NULL);
    check_flags(tree, "vmx hypervisor");
    assert_finding(tree, VERDICT_OK, "processor", "virtual machine with nested", NULL);
}

/* Words that only resemble the flags, and the line "vmx flags", do not count. */
static void
test_no_virtualization(void)
{
    g_autoptr(Tree) tree = tree_new();
    Processor processor = check_flags(tree, "vmxx svm_lock");

    g_assert_null(processor.flag);
    g_assert_true(processor.is_known);
    assert_finding(tree, VERDICT_WARNING, "processor", "no flag vmx or svm", "firmware");
    check_flags(tree, "hypervisor");
    assert_finding(tree, VERDICT_WARNING, "processor",
                   "is a virtual machine: machines are emulated", "nested=1");
}

static void
test_unknown_processor(void)
{
    g_autoptr(Tree) tree = tree_new();
    Processor processor = doctor_check_processor(&tree->host, tree->report);

    g_assert_false(processor.is_known);
    assert_finding(tree, VERDICT_UNKNOWN, "processor", "No such file", "ls -l /proc/cpuinfo");
    tree_write(tree, "/proc/cpuinfo", "");
    doctor_check_processor(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "processor", "no line 'flags'", "uname -m");
    tree_write(tree, "/proc/cpuinfo", "Features : fp vmx\nflags of ours: vmx\nflags\n");
    doctor_check_processor(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "processor", "no line 'flags'", "uname -m");
}

/* Only the first 64 KiB are read, which contain the first of thousands of processors. */
static void
test_huge_cpuinfo(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *inside = g_strnfill(64 * 1024 - strlen("\nflags\t: vmx"), 'x');
    g_autofree char *text = g_strconcat(inside, "\nflags\t: vmx", NULL);
    g_autofree char *outside = g_strconcat(inside, "x\nflags\t: vmx", NULL);
    Processor processor;

    tree_write(tree, "/proc/cpuinfo", text);
    processor = doctor_check_processor(&tree->host, tree->report);
    g_assert_cmpstr(processor.flag, ==, "vmx");
    assert_finding(tree, VERDICT_OK, "processor", "vmx", NULL);
    tree_write(tree, "/proc/cpuinfo", outside);
    processor = doctor_check_processor(&tree->host, tree->report);
    g_assert_null(processor.flag);
    assert_finding(tree, VERDICT_WARNING, "processor", "no flag", "firmware");
}

static void
check_modules(Tree *tree, const char *flag)
{
    const Processor processor = {flag, TRUE};

    doctor_check_modules(&tree->host, tree->report, &processor);
}

static void
test_modules(void)
{
    g_autoptr(Tree) tree = tree_new();

    check_modules(tree, "vmx");
    assert_finding(tree, VERDICT_UNKNOWN, "kernel module", "/sys/class/misc", "mount");
    tree_make_folder(tree, "/sys/class/misc");
    check_modules(tree, NULL);
    assert_silent(tree);
    check_modules(tree, "vmx");
    assert_finding(tree, VERDICT_PROBLEM, "kernel module", "kvm_intel is not loaded",
                   "modprobe kvm_intel");
    check_modules(tree, "svm");
    assert_finding(tree, VERDICT_PROBLEM, "kernel module", "kvm_amd is not loaded",
                   "modprobe kvm_amd");
    tree_make_folder(tree, "/sys/module/kvm"); /* this module alone does not provide KVM */
    check_modules(tree, "svm");
    assert_finding(tree, VERDICT_PROBLEM, "kernel module", "kvm_amd is not loaded",
                   "modprobe kvm_amd");
    tree_make_folder(tree, "/sys/module/kvm_amd");
    check_modules(tree, "svm");
    assert_finding(tree, VERDICT_PROBLEM, "kernel module", "loaded, but the kernel offers no KVM",
                   "firmware");
    tree_make_folder(tree, "/sys/class/misc/kvm");
    check_modules(tree, "svm");
    assert_finding(tree, VERDICT_OK, "kernel module", "kvm_amd", NULL);
    tree_remove(tree, "/sys/module");
    check_modules(tree, "vmx");
    assert_finding(tree, VERDICT_OK, "kernel module", "the kernel has KVM", NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-kvm/virtualization", test_virtualization);
    g_test_add_func("/cli/doctor-kvm/no-virtualization", test_no_virtualization);
    g_test_add_func("/cli/doctor-kvm/unknown-processor", test_unknown_processor);
    g_test_add_func("/cli/doctor-kvm/huge-cpuinfo", test_huge_cpuinfo);
    g_test_add_func("/cli/doctor-kvm/modules", test_modules);
    return g_test_run();
}
