/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-forward-address: [HOST:]PORT[:GUESTPORT] is parsed, and other forms are refused. */
#include "forward-address.h"

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
        g_auto(ForwardAddress) forward = {0};
        g_autoptr(GError) error = NULL;

        forward_address_parse(cases[i].word, &forward, &error);
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
        g_auto(ForwardAddress) forward = {0};
        g_autoptr(GError) error = NULL;

        g_test_message("%s", cases[i]);
        g_assert_false(forward_address_parse(cases[i], &forward, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        g_assert_null(forward.host);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/forward-address/forward", test_forward);
    g_test_add_func("/cli/forward-address/no-forward", test_no_forward);
    return g_test_run();
}
