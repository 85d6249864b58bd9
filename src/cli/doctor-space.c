/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-space: space for templates, in memory and on disk. */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "doctor-checks.h"
#include "text.h"

Space
space_read(const DoctorHost *host, const char *path)
{
    g_autofree char *place = g_strdup(path);
    struct statfs fs;

    for (;;) {
        g_autofree char *full = host_path(host, place);
        char *parent;

        if (statfs(full, &fs) == 0)
            break;
        if (errno != ENOENT || strlen(place) <= 1)
            return (Space){.errnum = errno};
        parent = g_path_get_dirname(place);
        g_free(place);
        place = parent;
    }
    return (Space){
        .is_tmpfs = fs.f_type == TMPFS_MAGIC,
        .size = (guint64)fs.f_blocks * (guint64)fs.f_bsize,
        .free = (guint64)fs.f_bavail * (guint64)fs.f_bsize,
    };
}

static void
report_space(Report *report, Verdict verdict, const char *path, const Space *space,
             const char *reason, guint64 bound)
{
    g_autofree char *size = text_from_size(space->size);
    g_autofree char *left = text_from_size(space->free);
    g_autofree char *least = text_from_size(bound);

    report_add(report, verdict, path, "%s of %s are free; %s %s", left, size, reason, least);
}

static gboolean
is_known(const DoctorHost *host, Report *report, const char *path, const Space *space)
{
    errno = space->errnum;
    if (space->errnum != 0)
        host_report_unreadable(host, report, path, path);
    return space->errnum == 0;
}

/* The folder of a user is on the tmpfs that logind mounts for them. */
static void
advise_larger_tmpfs(const DoctorHost *host, Report *report, guint64 bytes)
{
    guint64 mib = bytes / (1024 * 1024);

    if (host->of_user)
        report_advise(report,
                      "set RuntimeDirectorySize=%" G_GUINT64_FORMAT
                      "M in [Login] of /etc/systemd/logind.conf, or Ram= in [Folders] of "
                      "cloched.conf to a folder on a larger tmpfs",
                      mib);
    else
        report_advise(report,
                      "as root: mount -o remount,size=%" G_GUINT64_FORMAT
                      "M %s, and the same in Options= of run-cloche-ram.mount",
                      mib, host->ram);
}

void
doctor_check_ram(const DoctorHost *host, Report *report, const Space *space, const Needs *needs)
{
    if (!is_known(host, report, host->ram, space))
        return;
    if (space->size < needs->largest) {
        report_space(report, VERDICT_PROBLEM, host->ram, space, "the largest template takes",
                     needs->largest);
        advise_larger_tmpfs(host, report, 2 * needs->all);
    } else if (!space->is_tmpfs) {
        report_add(report, VERDICT_WARNING, host->ram,
                   "is not on a tmpfs: machines start slower and wear the disk");
        report_advise(report, "set Ram= in [Folders] of cloched.conf to a folder on a tmpfs");
    } else if (space->size < needs->all) {
        report_space(report, VERDICT_WARNING, host->ram, space, "all templates take", needs->all);
        advise_larger_tmpfs(host, report, 2 * needs->all);
    } else if (space->free < needs->largest) {
        report_space(report, VERDICT_WARNING, host->ram, space, "a template that is rebuilt takes",
                     needs->largest);
        advise_larger_tmpfs(host, report, space->size / 2 * 3);
    } else {
        report_space(report, VERDICT_OK, host->ram, space, "all templates take", needs->all);
    }
}

void
doctor_check_state(const DoctorHost *host, Report *report, const Space *space, const Needs *needs)
{
    const char *reason = "a template that is rebuilt and the disks of sandboxes take";
    guint64 bound = needs->largest + STATE_RESERVE;

    if (!is_known(host, report, host->state, space))
        return;
    if (space->free < needs->largest) {
        report_space(report, VERDICT_PROBLEM, host->state, space,
                     "a template that is rebuilt takes", needs->largest);
        report_advise(report, "free space there, or set State= in [Folders] of cloched.conf");
    } else if (space->free < bound) {
        report_space(report, VERDICT_WARNING, host->state, space, reason, bound);
        report_advise(report, "free space there: sandboxes are paused while the disk is full");
    } else {
        report_space(report, VERDICT_OK, host->state, space, reason, bound);
    }
}
