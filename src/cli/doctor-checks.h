/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor-checks: checks of the host beside KVM itself. Each adds its findings to a report.
 */
#pragma once

#include "doctor-host.h"

/* --- doctor-hardening.c: what else a guest could learn or attack --- */

/* Whether two machines may share a core at the same time. */
void doctor_check_smt(const Host *host, Report *report);
/* Whether KVM's nested virtualization is on, which is more kernel code for guests to attack. */
void doctor_check_nested(const Host *host, Report *report);
/* What the kernel says of the processor's vulnerabilities. */
void doctor_check_vulnerabilities(const Host *host, Report *report);
void doctor_check_ksm(const Host *host, Report *report);

/* --- doctor-confine.c --- */

/* AppArmor or SELinux, and whether it knows of cloche's files. */
void doctor_check_confinement(const Host *host, Report *report);

/* --- doctor-space.c --- */

typedef struct {
    int errnum; /* 0: the rest is known */
    gboolean is_tmpfs;
    guint64 size, free; /* bytes; free for users without privileges */
} Space;

/* The file system on which the folder is, or will be when it is made. */
Space space_read(const Host *host, const char *path);

/* The memory of the templates, in bytes. Without templates: those that cloche ships. */
typedef struct {
    guint64 largest, all;
} Needs;

#define NEEDS_OF_SHIPPED ((guint64)1024 * 1024 * 1024) /* MemoryMiB= of vm-images/python */
/* What sandboxes can write to their disks before they stand still. */
#define STATE_RESERVE ((guint64)4 * 1024 * 1024 * 1024)

/*
 * The RAM folder. Each template has a file there, as large as its memory at most, and needs it
 * before its machines start: a tmpfs smaller than the largest template is a problem; one smaller
 * than all of them, or with less free space than the largest, is a warning.
 */
void doctor_check_ram(const Host *host, Report *report, const Space *space, const Needs *needs);

/*
 * The state folder. A template that is made anew is stored beside the one that it replaces, and
 * takes its memory's size at most: less free space is a problem. Less than STATE_RESERVE beside
 * that is a warning.
 */
void doctor_check_state(const Host *host, Report *report, const Space *space, const Needs *needs);

/* --- doctor-clock.c --- */

typedef struct {
    int errnum; /* 0: the rest is known */
    gboolean is_synchronized;
} Clock;

Clock clock_read(void);
/* A sandbox gets the host's time. */
void doctor_check_clock(Report *report, const Clock *clock);
void doctor_check_clocksource(const Host *host, Report *report);
