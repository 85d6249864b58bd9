/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-network: the services that give sandboxes a network. */
#include <errno.h>

#include "doctor-checks.h"

#define NAME "network"
#define EGRESS_USER "cloche-egress"
#define EGRESS_UNIT "cloche-egress.socket"

typedef struct {
    const char *unit, *path;
} ListeningUnit;

static gboolean
check_user(const DoctorHost *host, Report *report, const char *advice)
{
    uid_t uid;
    gid_t gid;

    if (host_find_user(host, EGRESS_USER, &uid, &gid))
        return TRUE;
    if (errno != ENOENT) {
        host_report_unreadable(host, report, NAME, "/etc/passwd");
    } else {
        report_add(report, VERDICT_PROBLEM, NAME,
                   "the user " EGRESS_USER " does not exist, so sandboxes cannot have a network");
        report_advise(report, "%s", advice);
    }
    return FALSE;
}

static gboolean
check_listens(const DoctorHost *host, Report *report, const ListeningUnit *unit)
{
    int listens = host_listens(host, unit->path);

    if (listens < 0) {
        host_report_unreadable(host, report, NAME, HOST_SOCKETS);
    } else if (listens == 0) {
        report_add(report, VERDICT_PROBLEM, NAME,
                   "no process listens on %s, so sandboxes cannot have a network", unit->path);
        report_advise(report, "systemctl restart %s", unit->unit);
    }
    return listens > 0;
}

static gboolean
is_of_systemd(const DoctorHost *host)
{
    return !host->of_user && host_has_unit(host) && host_has_systemd(host);
}

/* Elsewhere the service starts the program itself, as its own user, or, as root, as that of the
 * program. */
static gboolean
is_child_of_root(const DoctorHost *host)
{
    return host->of_user ? host->is_root : !host_has_systemd(host);
}

static void
check_child(const DoctorHost *host, Report *report)
{
    if (is_child_of_root(host) &&
        check_user(host, report,
                   "as root: useradd --system " EGRESS_USER ", then restart the service"))
        report_add(report, VERDICT_OK, NAME,
                   "the service starts cloche-egress as the user " EGRESS_USER);
}

void
doctor_check_network(const DoctorHost *host, Report *report)
{
    static const ListeningUnit units[] = {
        {EGRESS_UNIT, "/run/cloche-egress.socket"},
        {"cloche-resolver.socket", "/run/cloche-resolver.socket"},
    };

    if (!is_of_systemd(host)) {
        check_child(host, report);
        return;
    }
    if (!host_has_unit_file(host, EGRESS_UNIT)) {
        report_add(report, VERDICT_WARNING, NAME,
                   "cloche-egress is not installed, so sandboxes cannot have a network");
        report_advise(report, "sudo ./quickstart.sh in the folder of cloche's source");
        return;
    }
    if (!check_user(host, report, "as root: systemd-sysusers cloche.conf"))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        if (!check_listens(host, report, &units[i]))
            return;
    }
    report_add(report, VERDICT_OK, NAME, "cloche-egress and its resolver listen");
}
