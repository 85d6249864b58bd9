/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client: a program's connection to the service.
 *
 * The proxies are generated from dbus/org.cloche1.xml. This file adds what they leave open: which
 * bus, calls without a timeout (code may run for days), and errors as codes of CLOCHE_ERROR. The
 * connection is the program's shared one, but its loss does not end the program.
 *
 * This folder is for every program that serves a user of the API: it prints nothing, and reports
 * progress through callbacks.
 */
#pragma once

#include "client-error.h"
#include "cloche-proxies.h"

#define CLIENT_BUS_NAME "org.cloche1"

/* Flags and timeout of every call: polkit may ask the user for a password, and no call ends before
 * its reply. */
#define CLIENT_CALL G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, -1
#define CLIENT_SANDBOX_PATH "/org/cloche1/sandbox/"
#define CLIENT_PROCESS_PATH "/org/cloche1/process/"

/*
 * Connects to a bus and finds the service there; a bus that can start the service does so. Without
 * the service the error is G_DBUS_ERROR_SERVICE_UNKNOWN; without a bus it has another domain or
 * code.
 */
ClocheManager *client_connect(GBusType bus, GError **error);

/* Returns a proxy for calls to the sandbox at this object path. It has no cached properties. */
ClocheSandbox *client_sandbox(ClocheManager *manager, const char *path, GError **error);

/* The same for a process. */
ClocheProcess *client_process(ClocheManager *manager, const char *path, GError **error);

/* Returns the id in a sandbox's object path, as a part of that string. */
const char *client_sandbox_id(const char *path);

/* Whether the text has the form of a sandbox's id: 16 characters of [a-z2-7]. */
gboolean client_is_sandbox_id(const char *text);
