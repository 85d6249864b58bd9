/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* walk: every method of the interface's XML (CLOCHE_XML) that concerns one sandbox, for tests that
 * must cover all of them. */
#pragma once

#include <gio/gio.h>

/* For a call of client.h: the object, the method, and its arguments as text. */
typedef void (*WalkEach)(const char *object, const char *method, const char *words, gpointer data);

/* Visits the methods of org.cloche1.Sandbox, including Kill, and of Properties on the sandbox's
 * object, and the manager's methods that take an id. Returns their number. */
guint walk_sandbox(const char *id, WalkEach each, gpointer data);
