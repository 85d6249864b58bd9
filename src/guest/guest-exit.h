/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-exit: how a process of the guest ended. */
#pragma once

#include <glib.h>

#include "wire.h"

typedef struct {
    WireExit how;
    guint32 status; /* exit status, or signal */
    guint64 user_us, system_us, peak_rss_kib;
} GuestExit;

/* Reads the payload of an EXITED or REAPED frame. FALSE when it is malformed. */
gboolean guest_exit_read(const guint8 *payload, gsize size, GuestExit *ret_exit);

/* "exit status 3", "killed by SIGSEGV", "out of memory" or "time limit"; a new string. */
char *guest_exit_describe(const GuestExit *end);
