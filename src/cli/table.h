/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table: rows in columns that are as wide as their longest cell, by libsmartcols.
 *
 * Cells contain text of users and services. It is escaped when it is added, so the name of a
 * sandbox cannot send control sequences to the terminal of an administrator.
 */
#pragma once

#include <glib.h>

typedef struct Table Table;

/* heads: the titles of the columns, NULL-terminated. */
Table *table_new(const char *const *heads);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* Adds the next cell of the row; a row has as many cells as there are heads. */
void table_add(Table *table, const char *text);
void table_add_printf(Table *table, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The number of rows without the titles. */
gsize table_n_rows(const Table *table);

/* The lines. head_on and head_off are inserted around the line of titles: escape sequences of a
 * terminal, or "". */
char *table_render(const Table *table, const char *head_on, const char *head_off);
