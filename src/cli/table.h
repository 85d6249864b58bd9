/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table: rows in columns, as wide as they need to be.
 *
 * Cells hold what users and services wrote: they are escaped when they are added, so no name of a
 * sandbox can write to the terminal of an administrator.
 */
#pragma once

#include <glib.h>

typedef struct Table Table;

/* heads: the titles, NULL at the end; they stay the caller's. */
Table *table_new(const char *const *heads);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* The next cell of the row; a row is as long as the heads. */
void table_add(Table *table, const char *text);
void table_add_printf(Table *table, const char *format, ...) G_GNUC_PRINTF(2, 3);

gsize table_n_rows(const Table *table);

/* The lines. head_on and head_off are put around the line of titles: a terminal's codes, or "". */
char *table_render(const Table *table, const char *head_on, const char *head_off);
