/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-error: the errors of calls, as codes of CLOCHE_ERROR and as names for programs.
 */
#pragma once

#include <glib.h>

#include "error.h"

/* Makes GDBus turn the service's error names into codes of CLOCHE_ERROR. client_connect() does so;
 * programs with a connection of their own call it before their first call. */
void client_register_errors(void);

/* Removes "GDBus.Error:NAME:" from the message of an error that a call returned. */
void client_tidy_error(GError *error);

/* Whether no service runs on the bus. */
gboolean client_service_is_missing(const GError *error);

/* Whether the service or the bus ended during the call. */
gboolean client_service_was_lost(const GError *error);

/*
 * The name of an error for programs: the service's own ("NoSuchSandbox"), or one for an error that
 * arose on this side ("ServiceNotRunning", "ServiceLost", "AccessDenied", "Interrupted",
 * "FileError", "Usage", "Failed").
 */
const char *client_error_name(const GError *error);
