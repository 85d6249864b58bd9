/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-probe: what is read out of libvirt's and QEMU's words about themselves. */
#include <string.h>

#include "vm-probe.h"

static void
test_between(void)
{
    g_autofree char *found = probe_between("<a>1</a><a>2</a>", "<a>", "</a>");

    g_assert_cmpstr(found, ==, "1");
    g_assert_null(probe_between("<a>1", "<a>", "</a>"));
    g_assert_null(probe_between("1</a>", "<a>", "</a>"));
}

static void
test_hypervisor(void)
{
    g_autofree char *debian = probe_hypervisor(
        "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022\n");

    g_assert_cmpstr(debian, ==, "QEMU 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)");
    g_assert_null(probe_hypervisor("Segmentation fault\n"));
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
    g_autofree char *one = probe_cpu_model(one_text), *again = probe_cpu_model(one_text);
    g_autofree char *two = probe_cpu_model(two_text);

    g_assert_true(g_str_has_prefix(one, "EPYC-Rome "));
    g_assert_cmpuint(strlen(one), ==, strlen("EPYC-Rome ") + 12);
    g_assert_cmpstr(one, ==, again);
    g_assert_cmpstr(one, !=, two);
    g_assert_null(probe_cpu_model("<cpu><mode name='host-model' supported='no'/></cpu>"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/probe/between", test_between);
    g_test_add_func("/vm/probe/hypervisor", test_hypervisor);
    g_test_add_func("/vm/probe/cpu-model", test_cpu_model);
    return g_test_run();
}
