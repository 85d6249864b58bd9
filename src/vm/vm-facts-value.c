/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-facts-value: facts whose strings are owned. */
#include "vm-facts-value.h"

void
facts_copy(VmFacts *to, const VmFacts *from)
{
    *to = *from;
    to->hypervisor = g_strdup(from->hypervisor);
    to->machine_type = g_strdup(from->machine_type);
    to->definition = g_strdup(from->definition);
    to->cpu_model = g_strdup(from->cpu_model);
    to->host = g_strdup(from->host);
    to->kvm_error = g_strdup(from->kvm_error);
}

void
facts_clear(VmFacts *facts)
{
    g_free((char *)facts->hypervisor);
    g_free((char *)facts->machine_type);
    g_free((char *)facts->cpu_model);
    g_free((char *)facts->host);
    g_free((char *)facts->definition);
    g_free((char *)facts->kvm_error);
    *facts = (VmFacts){0};
}

char *
facts_find_change(const VmFacts *before, const VmFacts *now)
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
