/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-terminal-filter: output of a guest may set colours and move the cursor of a terminal; other
 * sequences are escaped. */
#include "terminal-filter.h"

#include <string.h>

/* Returns what a terminal gets if the bytes arrive in pieces of this size. */
static char *
filter(const char *bytes, gsize size, gsize piece)
{
    TerminalFilter state = {0};
    GByteArray *out = g_byte_array_new();

    for (gsize at = 0; at < size; at += piece)
        terminal_filter(&state, (const guint8 *)bytes + at, MIN(piece, size - at), out);
    terminal_filter(&state, /* bytes= */ NULL, 0, out);
    g_byte_array_append(out, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(out, FALSE);
}

static void
assert_shown(const char *text, const char *expected)
{
    for (gsize piece = 1; piece <= strlen(text); piece++) {
        g_autofree char *shown = filter(text, strlen(text), piece);

        g_assert_cmpstr(shown, ==, expected);
    }
}

static void
assert_passed(const char *text)
{
    assert_shown(text, text);
}

static void
test_passed(void)
{
    assert_passed("plain text, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 and \xc2\xa0\n");
    assert_passed("50 %\r100 %\b\a\t\v\f\n");
    assert_passed("\033[0;1;31mred\033[m \033[38:2::255:0:0mred\033[0m");
    assert_passed("\033[2A\033[K\033[1;1H\033[2J\0337\0338\033[s\033[u");
    assert_passed("\033[?25l\033[?25h\033[?7l");
    assert_passed("\xff\xfe not UTF-8");
}

static void
test_refused(void)
{
    assert_shown("\033]0;title\a", "\\x1b]0;title\a");
    assert_shown("\033]52;c;ZXZpbA==\033\\", "\\x1b]52;c;ZXZpbA==\\x1b\\");
    assert_shown("\033P$q\"p\033\\", "\\x1bP$q\"p\\x1b\\");
    assert_shown("\033[6n\033[c\033[>c\033[5n",
                 "\\x1b[6n\\x1b[c\\x1b[>c\\x1b[5n");              /* requests for answers */
    assert_shown("\033[21t\033[8;1;1t", "\\x1b[21t\\x1b[8;1;1t"); /* operations on the window */
    assert_shown("\033[?1000h\033[?1049h\033[4h\033[?2h",
                 "\\x1b[?1000h\\x1b[?1049h\\x1b[4h\\x1b[?2h");
    assert_shown("\033[>4;2m\033[!p", "\\x1b[>4;2m\\x1b[!p");
    assert_shown("\033c\033(0\033=", "\\x1bc\\x1b(0\\x1b=");
    assert_shown("\xc2\x9d"
                 "0;title\xc2\x9c",
                 "\\x9d0;title\\x9c");
    assert_shown("\x05\x0e\x0f\x7f", "\\x05\\x0e\\x0f\\x7f");
}

/* A sequence that another one interrupts is refused; the second one is checked separately. */
static void
test_interrupted(void)
{
    assert_shown("\033[3\033[31mred", "\\x1b[3\033[31mred");
    assert_shown("\033\033[31mred", "\\x1b\033[31mred");
    assert_shown("\033[\n\033[5n", "\\x1b[\n\\x1b[5n");
    assert_shown("\xc2\033[5n", "\xc2\\x1b[5n");
    assert_shown("\xc2\xc2\x9b"
                 "5n",
                 "\xc2\\x9b"
                 "5n");
}

static void
test_end(void)
{
    assert_shown("\033", "\\x1b");
    assert_shown("\033[31", "\\x1b[31");
    assert_shown("\xc2", "\xc2");
}

static void
test_longest(void)
{
    g_autofree char *digits = g_strnfill(TERMINAL_SEQUENCE_MAX - 3, '0');
    g_autofree char *longest = g_strdup_printf("\033[%sm", digits);
    g_autofree char *too_long = g_strdup_printf("\033[0%sm", digits);
    g_autofree char *shown = g_strdup_printf("\\x1b[0%sm", digits);

    assert_passed(longest);
    assert_shown(too_long, shown);
}

static void
test_nul(void)
{
    g_autofree char *shown = filter("a\0b", 3, 3);

    g_assert_cmpmem(shown, 4, "a\0b", 4);
    g_autofree char *after_escape = filter("\033\0", 2, 1);
    g_assert_cmpmem(after_escape, 6, "\\x1b\0", 6);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/terminal-filter/passed", test_passed);
    g_test_add_func("/terminal-filter/refused", test_refused);
    g_test_add_func("/terminal-filter/interrupted", test_interrupted);
    g_test_add_func("/terminal-filter/end", test_end);
    g_test_add_func("/terminal-filter/longest", test_longest);
    g_test_add_func("/terminal-filter/nul", test_nul);
    return g_test_run();
}
