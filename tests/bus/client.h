/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client: short functions for calls and signals of org.cloche1.
 *
 * Arguments are GVariant text with g_variant_new_parsed()'s placeholders, e.g.
 * call(bus, MANAGER, "CreateSandbox", "({'timeout': <%t>},)", (guint64)5). A method without a dot
 * belongs to the object's own interface. Every wait ends the test program after half a minute.
 */
#pragma once

#include <gio/gio.h>

#define MANAGER "/org/cloche1"
#define PROCESS_PREFIX "/org/cloche1/process/"
#define NO_OPTIONS "(@a{sv} {},)"

/* Runs the main loop until *what is TRUE. */
void wait_until(const gboolean *what);
/* Runs the main loop for this time: for tests at random moments, and never to wait for an event. */
void run_loop_for(guint ms);

/* Returns the reply as a tuple. The test fails if the reply is an error. */
GVariant *call(GDBusConnection *bus, const char *object, const char *method, const char *words,
               ...);
/* The reply must be the error org.cloche1.Error.NAME with a message that contains `message`. */
void call_fails(GDBusConnection *bus, const char *object, const char *method, const char *name,
                const char *message, const char *words, ...);

/* --- calls in progress --- */

typedef struct {
    gboolean done;
    GVariant *answer; /* or NULL and an error */
    GError *error;
} Pending;

Pending *call_start(GDBusConnection *bus, const char *object, const char *method, const char *words,
                    ...);
/* Permits that polkit asks for a password. */
Pending *call_start_interactively(GDBusConnection *bus, const char *object, const char *method,
                                  const char *words, ...);
void pending_wait(Pending *pending);
void pending_free(Pending *pending);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pending, pending_free)
void assert_error(const GError *error, const char *name, const char *message);

/* --- frequent calls --- */

/* Creates a sandbox of the default template; returns its object path. */
char *create(GDBusConnection *bus);
void kill_sandbox(GDBusConnection *bus, const char *sandbox);
/* The id at the end of a path. */
const char *id_of(const char *sandbox);
GVariant *get_property(GDBusConnection *bus, const char *object, const char *name);
/* Returns all properties of the object's own interface, as a{sv}. */
GVariant *get_all(GDBusConnection *bus, const char *object);
guint64 pool_figure(GDBusConnection *bus, const char *template, const char *name);
/* Polls until the figure has this value, because no signal reports it. */
void wait_for_pool(GDBusConnection *bus, const char *template, const char *name, guint64 value);
/* Waits until the template is ready, or failed; returns its entry in ListTemplates. */
GVariant *wait_for_template(GDBusConnection *bus, const char *name);
/* Runs a shell command in a sandbox; returns the reply of Run(). */
GVariant *run_shell(GDBusConnection *bus, const char *sandbox, const char *words);
/* The output of a shell command, or of code in the sandbox's first language. The test fails if they
 * do. */
char *run_output(GDBusConnection *bus, const char *sandbox, const char *words);
char *code_output(GDBusConnection *bus, const char *sandbox, const char *code);

/* The number of objects that ObjectManager lists for this connection, and whether introspection
 * lists the sandbox. */
gsize count_managed(GDBusConnection *bus);
gboolean is_in_tree(GDBusConnection *bus, const char *sandbox);

/* An entry of an a{sv}. The test fails if it is missing or has another type. */
guint64 dict_number(GVariant *dict, const char *key);
gboolean dict_boolean(GVariant *dict, const char *key);
char *dict_string(GVariant *dict, const char *key);

/* --- signals --- */

typedef struct Listener Listener;

/* Subscribes to all signals of the service, and calls it once, so that it knows the connection. */
Listener *listener_new(GDBusConnection *bus);
/* The same without a call. */
Listener *listener_new_silent(GDBusConnection *bus);
void listener_free(Listener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listener, listener_free)
/* Waits for the next such signal of that object, and returns its parameters. Drops earlier signals.
 */
GVariant *listener_wait(Listener *listener, const char *object, const char *signal);
/* The number of such signals that arrived and were not waited for. */
guint listener_count(Listener *listener, const char *signal);
