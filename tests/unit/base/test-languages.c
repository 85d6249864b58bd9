/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-languages: the language is found from names that users type, and from names of files. */
#include "languages.h"

static void
assert_canonical(const char *name, const char *expected)
{
    g_autofree char *canonical = languages_canonical(name);

    g_assert_cmpstr(canonical, ==, expected);
}

static void
test_canonical(void)
{
    assert_canonical("python", "python");
    assert_canonical("py", "python");
    assert_canonical("JS", "javascript");
    assert_canonical("mjs", "javascript");
    assert_canonical("ts", "typescript");
    assert_canonical("sh", "bash");
    assert_canonical("R", "r");
    assert_canonical("Octave", "octave");
}

static void
test_files(void)
{
    static const char *const cases[][2] = {
        {"a.py", "python"},
        {"A.PY", "python"},
        {"dir.js/a.mjs", "javascript"},
        {"a.cjs", "javascript"},
        {"a.ts", "typescript"},
        {"a.mts", "typescript"},
        {"a.sh", "bash"},
        {"a.bash", "bash"},
        {"a.R", "r"},
        {"a.txt", NULL},
        {"a", NULL},
        {"-", NULL},
        {"a.", NULL},
        {"a.python", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpstr(languages_of_file(cases[i][0]), ==, cases[i][1]);
}

static void
test_runners(void)
{
    g_assert_cmpstr(languages_runner("typescript"), ==, "javascript");
    g_assert_cmpstr(languages_dialect("typescript"), ==, "typescript");
    g_assert_cmpstr(languages_default_context("typescript"), ==, "javascript");
    g_assert_null(languages_dialect("javascript"));
    g_assert_null(languages_runner("r"));
    g_assert_null(languages_dialect("r"));
    g_assert_cmpstr(languages_default_context("r"), ==, "r");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/languages/canonical", test_canonical);
    g_test_add_func("/languages/files", test_files);
    g_test_add_func("/languages/runners", test_runners);
    return g_test_run();
}
