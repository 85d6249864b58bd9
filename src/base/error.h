/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error: the errors that a caller can act on.
 *
 * One list for all layers. src/bus gives each its D-Bus name, org.cloche1.Error.<Name>, and
 * src/client turns that name into the same code again. The message names the thing that is wrong.
 */
#pragma once

#include <glib.h>

typedef enum {
    CLOCHE_ERROR_FAILED,             /* none of the others: a fault of the service or its machine */
    CLOCHE_ERROR_INVALID_ARGUMENT,   /* the call's words are wrong */
    CLOCHE_ERROR_NO_SUCH_SANDBOX,    /* never was, has ended, or is not the caller's */
    CLOCHE_ERROR_NO_SUCH_TEMPLATE,   /* not installed */
    CLOCHE_ERROR_TEMPLATE_NOT_READY, /* installed, but could not be made ready */
    CLOCHE_ERROR_TEMPLATE_DAMAGED,   /* a stored part is not what was stored */
    CLOCHE_ERROR_NOT_PERMITTED,
    CLOCHE_ERROR_QUOTA_EXCEEDED,
    CLOCHE_ERROR_BUSY,        /* nothing free within the bound; try again */
    CLOCHE_ERROR_UNSUPPORTED, /* this template, language or host cannot do it */
    CLOCHE_ERROR_GUEST_LOST,  /* the machine went away during the call */
    CLOCHE_ERROR_TIMED_OUT,
    CLOCHE_ERROR_NO_SUCH_PROGRAM,   /* in the guest */
    CLOCHE_ERROR_NO_SUCH_DIRECTORY, /* in the guest */
    CLOCHE_ERROR_NO_SUCH_USER,      /* in the guest */
    CLOCHE_ERROR_PERMISSION_DENIED, /* in the guest: the program may not be run, … */
    CLOCHE_ERROR_OUT_OF_RESOURCES,  /* in the guest: memory, processes, disk */
    CLOCHE_ERROR_SERVICE_STOPPING,  /* it stops, or starts anew; the sandbox goes on */
    CLOCHE_ERROR_NO_SUCH_FILE,      /* these in the guest */
    CLOCHE_ERROR_FILE_EXISTS,
    CLOCHE_ERROR_NOT_A_DIRECTORY,
    CLOCHE_ERROR_IS_A_DIRECTORY,
    CLOCHE_ERROR_DIRECTORY_NOT_EMPTY,
    CLOCHE_ERROR_CONNECTION_REFUSED, /* nothing listens on a port of the guest */
    CLOCHE_ERROR_NO_SUCH_PROCESS,    /* never was, or ended long ago */
    CLOCHE_ERROR_NO_SUCH_CONTEXT,
    CLOCHE_ERROR_RUNNER_LOST, /* the interpreter died during the execution; its state is gone */
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
