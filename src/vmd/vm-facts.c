/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-facts: what a template's state depends on, as libvirt and QEMU report it.
 *
 * libvirt expands "host-model" at each start of a machine, and QEMU does not compare the CPU of a
 * saved state with its own. So a machine that is restored after an upgrade of libvirt could run on
 * another CPU than the one that its guest booted on, and fail at any later moment. An upgrade of
 * libvirt ends the connection, so the facts are compared again after each new connection.
 */
#include "vm-facts.h"

#include <sys/utsname.h>

#include "error.h"
#include "vm-domain-xml.h"
#include "vm-error.h"
#include "vm-facts-parse.h"

char *
facts_ask_capabilities(virConnectPtr libvirt, const char *type)
{
    return virConnectGetDomainCapabilities(libvirt, /* emulator= */ NULL, "x86_64", "q35", type,
                                           /* flags= */ 0);
}

static char *
ask_hypervisor(const char *emulator, GError **error)
{
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *output = NULL;
    char *hypervisor = NULL;

    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, error, emulator, "--version", NULL);
    if (!process || !g_subprocess_communicate_utf8(process, /* stdin= */ NULL,
                                                   /* cancellable= */ NULL, &output,
                                                   /* stderr= */ NULL, error))
        return NULL;
    if (output)
        hypervisor = facts_hypervisor(output);
    if (!hypervisor)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "'%s' does not report its version",
                    emulator);
    return hypervisor;
}

/* What the kernel reports about the processor and about itself. */
static void
fill_host(VmFacts *facts, const char *capabilities)
{
    g_autofree char *info = NULL;
    const char *cpuinfo = "";
    struct utsname kernel;

    if (g_file_get_contents("/proc/cpuinfo", &info, /* length= */ NULL, /* error= */ NULL))
        cpuinfo = info;
    uname(&kernel);
    facts->cpu_model =
        facts->emulated ? facts_emulated_cpu_model(cpuinfo) : facts_cpu_model(capabilities);
    facts->host =
        facts->emulated ? g_strdup("") : facts_host(kernel.release, kernel.version, cpuinfo);
}

gboolean
facts_fill(VmFacts *facts, const char *capabilities, GError **error)
{
    g_autofree char *emulator = facts_between(capabilities, "<path>", "</path>");

    fill_host(facts, capabilities);
    facts->machine_type = facts_between(capabilities, "<machine>", "</machine>");
    if (!emulator || !facts->machine_type || !facts->cpu_model) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "libvirt's capabilities lack the emulator, machine type or CPU model");
        return FALSE;
    }
    facts->definition = domain_definition(facts);
    facts->hypervisor = ask_hypervisor(emulator, error);
    return facts->hypervisor != NULL;
}

gboolean
facts_ask(virConnectPtr libvirt, const VmFacts *known, VmFacts *ret, GError **error)
{
    g_autofree char *capabilities =
        facts_ask_capabilities(libvirt, known->emulated ? "qemu" : "kvm");
    VmFacts facts = {.accelerator = known->accelerator, .emulated = known->emulated};

    if (!capabilities)
        return vm_error_set(error, "cannot ask for QEMU's capabilities");
    if (!facts_fill(&facts, capabilities, error)) {
        facts_clear(&facts);
        return FALSE;
    }
    *ret = facts;
    return TRUE;
}

gboolean
facts_check(KnownFacts *known, virConnectPtr libvirt, guint opening, GError **error)
{
    g_autofree char *change = NULL;
    VmFacts now;

    if ((guint)g_atomic_int_get(&known->checked_opening) == opening)
        return TRUE;
    if (!facts_ask(libvirt, &known->facts, &now, error))
        return FALSE;
    change = facts_find_change(&known->facts, &now);
    facts_clear(&now);
    if (!change) {
        g_atomic_int_set(&known->checked_opening, (gint)opening);
        return TRUE;
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY,
                "the templates do not fit the machines that libvirt makes now: %s; restart "
                "cloched to rebuild them",
                change);
    return FALSE;
}
