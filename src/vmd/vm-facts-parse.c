/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-facts-parse: parsers of the texts by which libvirt, QEMU and the kernel describe themselves.
 */
#include "vm-facts-parse.h"

#include <string.h>

#define DIGEST_CHARS 12

char *
facts_between(const char *text, const char *before, const char *after)
{
    const char *begin = strstr(text, before), *end;

    if (!begin)
        return NULL;
    begin += strlen(before);
    end = strstr(begin, after);
    return end ? g_strndup(begin, (gsize)(end - begin)) : NULL;
}

char *
facts_cpu_model(const char *capabilities)
{
    g_autofree char *mode = facts_between(capabilities, "<mode name='host-model'", "</mode>");
    g_autofree char *model = mode ? facts_between(mode, "<model ", "</model>") : NULL;
    const char *name = model ? strchr(model, '>') : NULL;
    g_autofree char *digest = NULL;

    if (!name)
        return NULL;
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, mode, /* length= */ -1);
    return g_strdup_printf("%s %.*s", name + 1, DIGEST_CHARS, digest);
}

char *
facts_emulated_cpu_model(const char *cpuinfo)
{
    g_autofree char *name = facts_between(cpuinfo, "model name\t: ", "\n");

    return g_strconcat("maximum on ", name ? name : "an unnamed processor", NULL);
}

char *
facts_hypervisor(const char *version_output)
{
    g_autofree char *version = facts_between(version_output, "QEMU emulator version ", "\n");

    return version ? g_strconcat("QEMU ", version, NULL) : NULL;
}

char *
facts_host(const char *release, const char *version, const char *cpuinfo)
{
    g_autofree char *microcode = facts_between(cpuinfo, "microcode\t: ", "\n");

    return g_strdup_printf("Linux %s %s, microcode %s", release, version,
                           microcode ? microcode : "unknown");
}
