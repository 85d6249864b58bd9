/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-facts-parse: the descriptions of libvirt, QEMU and the kernel are parsed. */
#include <string.h>

#include "vm-facts-parse.h"
#include "vm-facts-value.h"

static void
test_between(void)
{
    g_autofree char *found = facts_between("<a>1</a><a>2</a>", "<a>", "</a>");

    g_assert_cmpstr(found, ==, "1");
    g_assert_null(facts_between("<a>1", "<a>", "</a>"));
    g_assert_null(facts_between("1</a>", "<a>", "</a>"));
}

static void
test_hypervisor(void)
{
    g_autofree char *debian = facts_hypervisor(
        "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022\n");

    g_assert_cmpstr(debian, ==, "QEMU 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)");
    g_assert_null(facts_hypervisor("Segmentation fault\n"));
}

static char *
capabilities(const char *feature)
{
    return g_strdup_printf("<cpu><mode name='maximum' supported='yes'/>"
                           "<mode name='host-model' supported='yes'>\n"
                           "<model fallback='forbid'>EPYC-Rome</model>\n"
                           "<feature policy='require' name='%s'/></mode></cpu>",
                           feature);
}

/* Another set of features is another model, whatever it is called. */
static void
test_cpu_model(void)
{
    g_autofree char *one_text = capabilities("x2apic"), *two_text = capabilities("ssbd");
    g_autofree char *one = facts_cpu_model(one_text), *again = facts_cpu_model(one_text);
    g_autofree char *two = facts_cpu_model(two_text);

    g_assert_true(g_str_has_prefix(one, "EPYC-Rome "));
    g_assert_cmpuint(strlen(one), ==, strlen("EPYC-Rome ") + 12);
    g_assert_cmpstr(one, ==, again);
    g_assert_cmpstr(one, !=, two);
    g_assert_null(facts_cpu_model("<cpu><mode name='host-model' supported='no'/></cpu>"));
}

/* Each update of kernel or microcode is another host. */
static void
test_host(void)
{
    static const char cpuinfo[] = "model name\t: A CPU\nstepping\t: 1\nmicrocode\t: 0x8301055\n"
                                  "cpu MHz\t\t: 2000\n\nmicrocode\t: 0x1\n";
    g_autofree char *host = facts_host("6.1.0-28-amd64", "#1 SMP Debian 6.1.119-1", cpuinfo);
    g_autofree char *unknown = facts_host("6.1.0-28-amd64", "#1", "model name\t: A CPU\n");

    g_assert_cmpstr(host, ==, "Linux 6.1.0-28-amd64 #1 SMP Debian 6.1.119-1, microcode 0x8301055");
    g_assert_cmpstr(unknown, ==, "Linux 6.1.0-28-amd64 #1, microcode unknown");
}

static const VmFacts facts = {.hypervisor = "QEMU 7.2",
                              .machine_type = "pc-q35-7.2",
                              .cpu_model = "EPYC 1",
                              .host = "Linux 6.1, microcode 0x1",
                              .accelerator = "kvm"};

static void
assert_change(VmFacts now, const char *expected)
{
    g_autofree char *change = facts_find_change(&facts, &now);

    g_assert_cmpstr(change, ==, expected);
}

static void
test_change(void)
{
    VmFacts now = facts;

    assert_change(now, NULL);
    now.definition = "another text of the same program"; /* not compared: this program makes it */
    assert_change(now, NULL);
    now.cpu_model = "EPYC 2";
    assert_change(now, "the CPU model was 'EPYC 1' and is 'EPYC 2'");
    now = facts;
    now.hypervisor = "QEMU 7.3";
    assert_change(now, "the hypervisor was 'QEMU 7.2' and is 'QEMU 7.3'");
    now = facts;
    now.machine_type = "pc-q35-8.0";
    assert_change(now, "the machine type was 'pc-q35-7.2' and is 'pc-q35-8.0'");
    now = facts;
    now.host = "Linux 6.1, microcode 0x2";
    assert_change(now, "the host was 'Linux 6.1, microcode 0x1' and is 'Linux 6.1, microcode 0x2'");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/facts-parse/between", test_between);
    g_test_add_func("/vm/facts-parse/hypervisor", test_hypervisor);
    g_test_add_func("/vm/facts-parse/cpu-model", test_cpu_model);
    g_test_add_func("/vm/facts-parse/host", test_host);
    g_test_add_func("/vm/facts-parse/change", test_change);
    return g_test_run();
}
