/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-table: columns are aligned for any text in their cells, and no cell can leave its row. */
#include "table.h"

static const char *const heads[] = {"ID", "NAME", "NOTE", NULL};

static void
assert_lines(Table *table, const char *head_on, const char *head_off, const char *expected)
{
    g_autofree char *lines = table_render(table, head_on, head_off);

    g_assert_cmpstr(lines, ==, expected);
}

static void
test_empty(void)
{
    g_autoptr(Table) table = table_new(heads);

    g_assert_cmpuint(table_n_rows(table), ==, 0);
    assert_lines(table, "", "", "ID  NAME  NOTE\n");
}

static void
test_columns(void)
{
    g_autoptr(Table) table = table_new(heads);

    table_add(table, "abcd");
    table_add(table, "漢");
    table_add_printf(table, "%d", 7);
    table_add(table, "e");
    table_add(table, "äöü");
    table_add(table, "");
    g_assert_cmpuint(table_n_rows(table), ==, 2);
    assert_lines(table, "", "",
                 "ID    NAME  NOTE\n"
                 "abcd  漢    7\n"
                 "e     äöü\n");
    assert_lines(table, "<", ">",
                 "<ID    NAME  NOTE>\n"
                 "abcd  漢    7\n"
                 "e     äöü\n");
}

static void
test_hostile_cells(void)
{
    g_autoptr(Table) table = table_new(heads);

    table_add(table, "x");
    table_add(table, "a\nb");
    table_add_printf(table, "%s", "\033]0;t\a");
    table_add(table, "\xff");
    table_add(table, "\xe2\x80\xae");
    table_add(table, "\xc2\x9b");
    assert_lines(table, "", "",
                 "ID  NAME    NOTE\n"
                 "x   a\\x0ab  \\x1b]0;t\\x07\n"
                 "\xef\xbf\xbd   \\u202e  \\x9b\n");
}

/* A table that is not shown on a terminal is not truncated. */
static void
test_long_cells(void)
{
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *name = g_strnfill(500, 'n');
    g_autofree char *expected = g_strdup_printf("ID  %-500s  NOTE\n"
                                                "x   %s  y\n"
                                                "z   n%499s  y\n"
                                                "\n",
                                                "NAME", name, "");

    for (int i = 0; i < 2; i++) {
        table_add(table, i == 0 ? "x" : "z");
        table_add(table, i == 0 ? name : "n");
        table_add(table, "y");
    }
    for (int i = 0; i < 3; i++)
        table_add(table, "");
    assert_lines(table, "", "", expected);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/table/empty", test_empty);
    g_test_add_func("/cli/table/columns", test_columns);
    g_test_add_func("/cli/table/hostile-cells", test_hostile_cells);
    g_test_add_func("/cli/table/long-cells", test_long_cells);
    return g_test_run();
}
