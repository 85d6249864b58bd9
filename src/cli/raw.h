/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw: the terminal in raw mode, while a terminal in a sandbox gets every key.
 *
 * The terminal's settings are restored when this program ends, except by SIGKILL.
 */
#pragma once

#include <glib.h>

/* Returns FALSE, and changes nothing, if standard input is not a terminal. */
gboolean raw_begin(void);

/* May be called repeatedly. */
void raw_end(void);

/* Returns the size of the terminal on standard output or standard input, or 80x24. */
void raw_size(guint16 *ret_columns, guint16 *ret_rows);
