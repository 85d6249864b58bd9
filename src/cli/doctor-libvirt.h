/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-libvirt: libvirt's daemon and QEMU. */
#pragma once

#include "doctor-host.h"

/*
 * Whether libvirt's daemon listens. Nobody connects to it: that would start it. `state`: what
 * systemd says of its unit, e.g. "failed" (NULL: nothing). `is_needed` FALSE: the
 * service goes without the daemon.
 */
void doctor_check_libvirt(const Host *host, Report *report, const char *state, gboolean is_needed);

/* Runs QEMU for its version. */
void doctor_check_qemu(const Host *host, Report *report);
