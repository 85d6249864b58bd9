/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-calls: what tests of networks ask the service, and how they run. */
#pragma once

#include <gio/gio.h>

#include "client.h"
#include "fake-egress.h"
#include "fixture.h"

#define NETWORK_SECRET "s3cr3t-of-this-test"

extern Fixture *network_fixture;
extern GDBusConnection *network_bus; /* of root */

typedef struct {
    const char *name;
    void (*test)(void);
} NetworkTest;

/* For main(): runs all tests, up to one without a name, with one service and the fake of
 * cloche-egress. Each begins with an empty log of it. */
int network_run_tests(const NetworkTest *tests);

/* Creates a sandbox with this policy, as GVariant text; returns its object path. */
char *network_create(GDBusConnection *caller, const char *network);
/* A file with the value of a secret. */
int network_value(const char *text);
/* Calls a method whose arguments name the descriptor by index 0. Takes `fd`. */
GVariant *network_call_with_value(GDBusConnection *caller, const char *object, const char *method,
                                  const char *words, int fd, GError **error);
void network_set(GDBusConnection *caller, const char *sandbox, const char *network);
GVariant *network_get(GDBusConnection *caller, const char *sandbox);
void network_assert_state(const char *sandbox, const char *mode, const char *state,
                          const char *reason);
gboolean network_has_state(const char *sandbox, const char *state);
/* Waits for the signal. */
void network_wait_for_state(Listener *listener, const char *sandbox, const char *state);
guint64 network_connections_in_use(GDBusConnection *caller);
/* WatchConnections(). */
int network_watch(GDBusConnection *caller, const char *sandbox);
char *network_read_record(const char *sandbox);
