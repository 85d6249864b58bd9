/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-capture-work: the steps of a capture, which block. */
#pragma once

#include "vm-private.h"

typedef struct {
    LibvirtVm *vm;
    char *name, *uuid;
    pid_t pid;
    int fd;                /* to which it is written; borrowed */
    gint64 stopped_us;     /* when the machine was stopped; 0: it was not */
    gboolean stands_still; /* it was stopped, and could not be resumed */
} CaptureWork;

/* Stops the machine and writes the capture. After an error it runs, unless `stands_still` is set.
 */
gboolean capture_work_begin(CaptureWork *work, GError **error);
/* Lets the machine run again. CLOCHE_ERROR_TIMED_OUT: it ran already. */
gboolean capture_work_end(CaptureWork *work, GError **error);
