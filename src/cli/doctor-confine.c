/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-confine: AppArmor and SELinux. */
#include <errno.h>
#include <string.h>

#include "doctor-checks.h"

#define FOLDER "/etc/apparmor.d/abstractions"
#define LIBVIRT FOLDER "/libvirt-qemu" /* libvirt's rules for every machine */
#define OURS FOLDER "/libvirt-qemu.d/cloche"
#define LOCAL "/etc/apparmor.d/local/abstractions/libvirt-qemu"
#define RULES_MAX (1024 * 1024)
#define INCLUDE "include if exists <abstractions/libvirt-qemu.d/cloche>"

/* A rule of AppArmor may be written as "#include", which is no comment. */
static gboolean
line_includes(const char *line, const char *what)
{
    line += strspn(line, " \t#");
    return g_str_has_prefix(line, "include") && strstr(line, what) != NULL;
}

/* Whether the file includes what; FALSE with errno 0 when it can be read and does not. */
static gboolean
file_includes(const Host *host, const char *path, const char *what)
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
check_rules(const Host *host, Report *report)
{
    if (!host_has(host, LIBVIRT)) {
        report_add(
            report, VERDICT_WARNING, "AppArmor",
            "is on, but libvirt has no rules for machines here, so it does not confine them");
        report_advise(report, "apt install libvirt-daemon-system apparmor; systemctl restart "
                              "libvirtd");
    } else if (!host_has(host, OURS)) {
        report_add(report, VERDICT_PROBLEM, "AppArmor",
                   "is on, and " OURS " is missing: machines may not map their templates' RAM");
        report_advise(report,
                      "install cloche anew: meson install -C build, or sudo ./quickstart.sh");
    } else if (file_includes(host, LIBVIRT, "<abstractions/libvirt-qemu.d") ||
               file_includes(host, LOCAL, "<abstractions/libvirt-qemu.d")) {
        report_add(report, VERDICT_OK, "AppArmor", "is on, and libvirt's rules include cloche's");
    } else if (errno != 0 && errno != ENOENT) {
        host_report_unreadable(host, report, "AppArmor", LOCAL);
    } else {
        report_add(report, VERDICT_PROBLEM, "AppArmor",
                   "is on, and libvirt's rules do not include cloche's: machines may not map "
                   "their templates' RAM");
        report_advise(report, "as root: echo '" INCLUDE "' >>" LOCAL);
    }
}

/* TRUE when SELinux is on. */
static gboolean
check_selinux(const Host *host, Report *report)
{
    g_autofree char *enforce = host_word(host, "/sys/fs/selinux/enforce");

    if (enforce == NULL)
        return FALSE;
    if (g_str_equal(enforce, "1")) {
        report_add(report, VERDICT_WARNING, "SELinux",
                   "is enforcing, with which cloche was not tried");
        report_advise(report, "cloched(8) tells what would have to change; "
                              "'ausearch -m avc -ts boot' shows what is refused");
    } else {
        report_add(report, VERDICT_OK, "SELinux", "is permissive: it refuses nothing");
    }
    return TRUE;
}

void
doctor_check_confinement(const Host *host, Report *report)
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
                   "is off, and so is SELinux: a guest that breaks out of QEMU meets its user, "
                   "its filter of system calls and its cgroup, and nothing else");
        report_advise(report, "apt install apparmor, and boot with apparmor=1 security=apparmor");
    }
}
