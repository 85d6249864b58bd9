/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-hardening: 'cloche doctor' checks SMT, nested virtualization, vulnerabilities and
 * KSM. */
#include "doctor-checks.h"
#include "doctor-tree.h"

#define SMT "/sys/devices/system/cpu/smt/active"
#define CONF "/etc/libvirt/qemu.conf"
#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"

static void
assert_smt(Tree *tree, const char *conf, Verdict verdict, const char *text, const char *action)
{
    tree_write(tree, CONF, conf);
    doctor_check_smt(&tree->host, tree->report);
    assert_finding(tree, verdict, "SMT", text, action);
}

static void
test_smt(void)
{
    g_autoptr(Tree) tree = tree_new();

    doctor_check_smt(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "SMT", "No such file", "ls -l");
    tree_write(tree, SMT, "0\n");
    doctor_check_smt(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "SMT", "is off", NULL);
    tree_write(tree, SMT, "1\n");
    doctor_check_smt(&tree->host, tree->report);
    assert_finding(tree, VERDICT_WARNING, "SMT", "is on: two sandboxes", "sched_core = \"full\"");
    assert_smt(tree, "#sched_core = \"full\"\n", VERDICT_WARNING, "is on", "nosmt");
    assert_smt(tree, "sched_core = \"none\"\n", VERDICT_WARNING, "is on", "nosmt");
    assert_smt(tree, "sched_core_x = \"full\"\n", VERDICT_WARNING, "is on", "nosmt");
    assert_smt(tree, "sched_core\n", VERDICT_WARNING, "is on", "nosmt");
    assert_smt(tree, "a\n  sched_core = \"full\" # b\n", VERDICT_OK,
               "keeps two sandboxes from sharing", NULL);
    assert_smt(tree, "sched_core=\"vcpus\"", VERDICT_OK, "keeps two sandboxes from sharing", NULL);
    assert_smt(tree, "sched_core =\"emulator\"", VERDICT_OK, "keeps two sandboxes from sharing",
               NULL);
}

/* The libvirt inside of cloched --user reads no file in /etc. A file that cannot be read is
 * reported. */
static void
test_smt_elsewhere(void)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, SMT, "1\n");
    tree->host.of_user = TRUE;
    assert_smt(tree, "sched_core = \"full\"\n", VERDICT_WARNING, "is on", "boot with nosmt");
    tree->host.of_user = FALSE;
    tree_remove(tree, CONF);
    tree_make_folder(tree, CONF);
    doctor_check_smt(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "SMT", CONF, "ls -l " CONF);
}

static void
assert_nested(const char *module, const char *value, Verdict verdict, const char *action)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *path = g_strdup_printf("/sys/module/%s/parameters/nested", module);

    tree_write(tree, path, value);
    doctor_check_nested(&tree->host, tree->report);
    assert_finding(tree, verdict, "nested", module, action);
}

static void
test_nested(void)
{
    g_autoptr(Tree) tree = tree_new();

    doctor_check_nested(&tree->host, tree->report);
    assert_silent(tree);
    assert_nested("kvm_intel", "Y\n", VERDICT_WARNING, "'options kvm_intel nested=0'");
    assert_nested("kvm_intel", "N\n", VERDICT_OK, NULL);
    assert_nested("kvm_amd", "1\n", VERDICT_WARNING, "'options kvm_amd nested=0'");
    assert_nested("kvm_amd", "0\n", VERDICT_OK, NULL);
}

static void
assert_vulnerability(const char *line, gboolean is_open)
{
    g_autoptr(Tree) tree = tree_new();

    tree_write(tree, VULNERABILITIES "/mds", line);
    tree_write(tree, VULNERABILITIES "/l1tf", "Not affected\n");
    doctor_check_vulnerabilities(&tree->host, tree->report);
    if (is_open)
        assert_finding(tree, VERDICT_WARNING, "mds", line, "microcode");
    else
        assert_finding(tree, VERDICT_OK, "vulnerabilities", "knows 2", NULL);
}

static void
test_vulnerabilities(void)
{
    assert_vulnerability("Not affected", FALSE);
    assert_vulnerability("Mitigation: Clear CPU buffers; SMT disabled", FALSE);
    assert_vulnerability("", FALSE);
    assert_vulnerability("Vulnerable", TRUE);
    assert_vulnerability("Mitigation: Clear CPU buffers; SMT vulnerable", TRUE);
    assert_vulnerability("KVM: Vulnerable", TRUE);
    assert_vulnerability("Mitigation: PTE Inversion; VMX: vulnerable", TRUE);
}

static void
test_odd_vulnerabilities(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *huge = g_strnfill(1024 * 1024, 'v');

    doctor_check_vulnerabilities(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "vulnerabilities", "cannot be read", "ls -l");
    tree_make_folder(tree, VULNERABILITIES);
    doctor_check_vulnerabilities(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "vulnerabilities", "knows 0", NULL);
    tree_write(tree, VULNERABILITIES "/huge", huge);
    doctor_check_vulnerabilities(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "vulnerabilities", "knows 1", NULL);
    tree_make_folder(tree, VULNERABILITIES "/folder");
    doctor_check_vulnerabilities(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "folder", "cannot be read", "ls -l");
    tree_remove(tree, VULNERABILITIES);
    tree_write(tree, VULNERABILITIES, "");
    doctor_check_vulnerabilities(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "vulnerabilities", "Not a directory", "ls -l");
}

/* Names are listed up to a limit, and are sorted. */
static void
test_many_vulnerabilities(void)
{
    g_autoptr(Tree) tree = tree_new();

    for (int i = 0; i < 257; i++) {
        g_autofree char *path = g_strdup_printf(VULNERABILITIES "/v%03d", i);

        tree_write(tree, path, "Vulnerable");
        if (i < 255)
            continue;
        doctor_check_vulnerabilities(&tree->host, tree->report);
        g_assert_cmpuint(tree->report->findings->len, ==, 256);
        for (int j = 1; j < 256; j++)
            g_assert_cmpstr(((Finding *)tree->report->findings->pdata[j - 1])->name, <,
                            ((Finding *)tree->report->findings->pdata[j])->name);
        g_ptr_array_set_size(tree->report->findings, 0);
    }
}

static void
test_ksm(void)
{
    g_autoptr(Tree) tree = tree_new();

    doctor_check_ksm(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "KSM", "does not have it", NULL);
    tree_write(tree, "/sys/kernel/mm/ksm/run", "0\n");
    doctor_check_ksm(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "KSM", "is off", NULL);
    tree_write(tree, "/sys/kernel/mm/ksm/run", "1\n");
    doctor_check_ksm(&tree->host, tree->report);
    assert_finding(tree, VERDICT_OK, "KSM", "is excluded", NULL);
    tree_remove(tree, "/sys/kernel/mm/ksm/run");
    tree_make_folder(tree, "/sys/kernel/mm/ksm/run");
    doctor_check_ksm(&tree->host, tree->report);
    assert_finding(tree, VERDICT_UNKNOWN, "KSM", "cannot be read", "ls -l");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-hardening/smt", test_smt);
    g_test_add_func("/cli/doctor-hardening/smt-elsewhere", test_smt_elsewhere);
    g_test_add_func("/cli/doctor-hardening/nested", test_nested);
    g_test_add_func("/cli/doctor-hardening/vulnerabilities", test_vulnerabilities);
    g_test_add_func("/cli/doctor-hardening/odd-vulnerabilities", test_odd_vulnerabilities);
    g_test_add_func("/cli/doctor-hardening/many-vulnerabilities", test_many_vulnerabilities);
    g_test_add_func("/cli/doctor-hardening/ksm", test_ksm);
    return g_test_run();
}
