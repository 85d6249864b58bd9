/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table: the titles are the first row, because libsmartcols prints nothing for a table without
 * rows.
 *
 * libsmartcols measures text by the locale, and hangs if the text is not valid there. Cells are
 * UTF-8 whatever the locale of the user is, so the calling thread uses C.UTF-8 while it renders.
 */
#include "table.h"

#include <libsmartcols.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define SEPARATOR "  "

struct Table {
    struct libscols_table *rows;
    struct libscols_line *row; /* the last one */
    gsize n_columns;
    gsize n_cells; /* of all rows */
};

Table *
table_new(const char *const *heads)
{
    Table *table = g_new0(Table, 1);

    table->rows = scols_new_table();
    scols_table_enable_noheadings(table->rows, 1);
    scols_table_set_column_separator(table->rows, SEPARATOR);
    scols_table_set_termforce(table->rows, SCOLS_TERMFORCE_NEVER); /* never cut a cell */
    scols_table_enable_minout(table->rows, 1);                     /* no spaces at the end */
    for (; heads[table->n_columns] != NULL; table->n_columns++)
        scols_table_new_column(table->rows, /* name= */ NULL, /* whint= */ 0, /* flags= */ 0);
    for (gsize i = 0; i < table->n_columns; i++)
        table_add(table, heads[i]);
    return table;
}

void
table_free(Table *table)
{
    if (table == NULL)
        return;
    scols_unref_table(table->rows);
    g_free(table);
}

void
table_add(Table *table, const char *text)
{
    g_autofree char *escaped = text_escape(text);
    gsize column = table->n_cells++ % table->n_columns;

    if (column == 0)
        table->row = scols_table_new_line(table->rows, /* parent= */ NULL);
    scols_line_set_data(table->row, column, escaped);
}

void
table_add_printf(Table *table, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    table_add(table, text);
}

gsize
table_n_rows(const Table *table)
{
    return table->n_cells / table->n_columns - 1;
}

/* Free with free(). */
static char *
render_in_utf8(const Table *table)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    char *lines = NULL;

    /* Cells are escaped already; without C.UTF-8, libsmartcols escapes every byte beyond ASCII. */
    scols_table_enable_noencoding(table->rows, utf8 != (locale_t)0);
    if (scols_print_table_to_string(table->rows, &lines) != 0)
        g_error("libsmartcols could not render a table");
    if (utf8 != (locale_t)0) {
        uselocale(before);
        freelocale(utf8);
    }
    return lines;
}

char *
table_render(const Table *table, const char *head_on, const char *head_off)
{
    char *lines = render_in_utf8(table);
    gsize head = strcspn(lines, "\n");
    char *rendered =
        g_strdup_printf("%s%.*s%s%s\n", head_on, (int)head, lines, head_off, lines + head);

    free(lines);
    return rendered;
}
