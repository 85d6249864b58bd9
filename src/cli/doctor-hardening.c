/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-hardening: side channels between sandboxes, and host code that guests can reach. */
#include <errno.h>
#include <string.h>

#include "doctor-checks.h"

#define QEMU_CONF "/etc/libvirt/qemu.conf"
#define QEMU_CONF_MAX (1024 * 1024)
#define SHARED_CORES                                                                               \
    "is on: two sandboxes may share a core, and observe each other through its timing"
#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"
#define VULNERABILITIES_MAX 256

/* --- SMT --- */

/* Whether a line of qemu.conf gives each machine its own core scheduling group. */
static gboolean
separates_cores(const char *line)
{
    static const char *const values[] = {"\"vcpus\"", "\"emulator\"", "\"full\""};
    g_autofree char *word = g_strstrip(g_strdup(line));
    const char *value;

    if (!g_str_has_prefix(word, "sched_core"))
        return FALSE;
    value = word + strlen("sched_core");
    value += strspn(value, " \t");
    if (*value != '=')
        return FALSE;
    value++;
    value += strspn(value, " \t");
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
        if (g_str_has_prefix(value, values[i]))
            return TRUE;
    return FALSE;
}

static gboolean
has_core_scheduling(const char *conf)
{
    g_auto(GStrv) lines = g_strsplit(conf, "\n", /* max_tokens= */ -1);

    for (char **line = lines; *line != NULL; line++)
        if (separates_cores(*line))
            return TRUE;
    return FALSE;
}

void
doctor_check_smt(const DoctorHost *host, Report *report)
{
    static const char path[] = "/sys/devices/system/cpu/smt/active";
    g_autofree char *active = host_word(host, path);
    g_autofree char *conf = NULL;

    if (active == NULL) {
        host_report_unreadable(host, report, "SMT", path);
        return;
    }
    if (g_str_equal(active, "0")) {
        report_add(report, VERDICT_OK, "SMT", "is off: no two sandboxes share a core");
        return;
    }
    if (host->of_user) { /* its libvirt does not read /etc */
        report_add(report, VERDICT_WARNING, "SMT", "%s", SHARED_CORES);
        report_advise(report, "boot with nosmt");
        return;
    }
    conf = host_read(host, QEMU_CONF, QEMU_CONF_MAX, /* ret_is_cut= */ NULL);
    if (conf == NULL && errno != ENOENT) {
        host_report_unreadable(host, report, "SMT", QEMU_CONF);
    } else if (conf != NULL && has_core_scheduling(conf)) {
        report_add(report, VERDICT_OK, "SMT",
                   "is on, and sched_core in " QEMU_CONF
                   " keeps two sandboxes from sharing a core");
    } else {
        report_add(report, VERDICT_WARNING, "SMT", "%s", SHARED_CORES);
        report_advise(report, "set sched_core = \"full\" in " QEMU_CONF
                              " and restart libvirtd, or boot with nosmt");
    }
}

/* --- nested virtualization --- */

void
doctor_check_nested(const DoctorHost *host, Report *report)
{
    static const char *const modules[] = {"kvm_intel", "kvm_amd"};

    for (gsize i = 0; i < G_N_ELEMENTS(modules); i++) {
        g_autofree char *path = g_strdup_printf("/sys/module/%s/parameters/nested", modules[i]);
        g_autofree char *nested = host_word(host, path);

        if (nested == NULL)
            continue;
        if (g_str_equal(nested, "0") || g_str_equal(nested, "N")) {
            report_add(report, VERDICT_OK, "nested", "nested virtualization is disabled in %s",
                       modules[i]);
            return;
        }
        report_add(report, VERDICT_WARNING, "nested",
                   "nested virtualization is enabled in %s. Sandboxes cannot use it, but it adds "
                   "kernel code that a guest could attack",
                   modules[i]);
        report_advise(report,
                      "unless other guests need it, put 'options %s nested=0' into "
                      "/etc/modprobe.d/cloche.conf and reboot",
                      modules[i]);
        return;
    }
}

/* --- vulnerabilities --- */

static gboolean
is_vulnerable(const char *line)
{
    g_autofree char *lower = g_ascii_strdown(line, -1);

    return strstr(lower, "vulnerable") != NULL;
}

/* Returns whether there is something to report. */
static gboolean
check_vulnerability(const DoctorHost *host, Report *report, const char *name)
{
    g_autofree char *path = g_strconcat(VULNERABILITIES "/", name, NULL);
    g_autofree char *line = host_word(host, path);

    if (line == NULL) {
        host_report_unreadable(host, report, name, path);
        return TRUE;
    }
    if (!is_vulnerable(line))
        return FALSE;
    report_add(report, VERDICT_WARNING, name, "%s", line);
    report_advise(report, "update the kernel and the processor's microcode (apt install "
                          "intel-microcode or amd64-microcode), and reboot");
    return TRUE;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted; NULL with errno. */
static GPtrArray *
list_vulnerabilities(const DoctorHost *host)
{
    g_autofree char *path = host_path(host, VULNERABILITIES);
    g_autoptr(GDir) folder = NULL;
    GPtrArray *names;
    const char *name;

    errno = 0;
    folder = g_dir_open(path, /* flags= */ 0, /* error= */ NULL);
    if (folder == NULL)
        return NULL;
    names = g_ptr_array_new_with_free_func(g_free);
    while (names->len < VULNERABILITIES_MAX && (name = g_dir_read_name(folder)) != NULL)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    return names;
}

void
doctor_check_vulnerabilities(const DoctorHost *host, Report *report)
{
    g_autoptr(GPtrArray) names = list_vulnerabilities(host);
    guint n_reported = 0;

    if (names == NULL) {
        host_report_unreadable(host, report, "vulnerabilities", VULNERABILITIES);
        return;
    }
    for (guint i = 0; i < names->len; i++)
        n_reported += check_vulnerability(host, report, names->pdata[i]);
    if (n_reported == 0)
        report_add(report, VERDICT_OK, "vulnerabilities",
                   "the kernel knows %u; none of them affects this processor without mitigation",
                   names->len);
}

/* --- KSM --- */

/* QEMU excludes machines of cloche from it (mem-merge=off). */
void
doctor_check_ksm(const DoctorHost *host, Report *report)
{
    static const char path[] = "/sys/kernel/mm/ksm/run";
    g_autofree char *run = host_word(host, path);

    if (run == NULL && errno == ENOENT)
        report_add(report, VERDICT_OK, "KSM", "the kernel does not have it");
    else if (run == NULL)
        host_report_unreadable(host, report, "KSM", path);
    else if (g_str_equal(run, "1"))
        report_add(report, VERDICT_OK, "KSM",
                   "is on for other programs; the memory of sandboxes is excluded");
    else
        report_add(report, VERDICT_OK, "KSM", "is off");
}
