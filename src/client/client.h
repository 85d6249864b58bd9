/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client: connects a program to the service.
 *
 * The proxies are generated from dbus/org.cloche1.xml. This file connects them to a bus, disables
 * the timeout of calls (code may run for days), and maps D-Bus errors to ClocheError. It uses the
 * program's shared connection, but the program continues if that connection is lost.
 *
 * This folder is for every program that serves a user of the API: it prints nothing, and reports
 * progress through callbacks.
 */
#pragma once

#include "client-error.h"
#include "cloche-proxies.h"

#define CLIENT_BUS_NAME "org.cloche1"

/* Flags and timeout of each call: polkit may ask the user for a password; -1 is the default timeout
 * of the proxy, which has no limit. */
#define CLIENT_CALL G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, -1
#define CLIENT_SANDBOX_PATH "/org/cloche1/sandbox/"
#define CLIENT_PROCESS_PATH "/org/cloche1/process/"

/*
 * Connects to a bus and to the service, which the bus starts if it can. Fails with
 * G_DBUS_ERROR_SERVICE_UNKNOWN if there is no service, and with another error if there is no bus.
 */
ClocheManager *client_connect(GBusType bus, GError **error);

/* Creates a proxy for the sandbox with this object path. It tracks no properties and no signals. */
ClocheSandbox *client_sandbox(ClocheManager *manager, const char *path, GError **error);

/* The same for a process. */
ClocheProcess *client_process(ClocheManager *manager, const char *path, GError **error);

/* Returns the id in a sandbox's object path; it points into `path`. */
const char *client_sandbox_id(const char *path);

/* Whether the text has the form of a sandbox's id: 16 characters of [a-z2-7]. */
gboolean client_is_sandbox_id(const char *text);
