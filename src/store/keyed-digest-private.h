/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keyed-digest-private: the key of a store. */
#pragma once

#include <glib.h>

/* Reads the key in the run folder, or makes one. */
gboolean secret_load(const char *run, guint8 *key, GError **error);
