/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error: the errors that a caller can act on, one list for all layers.
 *
 * src/bus translates a code into its D-Bus name, org.cloche1.Error.<Name>, and src/client
 * translates the name back. The message names the object that is wrong.
 */
#pragma once

#include <glib.h>

typedef enum {
    CLOCHE_ERROR_FAILED,             /* any other error: a fault of the service or its host */
    CLOCHE_ERROR_INVALID_ARGUMENT,   /* an argument or option of the call */
    CLOCHE_ERROR_NO_SUCH_SANDBOX,    /* never existed, has ended, or is not the caller's */
    CLOCHE_ERROR_NO_SUCH_TEMPLATE,   /* not installed */
    CLOCHE_ERROR_TEMPLATE_NOT_READY, /* installed, but could not be made ready */
    CLOCHE_ERROR_TEMPLATE_DAMAGED,   /* a stored part was changed */
    CLOCHE_ERROR_NOT_PERMITTED,
    CLOCHE_ERROR_QUOTA_EXCEEDED,
    CLOCHE_ERROR_BUSY,        /* a bound is reached for now; try again */
    CLOCHE_ERROR_UNSUPPORTED, /* by this template, language or host */
    CLOCHE_ERROR_GUEST_LOST,  /* the machine ended during the call */
    CLOCHE_ERROR_TIMED_OUT,
    CLOCHE_ERROR_NO_SUCH_PROGRAM,   /* in the guest */
    CLOCHE_ERROR_NO_SUCH_DIRECTORY, /* in the guest */
    CLOCHE_ERROR_NO_SUCH_USER,      /* in the guest */
    CLOCHE_ERROR_PERMISSION_DENIED, /* in the guest: by the kernel */
    CLOCHE_ERROR_OUT_OF_RESOURCES,  /* in the guest: memory, processes, disk */
    CLOCHE_ERROR_SERVICE_STOPPING,  /* it stops or restarts; the sandbox continues */
    CLOCHE_ERROR_NO_SUCH_FILE,      /* this and the next four: in the guest */
    CLOCHE_ERROR_FILE_EXISTS,
    CLOCHE_ERROR_NOT_A_DIRECTORY,
    CLOCHE_ERROR_IS_A_DIRECTORY,
    CLOCHE_ERROR_DIRECTORY_NOT_EMPTY,
    CLOCHE_ERROR_CONNECTION_REFUSED, /* no process listens on the port of the guest */
    CLOCHE_ERROR_NO_SUCH_PROCESS,    /* never existed, or ended long ago */
    CLOCHE_ERROR_NO_SUCH_CONTEXT,
    CLOCHE_ERROR_TOO_LARGE,        /* the answer has more bytes than a message may have */
    CLOCHE_ERROR_NO_SUCH_SNAPSHOT, /* never existed, was removed, or is not the caller's */
    CLOCHE_ERROR_RUNNER_LOST, /* the interpreter died during the execution; its state is lost */
    CLOCHE_ERROR_PAUSED,      /* the sandbox, which is not resumed by calls */
    _CLOCHE_ERROR_MAX,
} ClocheError;

#define CLOCHE_ERROR (cloche_error_quark())
GQuark cloche_error_quark(void);

#define CLOCHE_ERROR_PREFIX "org.cloche1.Error."
/* The name of a code without the prefix. */
const char *cloche_error_name(ClocheError code);
/* Returns the D-Bus name of an error as a new string. Errors of other domains (files, GDBus) are
 * faults of the service: Failed. */
char *cloche_error_dbus_name(const GError *error);
