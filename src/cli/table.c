/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* table: cells in one array, row after row; widths are found when it is rendered. */
#include "table.h"

#include "text.h"

struct Table {
    gsize n_columns;
    GPtrArray *cells; /* the heads first */
};

Table *
table_new(const char *const *heads)
{
    Table *table = g_new0(Table, 1);

    table->n_columns = g_strv_length((char **)heads);
    table->cells = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < table->n_columns; i++)
        table_add(table, heads[i]);
    return table;
}

void
table_free(Table *table)
{
    if (table == NULL)
        return;
    g_ptr_array_unref(table->cells);
    g_free(table);
}

void
table_add(Table *table, const char *text)
{
    g_ptr_array_add(table->cells, text_escape(text));
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
    return table->cells->len / table->n_columns - 1;
}

static gsize
column_width(const Table *table, gsize column)
{
    gsize width = 0;

    for (gsize i = column; i < table->cells->len; i += table->n_columns)
        width = MAX(width, text_width(table->cells->pdata[i]));
    return width;
}

static void
append_padding(GString *lines, gsize n)
{
    for (gsize i = 0; i < n; i++)
        g_string_append_c(lines, ' ');
}

/* Where the last cells of a row are empty. */
static void
trim_spaces(GString *lines)
{
    while (lines->len > 0 && lines->str[lines->len - 1] == ' ')
        g_string_truncate(lines, lines->len - 1);
}

char *
table_render(const Table *table, const char *head_on, const char *head_off)
{
    g_autofree gsize *widths = g_new(gsize, table->n_columns);
    GString *lines = g_string_new(head_on);

    for (gsize i = 0; i < table->n_columns; i++)
        widths[i] = column_width(table, i);
    for (gsize i = 0; i < table->cells->len; i++) {
        const char *cell = table->cells->pdata[i];
        gsize column = i % table->n_columns;

        g_string_append(lines, cell);
        if (column + 1 < table->n_columns) {
            append_padding(lines, widths[column] - text_width(cell) + 2);
            continue;
        }
        trim_spaces(lines);
        if (i + 1 == table->n_columns)
            g_string_append(lines, head_off);
        g_string_append_c(lines, '\n');
    }
    return g_string_free(lines, FALSE);
}
