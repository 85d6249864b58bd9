/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-place: words that say where. */
#include "place.h"

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
        g_auto(Place) place = {0};
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(place_is_guest(cases[i].word), ==, cases[i].id != NULL);
        g_assert_cmpint(place_parse(cases[i].word, &place, &error), ==, cases[i].id != NULL);
        g_assert_cmpstr(place.id, ==, cases[i].id);
        g_assert_cmpstr(place.path, ==, cases[i].path);
        if (cases[i].id == NULL)
            g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
}

static void
test_half_a_place(void)
{
    static const char *const cases[][2] = {
        {"/etc", "'/etc' is not of the form ID:PATH: write ID:/etc"},
        {"plain", "'plain' is not of the form ID:PATH: write plain: or plain:PATH"},
        {"./a:b", "'./a:b' is not of the form ID:PATH"},
        {"", "'' is not of the form ID:PATH"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Place) place = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(place_parse(cases[i][0], &place, &error));
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
        g_autofree char *name = place_base_name(cases[i][0]);

        g_assert_cmpstr(name, ==, cases[i][1]);
    }
}

static void
test_forward(void)
{
    static const struct {
        const char *word, *host;
        guint16 port, guest_port;
    } cases[] = {
        {"1", "127.0.0.1", 1, 1},
        {"65535", "127.0.0.1", 65535, 65535},
        {"8080:80", "127.0.0.1", 8080, 80},
        {"0:80", "127.0.0.1", 0, 80},
        {"0.0.0.0:8080", "0.0.0.0", 8080, 8080},
        {"10.1.2.3:8080:80", "10.1.2.3", 8080, 80},
        {"[::1]:0:65535", "::1", 0, 65535},
        {"localhost:8080:80", "127.0.0.1", 8080, 80},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(PlaceForward) forward = {0};
        g_autoptr(GError) error = NULL;

        place_parse_forward(cases[i].word, &forward, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(forward.host, ==, cases[i].host);
        g_assert_cmpuint(forward.port, ==, cases[i].port);
        g_assert_cmpuint(forward.guest_port, ==, cases[i].guest_port);
    }
}

static void
test_no_forward(void)
{
    static const char *const cases[] = {
        "",     "0",      "65536",    "80:",     ":80",     "80:0",          "80:65536",
        "-1",   "80x",    "80:80:80", "::1:80",  "[::1]",   "[::1]80",       "localhos:80",
        "[]:1", "[::1]:", "1.2.3.4:", "1.2.3:1", "1.2.3.4", "1.2.3.4:1:2:3",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(PlaceForward) forward = {0};
        g_autoptr(GError) error = NULL;

        g_test_message("%s", cases[i]);
        g_assert_false(place_parse_forward(cases[i], &forward, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        g_assert_null(forward.host);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/place/guest", test_guest);
    g_test_add_func("/cli/place/base-name", test_base_name);
    g_test_add_func("/cli/place/half", test_half_a_place);
    g_test_add_func("/cli/place/forward", test_forward);
    g_test_add_func("/cli/place/no-forward", test_no_forward);
    return g_test_run();
}
