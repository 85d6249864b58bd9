/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-facts: whether the facts that templates were made by still hold.
 *
 * libvirt expands "host-model" anew at each start of a machine, and QEMU does not compare the CPU
 * of a saved state with its own. So a machine that is restored after an upgrade of libvirt could
 * run on another CPU than its guest has booted on, and fail at any later moment. An upgrade of
 * libvirt ends the connection: the facts are asked for again whenever there is a new one.
 */
#include "error.h"
#include "vm-libvirt.h"
#include "vm-probe.h"

char *
probe_find_change(const VmFacts *before, const VmFacts *now)
{
    const struct {
        const char *name, *before, *now;
    } facts[] = {
        {"the hypervisor", before->hypervisor, now->hypervisor},
        {"the machine type", before->machine_type, now->machine_type},
        {"the CPU model", before->cpu_model, now->cpu_model},
        {"the host", before->host, now->host},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(facts); i++)
        if (!g_str_equal(facts[i].before, facts[i].now))
            return g_strdup_printf("%s was '%s' and is '%s'", facts[i].name, facts[i].before,
                                   facts[i].now);
    return NULL;
}

gboolean
vm_check_facts(LibvirtVm *vm, virConnectPtr connection, GError **error)
{
    /* Read before the question: what a later connection answers is asked for again. */
    guint opened = vm_count_openings(vm);
    g_autofree char *change = NULL;
    VmFacts now;

    if ((guint)g_atomic_int_get(&vm->checked) == opened)
        return TRUE;
    if (!vm_ask_facts(connection, &vm->facts, &now, error))
        return FALSE;
    change = probe_find_change(&vm->facts, &now);
    vm_facts_clear(&now);
    if (!change) {
        g_atomic_int_set(&vm->checked, (gint)opened);
        return TRUE;
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY,
                "the templates do not fit the machines that libvirt makes now: %s; restart "
                "cloched, which makes them anew",
                change);
    return FALSE;
}
