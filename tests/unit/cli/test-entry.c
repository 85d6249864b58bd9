/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-entry: what can be executed, and what waits for another line. */
#include "entry.h"

#include <glib/gstdio.h>

static void
assert_whole(const char *language, const char *const *texts, gsize n, gboolean is_whole)
{
    for (gsize i = 0; i < n; i++) {
        g_test_message("%s: %s", language, texts[i]);
        g_assert_cmpint(entry_is_complete(language, texts[i]), ==, is_whole);
    }
}

#define WHOLE(language, ...)                                                                       \
    assert_whole(language, (const char *[]){__VA_ARGS__},                                          \
                 G_N_ELEMENTS(((const char *[]){__VA_ARGS__})), TRUE)
#define OPEN(language, ...)                                                                        \
    assert_whole(language, (const char *[]){__VA_ARGS__},                                          \
                 G_N_ELEMENTS(((const char *[]){__VA_ARGS__})), FALSE)

static void
test_python(void)
{
    WHOLE("python", "1 + 1", "", "x = {'a': 1}", "f(1,\n  2)", "'it\\'s ('", "\"(\" # (", "# (",
          "'''a\n(b'''", "'unclosed (", "if x: y()", "x[1:]", "lambda: 0", "'a' 'b:'", "r'\\\\'",
          "x = 'a' # says:", "''", "a = ''\n", ")", "  indented", "x = \\\n  1");
    OPEN("python", "f(", "[1,", "{", "'''", "\"\"\"a\n'''", "'''a''", "x = \\", "f(')'", "(\n)(",
         "f(\n\n");
}

static void
test_python_blocks(void)
{
    OPEN("python", "def f():", "if x: # why", "def f():\n    return 1",
         "for i in x:\n    f(i,\n  2)", "@wraps", "class A:\n    x = 1\n    # end",
         "if x:\n    y()\nelse:", "if x:\n    '''a\n\n");
    WHOLE("python", "def f():\n    return 1\n", "def f():\n    return 1\n    ", "@wraps\n",
          "for i in x:\n    f(i)\nprint(x)", "def f():\n\n    return 1\n\nf()", "if x:\n\ty()\n\t");
}

static void
test_python_commands(void)
{
    WHOLE("python", "!echo (", "%timeit f(", "%%bash\necho\n", "!a\\\nb");
    OPEN("python", "!echo \\", "%%bash", "%%bash\necho");
}

static void
test_javascript(void)
{
    static const char *const languages[] = {"javascript", "typescript"};

    for (gsize i = 0; i < G_N_ELEMENTS(languages); i++) {
        WHOLE(languages[i], "1 + 1", "", "f(x => { return 1 })", "`a\nb`", "// (", "/* ( */ 1",
              "'it\\'s ('", "s.replace(/[\"(/]/g, '')", "/\\/(/.test(x)", "a / b", "(1) / 2 / 3",
              "i++", "i--", "'unclosed (", "`${f(`a`)}`", "x = // why\n", "}", "let x: number = 1");
        OPEN(languages[i], "f(", "{", "[1,", "`", "`a\n", "/* a\n", "x =", "a &&", "x => ", "a +",
             "f(/[)]/", "function f() {\n", "x = 1 + // more", "`${`a`}", "const f = (x)\n  =>");
    }
}

static void
test_r(void)
{
    WHOLE("r", "1 + 1", "x <- c(1, 2)", "'a\nb'", "# (", "x %in% y", "`a b`");
    OPEN("r", "c(1,", "x <-", "a %>%", "a |>", "'a\n", "function(x) {", "1 +", "y ~");
}

static void
test_bash(void)
{
    WHOLE("bash", "echo a", "", "if a; then b; fi", "for i in a; do\nb\ndone", "echo '('", "a | b",
          "cat <<END\na\nEND", "echo $(a)", "fi", "echo )", "# '", "echo \\\\", "f() { a; }");
    OPEN("bash", "if a; then", "for i in a; do", "echo '", "echo \"a", "echo $(a", "a |", "a &&",
         "a ||", "cat <<END", "cat <<END\na", "echo \\", "f() {", "case a in", "{ a", "(a",
         "echo `a");
}

/* What is typed is read and not executed. */
static void
test_bash_is_not_run(void)
{
    g_autofree char *directory = g_dir_make_tmp("cloche-entry-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(directory, "made", NULL);
    g_autofree char *text = g_strdup_printf("echo $(touch %s); touch %s", file, file);

    WHOLE("bash", text);
    g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void
test_others(void)
{
    WHOLE("julia", "f(", "function f()", "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/entry/python", test_python);
    g_test_add_func("/cli/entry/python-blocks", test_python_blocks);
    g_test_add_func("/cli/entry/python-commands", test_python_commands);
    g_test_add_func("/cli/entry/javascript", test_javascript);
    g_test_add_func("/cli/entry/r", test_r);
    g_test_add_func("/cli/entry/bash", test_bash);
    g_test_add_func("/cli/entry/bash-is-not-run", test_bash_is_not_run);
    g_test_add_func("/cli/entry/others", test_others);
    return g_test_run();
}
