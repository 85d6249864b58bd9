/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-confine: AppArmor and SELinux. */
#include <errno.h>
#include <string.h>

#include "doctor-checks.h"

#define FOLDER "/etc/apparmor.d/abstractions"
#define LIBVIRT FOLDER "/libvirt-qemu" /* libvirt's rules for all machines */
#define OURS FOLDER "/libvirt-qemu.d/cloche"
#define LOCAL "/etc/apparmor.d/local/abstractions/libvirt-qemu"
#define RULES_MAX (1024 * 1024)
#define INCLUDE "include if exists <abstractions/libvirt-qemu.d/cloche>"

/* In AppArmor's rules, "#include" is not a comment. */
static gboolean
line_includes(const char *line, const char *what)
{
    line += strspn(line, " \t#");
    return g_str_has_prefix(line, "include") && strstr(line, what) != NULL;
}

/* Whether the file includes `what`. FALSE with errno 0 if it can be read and does not. */
static gboolean
file_includes(const DoctorHost *host, const char *path, const char *what)
{
    g_autofree char *text = host_read(host, path, RULES_MAX, /* ret_is_cut= */ NULL);
    g_auto(GStrv) lines = NULL;

    if (text == NULL)
        return FALSE;
    lines = g_strsplit(text, "\n", /* max_tokens= */ -1);
    errno = 0;
    for (char **line = lines; *line != NULL; line++)
        if (line_includes(*line, what))
            return TRUE;
    return FALSE;
}

static void
check_rules(const DoctorHost *host, Report *report)
{
    if (!host_has(host, LIBVIRT)) {
        report_add(report, VERDICT_WARNING, "AppArmor",
                   "is enabled, but libvirt has no rules for machines on this host, so they are "
                   "not confined");
        report_advise(report, "apt install libvirt-daemon-system apparmor; systemctl restart "
                              "libvirtd");
    } else if (!host_has(host, OURS)) {
        report_add(report, VERDICT_PROBLEM, "AppArmor",
                   "is enabled, and " OURS
                   " is missing: machines may not map their templates' RAM");
        report_advise(report, "reinstall cloche: meson install -C build, or sudo ./quickstart.sh");
    } else if (file_includes(host, LIBVIRT, "<abstractions/libvirt-qemu.d") ||
               file_includes(host, LOCAL, "<abstractions/libvirt-qemu.d")) {
        report_add(report, VERDICT_OK, "AppArmor",
                   "is enabled, and libvirt's rules include those of cloche");
    } else if (errno != 0 && errno != ENOENT) {
        host_report_unreadable(host, report, "AppArmor", LOCAL);
    } else {
        report_add(report, VERDICT_PROBLEM, "AppArmor",
                   "is enabled, and libvirt's rules do not include those of cloche: machines may "
                   "not map their templates' RAM");
        report_advise(report, "as root: echo '" INCLUDE "' >>" LOCAL);
    }
}

/* Returns whether SELinux is enabled. */
static gboolean
check_selinux(const DoctorHost *host, Report *report)
{
    g_autofree char *enforce = host_word(host, "/sys/fs/selinux/enforce");

    if (enforce == NULL)
        return FALSE;
    if (g_str_equal(enforce, "1")) {
        report_add(report, VERDICT_WARNING, "SELinux",
                   "is enforcing; cloche was not tested with it");
        report_advise(
            report,
            "see cloched(8), section HOSTS; 'ausearch -m avc -ts boot' shows what was denied");
    } else {
        report_add(report, VERDICT_OK, "SELinux", "is permissive: it denies nothing");
    }
    return TRUE;
}

void
doctor_check_confinement(const DoctorHost *host, Report *report)
{
    static const char path[] = "/sys/module/apparmor/parameters/enabled";
    g_autofree char *enabled = host_word(host, path);
    int error = errno;

    if (enabled != NULL && *enabled == 'Y') {
        check_rules(host, report);
    } else if (enabled == NULL && error != ENOENT) {
        errno = error;
        host_report_unreadable(host, report, "AppArmor", path);
    } else if (!check_selinux(host, report)) {
        report_add(report, VERDICT_WARNING, "AppArmor",
                   "is disabled, and so is SELinux: only QEMU's user, its system call filter and "
                   "its cgroup confine a guest that breaks out of QEMU");
        report_advise(report, "apt install apparmor, and boot with apparmor=1 security=apparmor");
    }
}
