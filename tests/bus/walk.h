/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* walk: every method of the interface's XML (CLOCHE_XML) that is about one sandbox, so that none is
 * forgotten by a test of all. */
#pragma once

#include <gio/gio.h>

/* For a call of client.h: the object, the method, and its arguments as text. */
typedef void (*WalkEach)(const char *object, const char *method, const char *words, gpointer data);

/* Those of org.cloche1.Sandbox and of Properties on the sandbox's object, and those of the manager
 * that take an id. Returns their number. Kill is among them. */
guint walk_sandbox(const char *id, WalkEach each, gpointer data);
