/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-process-tag: a tag is found again as it was made, and other tags are refused. */
#include "process-tag.h"

static void
test_round(void)
{
    static const char *const tags[] = {"", "tag", "two words", " begins with a space", "ä"};

    for (gsize i = 0; i < G_N_ELEMENTS(tags); i++)
        for (gboolean is_terminal = FALSE; is_terminal <= TRUE; is_terminal++) {
            g_autofree char *tag = process_tag_make(7, is_terminal, tags[i]);
            const char *callers_tag;
            gboolean found_terminal;
            guint32 number;

            g_assert_true(process_tag_parse(tag, &number, &found_terminal, &callers_tag));
            g_assert_cmpuint(number, ==, 7);
            g_assert_cmpint(found_terminal, ==, is_terminal);
            g_assert_cmpstr(callers_tag, ==, tags[i]);
        }
}

/* A number after which there would be no other, signs, and tags that no caller may choose. */
static void
test_refused(void)
{
    static const char *const tags[] = {
        "",
        "process",
        "process ",
        "process 7",
        "process 7 p",
        "process 7 x tag",
        "process 7  p tag",
        "process 0 p tag",
        "process -1 p tag",
        "process +1 p tag",
        "process 0x1 p tag",
        "process 2147483648 p tag",
        "process 4294967295 p tag",
        "process 99999999999999999999 p tag",
        "runner:python",
    };
    g_autofree char *text = g_strnfill(PROCESS_TAG_MAX + 1, 'a');
    g_autofree char *too_long = process_tag_make(7, FALSE, text);
    const char *callers_tag;
    gboolean is_terminal;
    guint32 number;

    for (gsize i = 0; i < G_N_ELEMENTS(tags); i++)
        g_assert_false(process_tag_parse(tags[i], &number, &is_terminal, &callers_tag));
    g_assert_false(process_tag_parse(too_long, &number, &is_terminal, &callers_tag));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/process-tag/round", test_round);
    g_test_add_func("/process-tag/refused", test_refused);
    return g_test_run();
}
