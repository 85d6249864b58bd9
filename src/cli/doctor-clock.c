/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-clock: whether the host's time, which sandboxes get, is right. */
#include <errno.h>
#include <string.h>
#include <sys/timex.h>

#include "doctor-checks.h"

/* Without modes, adjtimex() only reads, which needs no privilege. */
Clock
clock_read(void)
{
    struct timex timex = {.modes = 0};
    int state = adjtimex(&timex);

    if (state < 0)
        return (Clock){.errnum = errno};
    return (Clock){.is_synchronized = (timex.status & STA_UNSYNC) == 0};
}

void
doctor_check_clock(Report *report, const Clock *clock)
{
    if (clock->errnum != 0) {
        report_add(report, VERDICT_UNKNOWN, "time", "the kernel does not report it: %s",
                   g_strerror(clock->errnum));
        report_advise(report, "timedatectl");
    } else if (clock->is_synchronized) {
        report_add(report, VERDICT_OK, "time", "is synchronized");
    } else {
        report_add(report, VERDICT_WARNING, "time",
                   "this host's clock, which sandboxes get, is not synchronized");
        report_advise(
            report,
            "apt install systemd-timesyncd; in a virtual machine or container, check its host");
    }
}

void
doctor_check_clocksource(const DoctorHost *host, Report *report)
{
    static const char path[] = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    static const char *const fast[] = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", NULL};
    g_autofree char *source = host_word(host, path);

    if (source == NULL) {
        host_report_unreadable(host, report, "clock source", path);
    } else if (g_strv_contains(fast, source)) {
        report_add(report, VERDICT_OK, "clock source", "%s", source);
    } else {
        report_add(report, VERDICT_WARNING, "clock source",
                   "%s, which is slow to read; without TSC, guests have no fast clock either",
                   source);
        report_advise(report, "'journalctl -k -b -g \"tsc|clocksource\"' shows why it is not tsc");
    }
}
