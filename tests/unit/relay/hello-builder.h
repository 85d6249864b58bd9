/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hello-builder: TLS ClientHellos, right and wrong. */
#pragma once

#include <glib.h>

/* Appends an extension. */
void hello_add_extension(GByteArray *extensions, guint type, gconstpointer data, gsize size);
/* Appends the extension server_name with one name. */
void hello_add_name(GByteArray *extensions, const char *name);
/* A new message with its header. `extensions`: NULL: there is no such field. */
GByteArray *hello_message(GByteArray *extensions);
/* The message, divided into records that have `record_size` bytes of it each. */
GByteArray *hello_records(const GByteArray *message, gsize record_size);
/* The bytes of a client that names this server. */
GByteArray *hello_for(const char *name);
