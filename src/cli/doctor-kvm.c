/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-kvm: the processor's flags and the kernel's modules. */
#include "doctor-kvm.h"

#include <errno.h>
#include <string.h>

#define NAME_PROCESSOR "processor"
#define NAME_MODULE "kernel module"
/* The lines of the first processor have less than 4 KiB. */
#define CPUINFO_MAX (64 * 1024)

/* Returns the words after "flags :" of the first processor; NULL without such a line, as on ARM. */
static char **
find_flags(const char *cpuinfo)
{
    g_auto(GStrv) lines = g_strsplit(cpuinfo, "\n", /* max_tokens= */ -1);

    for (char **line = lines; *line != NULL; line++) {
        const char *colon = strchr(*line, ':');

        if (colon == NULL || !g_str_has_prefix(*line, "flags"))
            continue;
        if (strspn(*line + strlen("flags"), " \t") == (gsize)(colon - *line) - strlen("flags"))
            return g_strsplit_set(colon + 1, " \t", /* max_tokens= */ -1);
    }
    return NULL;
}

static gboolean
has_flag(char **flags, const char *flag)
{
    return g_strv_contains((const char *const *)flags, flag);
}

static void
report_no_virtualization(Report *report, gboolean is_guest)
{
    report_add(report, VERDICT_WARNING, NAME_PROCESSOR,
               is_guest ? "no flag vmx or svm, and this host is a virtual machine: machines are "
                          "emulated, which is slow and not a security boundary"
                        : "no flag vmx or svm: machines are emulated, which is slow and not a "
                          "security boundary");
    report_advise(report, is_guest ? "enable nested virtualization for this virtual machine on its "
                                     "host (module kvm_intel or kvm_amd: nested=1; processor: "
                                     "host-passthrough)"
                                   : "enable Intel VT-x or AMD-V (SVM) in the firmware setup");
}

Processor
doctor_check_processor(const DoctorHost *host, Report *report)
{
    g_autofree char *cpuinfo =
        host_read(host, "/proc/cpuinfo", CPUINFO_MAX, /* ret_is_cut= */ NULL);
    g_auto(GStrv) flags = cpuinfo != NULL ? find_flags(cpuinfo) : NULL;
    Processor processor = {.is_known = flags != NULL};
    gboolean is_guest;

    if (cpuinfo == NULL) {
        host_report_unreadable(host, report, NAME_PROCESSOR, "/proc/cpuinfo");
        return processor;
    }
    if (flags == NULL) {
        report_add(report, VERDICT_UNKNOWN, NAME_PROCESSOR,
                   "/proc/cpuinfo has no line 'flags': cloche runs on x86-64");
        report_advise(report, "uname -m");
        return processor;
    }
    is_guest = has_flag(flags, "hypervisor");
    processor.flag = has_flag(flags, "vmx") ? "vmx" : has_flag(flags, "svm") ? "svm" : NULL;
    if (processor.flag == NULL)
        report_no_virtualization(report, is_guest);
    else
        report_add(report, VERDICT_OK, NAME_PROCESSOR, "it has %s%s", processor.flag,
                   is_guest ? "; this host is a virtual machine with nested virtualization" : "");
    return processor;
}

/* --- modules --- */

static const char *
find_module(const DoctorHost *host)
{
    static const char *const modules[] = {"kvm_intel", "kvm_amd", "kvm"};

    for (gsize i = 0; i < G_N_ELEMENTS(modules); i++) {
        g_autofree char *path = g_strconcat("/sys/module/", modules[i], NULL);

        if (host_has(host, path))
            return modules[i];
    }
    return NULL;
}

/* A module registers the device only after it has found the processor usable. */
void
doctor_check_modules(const DoctorHost *host, Report *report, const Processor *processor)
{
    const char *module = find_module(host);
    const char *wanted = g_strcmp0(processor->flag, "svm") == 0 ? "kvm_amd" : "kvm_intel";

    if (host_has(host, "/sys/class/misc/kvm")) {
        report_add(report, VERDICT_OK, NAME_MODULE, "%s",
                   module != NULL ? module : "the kernel has KVM");
    } else if (!host_has(host, "/sys/class/misc")) {
        report_add(report, VERDICT_UNKNOWN, NAME_MODULE, "/sys/class/misc does not exist");
        report_advise(report, "mount -t sysfs sysfs /sys");
    } else if (processor->flag != NULL) {
        report_add(report, VERDICT_PROBLEM, NAME_MODULE,
                   g_strcmp0(module, wanted) == 0 ? "%s is loaded, but the kernel offers no KVM"
                                                  : "%s is not loaded",
                   wanted);
        report_advise(report,
                      "modprobe %s; if that fails, 'journalctl -k -b -g kvm' shows why (often: "
                      "disabled by the firmware)",
                      wanted);
    }
}
