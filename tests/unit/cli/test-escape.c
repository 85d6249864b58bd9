/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-escape: escape sequences of the terminal work, also if each key arrives separately. */
#include <string.h>

#include "escape.h"

typedef struct {
    const char *keys, *typed;
    gboolean leaves, wants_help;
} Case;

static const Case cases[] = {
    {"", "", FALSE, FALSE},         {"ls\r", "ls\r", FALSE, FALSE}, {"~", "", FALSE, FALSE},
    {"~.", "", TRUE, FALSE},        {"~.more", "", TRUE, FALSE},    {"a~.", "a~.", FALSE, FALSE},
    {"a\r~.", "a\r", TRUE, FALSE},  {"a\n~.", "a\n", TRUE, FALSE},  {"~~", "~", FALSE, FALSE},
    {"~~.", "~.", FALSE, FALSE},    {"~~\r~.", "~\r", TRUE, FALSE}, {"~x", "~x", FALSE, FALSE},
    {"~x~.", "~x~.", FALSE, FALSE}, {"~\r~.", "~\r", TRUE, FALSE},  {"~?", "", FALSE, TRUE},
    {"~?~.", "", TRUE, TRUE},       {"~?a", "a", FALSE, TRUE},
};

/* Feeds the input in pieces of that size. */
static void
check(const Case *c, gsize size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    Escape escape = {0};
    gboolean stays = TRUE;

    for (gsize at = 0; at < strlen(c->keys) && stays; at += size)
        stays = escape_pass(&escape, (const guint8 *)c->keys + at, MIN(size, strlen(c->keys) - at),
                            out);
    g_assert_cmpmem(out->data, out->len, c->typed, strlen(c->typed));
    g_assert_cmpint(stays, ==, !c->leaves);
    g_assert_cmpint(escape.wants_help, ==, c->wants_help);
}

static void
test_whole(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        check(&cases[i], G_MAXUINT16);
}

static void
test_key_by_key(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        check(&cases[i], 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/escape/whole", test_whole);
    g_test_add_func("/cli/escape/key-by-key", test_key_by_key);
    return g_test_run();
}
