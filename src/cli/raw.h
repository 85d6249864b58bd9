/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw: our terminal, while every key belongs to another one.
 *
 * However this program ends, but for SIGKILL, the terminal is as it was.
 */
#pragma once

#include <glib.h>

/* FALSE when standard input is no terminal: nothing is changed. */
gboolean raw_begin(void);

/* More than once does no harm. */
void raw_end(void);

/* Of the terminal on standard output, else on standard input; 80x24 where there is none. */
void raw_size(guint16 *ret_columns, guint16 *ret_rows);
