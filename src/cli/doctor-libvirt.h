/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-libvirt: libvirt's daemon and QEMU. */
#pragma once

#include "doctor-host.h"

/*
 * Checks whether libvirt's daemon listens, without a connection, which would start it. `state`: the
 * state of its unit, such as "failed" (NULL: unknown). `is_needed` FALSE: the service works without
 * the daemon.
 */
void doctor_check_libvirt(const DoctorHost *host, Report *report, const char *state,
                          gboolean is_needed);

/* Checks the version of QEMU. */
void doctor_check_qemu(const DoctorHost *host, Report *report);
