/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor-checks: checks of the host other than KVM. Each adds its findings to a report.
 */
#pragma once

#include "doctor-host.h"

/* --- doctor-hardening.c --- */

/* Checks whether two machines may share a core at the same time. */
void doctor_check_smt(const DoctorHost *host, Report *report);
/* Checks whether nested virtualization is enabled, which adds kernel code that guests can attack.
 */
void doctor_check_nested(const DoctorHost *host, Report *report);
/* Checks the kernel's list of the processor's vulnerabilities. */
void doctor_check_vulnerabilities(const DoctorHost *host, Report *report);
void doctor_check_ksm(const DoctorHost *host, Report *report);

/* --- doctor-network.c --- */

/* Checks the user and the sockets of the services that give sandboxes a network. Reports nothing if
 * systemd does not run the service. */
void doctor_check_network(const DoctorHost *host, Report *report);

/* --- doctor-confine.c --- */

/* Checks AppArmor or SELinux, and their rules for cloche's files. */
void doctor_check_confinement(const DoctorHost *host, Report *report);

/* --- doctor-space.c --- */

typedef struct {
    int errnum; /* 0: the rest is known */
    gboolean is_tmpfs;
    guint64 size, free; /* bytes; free for users without privileges */
} Space;

/* Reads the file system on which the folder is or will be created. */
Space space_read(const DoctorHost *host, const char *path);

/* The memory of the templates, in bytes. Without templates, of those that cloche ships. */
typedef struct {
    guint64 largest, all;
} Needs;

#define NEEDS_OF_SHIPPED ((guint64)1024 * 1024 * 1024) /* MemoryMiB= of vm-images/python */
/* The free space for the disks of sandboxes, which are paused when the disk is full. */
#define STATE_RESERVE ((guint64)4 * 1024 * 1024 * 1024)

/*
 * Checks the RAM folder. Each template has a file there, at most as large as its memory, and needs
 * it before its machines start: a tmpfs smaller than the largest template is a problem; one smaller
 * than all templates together, or with less free space than the largest, is a warning.
 */
void doctor_check_ram(const DoctorHost *host, Report *report, const Space *space,
                      const Needs *needs);

/*
 * Checks the state folder. A template that is rebuilt needs space in addition to the old one, at
 * most the size of its memory: less free space is a problem. Less than STATE_RESERVE in addition is
 * a warning.
 */
void doctor_check_state(const DoctorHost *host, Report *report, const Space *space,
                        const Needs *needs);

/* --- doctor-clock.c --- */

typedef struct {
    int errnum; /* 0: the rest is known */
    gboolean is_synchronized;
} Clock;

Clock clock_read(void);
/* Sandboxes get the host's time. */
void doctor_check_clock(Report *report, const Clock *clock);
void doctor_check_clocksource(const DoctorHost *host, Report *report);
