/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-text: durations and KEY=VALUE are parsed within their bounds, and text is escaped for
 * terminals. */
#include <string.h>

#include "text.h"

static void
test_durations(void)
{
    static const struct {
        const char *text;
        guint64 seconds;
    } good[] = {
        {"1", 1},
        {"90", 90},
        {"90s", 90},
        {"5m", 300},
        {"2h", 7200},
        {"1d", 86400},
        {"007", 7},
        {"90min", 5400},
        {"2hours", 7200},
        {"1week", 604800},
        {"1h30m", 5400},
        {"1h 30min 5 sec", 5405},
        {"1d2h3m4s", 93784},
        {"1.5h", 5400},
        {".5h", 1800},
        {"0.5m", 30},
        {"1.000001s", 2},
        {"1.0000001s", 1},
        {"1.5", 2},
        {"1000ms", 1},
        {"1001ms", 2},
        {"5 ", 5},
        {"0h1m", 60},
        {"inf", TEXT_FOREVER},
        {"infinity", TEXT_FOREVER},
        {"9223372036854", G_GUINT64_CONSTANT(9223372036854)},
        {"106751991d", G_GUINT64_CONSTANT(106751991) * 86400},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        guint64 seconds = 0;

        g_assert_true(text_to_seconds(good[i].text, &seconds, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(seconds, ==, good[i].seconds);
    }
}

static void
test_durations_again(void)
{
    static const struct {
        guint64 seconds;
        const char *text;
    } cases[] = {
        {1, "1s"},     {60, "1m"},     {61, "61s"},       {3600, "1h"}, {5400, "90m"},
        {86400, "1d"}, {90000, "25h"}, {86399, "86399s"}, {0, "0d"},    {2592000, "30d"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = text_to_duration(cases[i].seconds);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_bad_durations(void)
{
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"", "is not a duration"},
        {"m", "is not a duration"},
        {"-5", "is not a duration"},
        {"+5", "is not a duration"},
        {" 5", "is not a duration"},
        {"5M", "unknown unit 'M'"},
        {"5x", "unknown unit 'x'"},
        {"1h5x", "unknown unit 'x'"},
        {"5-", "unknown unit '-'"},
        {"1h30", "is not a duration"},
        {"1 2", "is not a duration"},
        {".", "is not a duration"},
        {".h", "is not a duration"},
        {"5.h", "is not a duration"},
        {"1..5h", "is not a duration"},
        {"INF", "is not a duration"},
        {"0", "too short"},
        {"000d", "too short"},
        {"0.999999s", "too short"},
        {"999ms", "too short"},
        {"9223372036855", "too long"},
        {"106751992d", "too long"},
        {"99999999999999999999999999", "too long"},
        {"99999999999999999999999999h1s", "too long"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        guint64 seconds = 4711;

        g_assert_false(text_to_seconds(bad[i].text, &seconds, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        g_assert_nonnull(strstr(error->message, bad[i].says));
        g_assert_cmpuint(seconds, ==, 4711);
    }
}

static void
test_pairs(void)
{
    const char *const words[] = {"A=1", "B=", "C=x=y", "Ö=\xc3\xa4", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) pairs = g_variant_ref_sink(text_to_pairs(words, &error));
    g_autofree char *printed = g_variant_print(pairs, /* type_annotate= */ FALSE);
    g_autoptr(GVariant) none = g_variant_ref_sink(text_to_pairs(NULL, &error));

    g_assert_no_error(error);
    g_assert_cmpstr(g_variant_get_type_string(pairs), ==, "a{ss}");
    g_assert_cmpstr(printed, ==, "{'A': '1', 'B': '', 'C': 'x=y', 'Ö': 'ä'}");
    g_assert_cmpstr(g_variant_get_type_string(none), ==, "a{ss}");
    g_assert_cmpuint(g_variant_n_children(none), ==, 0);
}

static void
assert_pairs_fail(const char *const *words, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(text_to_pairs(words, &error));
    g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_bad_pairs(void)
{
    assert_pairs_fail((const char *[]){"A=1", "B", NULL}, "'B' is not of the form KEY=VALUE");
    assert_pairs_fail((const char *[]){"=1", NULL}, "'=1' is not of the form KEY=VALUE");
    assert_pairs_fail((const char *[]){"", NULL}, "'' is not of the form KEY=VALUE");
    assert_pairs_fail((const char *[]){"A=1", "B=2", "A=3", NULL}, "'A=3': the key is given twice");
    assert_pairs_fail((const char *[]){"A=\xff", NULL}, "'A=\xef\xbf\xbd' is not UTF-8 text");
}

static void
assert_text(char *text, const char *expected)
{
    g_assert_cmpstr(text, ==, expected);
    g_free(text);
}

static void
test_spans(void)
{
    assert_text(text_from_seconds(0), "0s");
    assert_text(text_from_seconds(59), "59s");
    assert_text(text_from_seconds(60), "1m 0s");
    assert_text(text_from_seconds(3599), "59m 59s");
    assert_text(text_from_seconds(7500), "2h 5m");
    assert_text(text_from_seconds(86400 * 3 + 3600 * 4 + 59), "3d 4h");
}

static void
test_sizes(void)
{
    assert_text(text_from_size(0), "0 bytes");
    assert_text(text_from_size(1), "1 byte");
    assert_text(text_from_size(999), "999 bytes");
    assert_text(text_from_size(23456), "23 KB");
    assert_text(text_from_size(999499), "999 KB");
    assert_text(text_from_size(999500), "1.0 MB");
    assert_text(text_from_size(1400000), "1.4 MB");
    assert_text(text_from_size(999950000), "1.0 GB");
}

static void
test_escape(void)
{
    assert_text(text_escape("plain ä 漢"), "plain ä 漢");
    assert_text(text_escape("\033[2J\r\n\t\177"), "\\x1b[2J\\x0d\\x0a\\x09\\x7f");
    assert_text(text_escape("\xc2\x9b"), "\\x9b"); /* a control sequence in one character */
    assert_text(text_escape("a\xe2\x80\xae z"), "a\\u202e z");
    assert_text(text_escape("\xff"), "\xef\xbf\xbd");
    assert_text(text_escape_lines("one\n\033two"), "one\n  \\x1btwo");
    assert_text(text_escape_styled("\033[0;31mred\033[m\n\tx"), "\033[0;31mred\033[m\n\tx");
    assert_text(text_escape_styled("\033[31"), "\\x1b[31");
    assert_text(text_escape_styled("\033[?25m\033[2J\r"), "\\x1b[?25m\\x1b[2J\\x0d");
}

static void
test_signals(void)
{
    static const struct {
        const char *text;
        int number;
    } signals[] = {
        {"TERM", 15}, {"SIGTERM", 15}, {"sigterm", 15}, {"hup", 1},        {"15", 15},
        {"1", 1},     {"64", 64},      {"65", 0},       {"0", 0},          {"-1", 0},
        {"", 0},      {"SIG", 0},      {"FOO", 0},      {"SIGSIGTERM", 0}, {"15x", 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_autoptr(GError) error = NULL;
        int number = 0;

        g_assert_cmpint(text_to_signal(signals[i].text, &number, &error), ==,
                        signals[i].number != 0);
        g_assert_cmpint(number, ==, signals[i].number);
        g_assert_true((error == NULL) == (number != 0));
    }
}

static void
test_sizes_from_text(void)
{
    static const struct {
        const char *text;
        guint64 bytes; /* 0: refused */
    } cases[] = {
        {"1", 1},
        {"500K", 500000},
        {"10M", 10000000},
        {"2G", 2000000000},
        {"1T", 1000000000000},
        {"9223372036854775807", G_MAXINT64},
        {"9223372036854775808", 0},
        {"9223372T", 9223372000000000000},
        {"9223373T", 0},
        {"", 0},
        {"0", 0},
        {"0K", 0},
        {"K", 0},
        {"-1", 0},
        {"1.5G", 0},
        {"1KB", 0},
        {"1k", 0},
        {"1 K", 0},
        {" 1", 0},
        {"1P", 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint64 bytes = 0;
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(text_to_size(cases[i].text, &bytes, &error), ==, cases[i].bytes != 0);
        g_assert_cmpuint(bytes, ==, cases[i].bytes);
        g_assert_true((error == NULL) == (cases[i].bytes != 0));
    }
}

static void
test_width(void)
{
    g_assert_cmpuint(text_width(""), ==, 0);
    g_assert_cmpuint(text_width("äb"), ==, 2);
    g_assert_cmpuint(text_width("a\xcc\x88"), ==, 1); /* a with a combining diaeresis */
    g_assert_cmpuint(text_width("漢字"), ==, 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/text/durations", test_durations);
    g_test_add_func("/cli/text/durations-again", test_durations_again);
    g_test_add_func("/cli/text/bad-durations", test_bad_durations);
    g_test_add_func("/cli/text/pairs", test_pairs);
    g_test_add_func("/cli/text/bad-pairs", test_bad_pairs);
    g_test_add_func("/cli/text/spans", test_spans);
    g_test_add_func("/cli/text/sizes", test_sizes);
    g_test_add_func("/cli/text/sizes-from-text", test_sizes_from_text);
    g_test_add_func("/cli/text/escape", test_escape);
    g_test_add_func("/cli/text/signals", test_signals);
    g_test_add_func("/cli/text/width", test_width);
    return g_test_run();
}
