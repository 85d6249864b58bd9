/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-source: files that are not UTF-8 text are refused as code. */
#include <string.h>

#include "source.h"

static void
test_text(void)
{
    static const struct {
        const char *bytes;
        gsize size;
        const char *text;
    } cases[] = {
        {"", 0, ""},
        {"\n", 1, "\n"},
        {"a\r\nb\r", 5, "a\r\nb\r"},
        {"\xef\xbb\xbf", 3, ""},
        {"\xef\xbb\xbf\xef\xbb\xbfx", 7, "\xef\xbb\xbfx"},
        {"x\xef\xbb\xbf", 4, "x\xef\xbb\xbf"},
        {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = source_text(cases[i].bytes, cases[i].size, "it", &error);

        g_assert_no_error(error);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_no_text(void)
{
    static const struct {
        const char *bytes;
        gsize size;
        const char *says;
    } cases[] = {
        {"\0", 1, "it is not text: it has a zero byte"},
        {"x\0", 2, "zero byte"},
        {"\xff", 1, "it is not UTF-8"},
        {"\xef\xbb", 2, "not UTF-8"},
        {"\xed\xa0\x80", 3, "not UTF-8"},
        {"\xff\xfex\0", 4, "it is UTF-16"},
        {"\xfe\xff\0x", 4, "UTF-16"},
        {"\xff\xfe", 2, "UTF-16"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(source_text(cases[i].bytes, cases[i].size, "it", &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED);
        g_assert_nonnull(strstr(error->message, cases[i].says));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/source/text", test_text);
    g_test_add_func("/cli/source/no-text", test_no_text);
    return g_test_run();
}
