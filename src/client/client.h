/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client: the way from a program to the service.
 *
 * The proxies are generated from dbus/org.cloche1.xml; this adds what they leave open: which bus,
 * no timeout on a call (code may run for days), and errors that are ClocheError again. The
 * connection is the program's shared one, but its loss does not end the program.
 */
#pragma once

#include "cloche-proxies.h"
#include "error.h"

#define CLIENT_BUS_NAME "org.cloche1"

/* Of every call: polkit may ask the user for a password, and no call ends before its answer. */
#define CLIENT_CALL G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, -1
#define CLIENT_SANDBOX_PATH "/org/cloche1/sandbox/"
#define CLIENT_PROCESS_PATH "/org/cloche1/process/"

/*
 * Connects to a bus and finds the service there; a bus that can start it does so. Without it the
 * error is G_DBUS_ERROR_SERVICE_UNKNOWN; without a bus it is of another domain or code.
 */
ClocheManager *client_connect(GBusType bus, GError **error);

/* A sandbox by its object path, for calls: its properties are not followed. */
ClocheSandbox *client_sandbox(ClocheManager *manager, const char *path, GError **error);

/* The same of a process. */
ClocheProcess *client_process(ClocheManager *manager, const char *path, GError **error);

/* The id in a sandbox's object path, as a part of that string. */
const char *client_sandbox_id(const char *path);

/* Takes "GDBus.Error:NAME:" off the message of an error that a call gave. */
void client_tidy_error(GError *error);
