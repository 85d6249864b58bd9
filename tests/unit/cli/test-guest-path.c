/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-guest-path: ID:PATH is parsed, and other forms are refused. */
#include "guest-path.h"

static void
test_guest(void)
{
    static const struct {
        const char *word, *id, *path;
    } cases[] = {
        {"a1:/etc/passwd", "a1", "/etc/passwd"},
        {"a1:", "a1", "."},
        {"a1:b:c", "a1", "b:c"},
        {"/org/cloche1/sandbox/a1:b", "/org/cloche1/sandbox/a1", "b"},
        {"/org/cloche1/sandbox/:b", NULL, NULL},
        {"./a:b", NULL, NULL},
        {"/a:b", NULL, NULL},
        {"a/b:c", NULL, NULL},
        {":x", NULL, NULL},
        {"plain", NULL, NULL},
        {"", NULL, NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GuestPath) path = {0};
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(guest_path_is(cases[i].word), ==, cases[i].id != NULL);
        g_assert_cmpint(guest_path_parse(cases[i].word, &path, &error), ==, cases[i].id != NULL);
        g_assert_cmpstr(path.id, ==, cases[i].id);
        g_assert_cmpstr(path.path, ==, cases[i].path);
        if (cases[i].id == NULL)
            g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
}

static void
test_half(void)
{
    static const char *const cases[][2] = {
        {"/etc", "'/etc' is not of the form ID:PATH: did you mean ID:/etc?"},
        {"plain", "'plain' is not of the form ID:PATH: did you mean plain: or plain:PATH?"},
        {"./a:b", "'./a:b' is not of the form ID:PATH"},
        {"", "'' is not of the form ID:PATH"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GuestPath) path = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(guest_path_parse(cases[i][0], &path, &error));
        g_assert_cmpstr(error->message, ==, cases[i][1]);
    }
}

static void
test_base_name(void)
{
    static const char *const cases[][2] = {
        {"a", "a"},  {"/x/a", "a"}, {"a/", "a"}, {"a/..", NULL}, {"a/.", NULL},
        {".", NULL}, {"..", NULL},  {"/", NULL}, {"...", "..."}, {".a", ".a"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = guest_path_base_name(cases[i][0]);

        g_assert_cmpstr(name, ==, cases[i][1]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/guest-path/guest", test_guest);
    g_test_add_func("/cli/guest-path/base-name", test_base_name);
    g_test_add_func("/cli/guest-path/half", test_half);
    return g_test_run();
}
