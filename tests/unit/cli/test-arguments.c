/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-arguments: arguments are converted for GOption, and the error for another program's verb or
 * option names that of cloche. */
#include <string.h>

#include "arguments.h"
#include "foreign.h"
#include "spelling.h"

#define ID "abcdefghij234567"
#define DIGIT_ID "2bcdefghij234567"

static gboolean flag;
static char *text;

/* The same options as exec has. */
static const GOptionEntry entries[] = {
    {"cwd", 'w', 0, G_OPTION_ARG_FILENAME, &text, NULL, NULL},
    {"env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &text, NULL, NULL},
    {"user", 'u', 0, G_OPTION_ARG_FILENAME, &text, NULL, NULL},
    {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &text, NULL, NULL},
    {"stdin", 'i', 0, G_OPTION_ARG_NONE, &flag, NULL, NULL},
    {"tty", 0, 0, G_OPTION_ARG_NONE, &flag, NULL, NULL},
    {"detach", 'd', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &flag, NULL, NULL},
    {"json", 0, 0, G_OPTION_ARG_NONE, &flag, NULL, NULL},
    G_OPTION_ENTRY_NULL,
};

/* As in create, -t can only mean a timeout. */
static const GOptionEntry without_tty[] = {
    {"timeout", 't', 0, G_OPTION_ARG_FILENAME, &text, NULL, NULL},
    G_OPTION_ENTRY_NULL,
};

static void
assert_prepared(const GOptionEntry *known, const char *typed, gboolean has_command_after_id,
                const char *expected)
{
    g_auto(GStrv) argv = g_strsplit(typed, " ", /* max= */ -1);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = arguments_prepare(known, argv, has_command_after_id, &error);
    g_autofree char *joined = NULL;

    g_assert_no_error(error);
    joined = g_strjoinv(" ", words);
    g_assert_cmpstr(joined, ==, expected);
}

static void
test_terminal(void)
{
    static const char *const cases[][2] = {
        {"exec -it ID -- sh", "exec -i --tty ID -- sh"},
        {"exec -ti ID -- sh", "exec --tty -i ID -- sh"},
        {"exec -i -t ID -- sh", "exec -i --tty ID -- sh"},
        {"exec -t -i ID -- sh", "exec --tty -i ID -- sh"},
        {"exec -dit ID -- sh", "exec -d -i --tty ID -- sh"},
        {"exec ID -t -- sh", "exec ID --tty -- sh"},
        {"exec ID -t", "exec ID --tty"},
        {"exec -it 5 -- sh", "exec -i --tty 5 -- sh"},
        /* durations */
        {"exec -t 1 ID -- sh", "exec --timeout 1 ID -- sh"},
        {"exec -t 1h30m ID -- sh", "exec --timeout 1h30m ID -- sh"},
        {"exec -t inf ID -- sh", "exec --timeout inf ID -- sh"},
        {"exec -t 5x ID -- sh", "exec --timeout 5x ID -- sh"},
        {"exec -t5m ID -- sh", "exec --timeout 5m ID -- sh"},
        {"exec -it5 ID -- sh", "exec -i --timeout 5 ID -- sh"},
        {"exec --timeout 1 ID -- sh", "exec --timeout 1 ID -- sh"},
        /* an id is not a duration, even if it begins with a digit */
        {"exec -t " ID " -- sh", "exec --tty " ID " -- sh"},
        {"exec -t " DIGIT_ID " -- sh", "exec --tty " DIGIT_ID " -- sh"},
        {"exec -t 2bcdefghij23456 -- sh", "exec --timeout 2bcdefghij23456 -- sh"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_prepared(entries, cases[i][0], /* has_command_after_id= */ TRUE, cases[i][1]);
    assert_prepared(without_tty, "create -t x", FALSE, "create -t x");
    assert_prepared(without_tty, "create -t", FALSE, "create -t");
}

static void
test_values(void)
{
    static const char *const cases[][2] = {
        {"exec -uroot ID -- sh", "exec -u root ID -- sh"},
        {"exec -iuroot ID -- sh", "exec -i -u root ID -- sh"},
        {"exec -iu root ID -- sh", "exec -i -u root ID -- sh"},
        {"exec -u -t ID -- sh", "exec -u -t ID -- sh"},
        {"exec --user -it ID -- sh", "exec --user -it ID -- sh"},
        {"exec --user=a ID -- sh", "exec --user=a ID -- sh"},
        {"exec --user", "exec --user"},
        {"exec -u -- sh", "exec -u -- sh"},
        {"exec - -- -it", "exec - -- -it"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_prepared(entries, cases[i][0], /* has_command_after_id= */ FALSE, cases[i][1]);
}

static void
test_command(void)
{
    static const char *const cases[][2] = {
        {"exec ID ls -l --json", "exec ID -- ls -l --json"},
        {"exec -it ID sh -c x", "exec -i --tty ID -- sh -c x"},
        {"exec ID -w / ls -w", "exec ID -w / -- ls -w"},
        {"exec -u root ID ls", "exec -u root ID -- ls"},
        {"exec ID", "exec ID"},
        {"exec ID git log -- x", "exec ID git log -- x"}, /* too many, before "--" */
        {"exec ID -- ls -- -t", "exec ID -- ls -- -t"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_prepared(entries, cases[i][0], /* has_command_after_id= */ TRUE, cases[i][1]);
    assert_prepared(entries, "run ls -t", /* has_command_after_id= */ FALSE, "run ls --tty");
}

static void
test_unknown_options(void)
{
    static const struct {
        const char *typed, *says;
    } cases[] = {
        {"exec -v /a:/b ID",
         "unknown option '-v': a sandbox cannot use a directory of this machine"},
        {"exec -p8080:80 ID", "unknown option '-p': 'cloche forward"},
        {"exec --volume=/a:/b ID", "unknown option '--volume': a sandbox cannot use a directory"},
        {"kill -KILL ID", "unknown option '-KILL': 'cloche signal"},
        /* An option that one verb of another program has gives no hint for another verb. */
        {"extend ID -1", "unknown option '-1'"},
        {"status -v", "unknown option '-v'"},
        {"ls -p ID:", "unknown option '-p'"},
        {"list -o json", "unknown option '-o': --json"},
        {"shell ID -c ls", "unknown option '-c': a shell command needs a shell"},
        {"code -m json.tool", "unknown option '-m': 'cloche exec ID -- python3 -m MODULE'"},
        {"exec -ix ID", "unknown option '-x'"},
        {"exec --timout 5 ID", "unknown option '--timout': did you mean '--timeout'?"},
        {"exec --us x ID", "unknown option '--us': did you mean '--user'?"},
        {"exec --detch ID", "unknown option '--detch'"},
        {"exec --zzz ID", "unknown option '--zzz'"},
        {"exec -\303\244 ID", "unknown option '-\303\244'"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) argv = g_strsplit(cases[i].typed, " ", /* max= */ -1);
        g_autoptr(GError) error = NULL;

        g_assert_null(arguments_prepare(entries, argv, TRUE, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION);
        g_test_message("%s", error->message);
        g_assert_true(g_str_has_prefix(error->message, cases[i].says));
        if (strchr(cases[i].says, ':') == NULL)
            g_assert_cmpstr(error->message, ==, cases[i].says);
        /* Hidden names are not proposed. */
        g_assert_null(strstr(error->message, "--detach"));
    }
}

static void
test_have(void)
{
    char *words[] = {"exec", "--json", "--", "--help", NULL};

    g_assert_true(arguments_have(words, "--json"));
    g_assert_false(arguments_have(words, "--help"));
    g_assert_false(arguments_have(words, "--js"));
}

static void
test_nearest(void)
{
    static const char *const verbs[] = {"exec", "extend", "kill", "list",   "ls",
                                        "cp",   "cat",    "code", "create", NULL};
    static const char *const cases[][2] = {
        {"exce", "exec"},
        {"exe", "exec"},
        {"ext", "extend"},
        {"crate", "create"},
        {"craete", "create"},
        {"extnd", "extend"},
        {"xtnd", NULL},
        {"xtn", NULL},
        {"kil", "kill"},
        {"kll", "kill"},
        {"kl", NULL},
        {"klil", "kill"},
        {"lsit", "list"},
        {"e", NULL},
        {"ex", NULL},
        {"", NULL},
        {"frobnicate", NULL},
        {"ab", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i][0]);
        g_assert_cmpstr(spelling_nearest(cases[i][0], verbs), ==, cases[i][1]);
    }
}

static void
test_habits(void)
{
    g_assert_cmpstr(foreign_alias("rm"), ==, "kill");
    g_assert_cmpstr(foreign_alias("inspect"), ==, "status");
    g_assert_null(foreign_alias("stop"));
    g_assert_null(foreign_alias("r"));
    g_assert_null(foreign_alias(""));
    g_assert_nonnull(strstr(foreign_verb_hint("stop"), "cloche kill"));
    g_assert_nonnull(strstr(foreign_verb_hint("images"), "cloche status"));
    g_assert_null(foreign_verb_hint("stop terminate"));
    g_assert_null(foreign_verb_hint(""));
    g_assert_nonnull(foreign_option_hint("run", "--net"));
    g_assert_null(foreign_option_hint("run", "--n"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/arguments/terminal", test_terminal);
    g_test_add_func("/cli/arguments/values", test_values);
    g_test_add_func("/cli/arguments/command", test_command);
    g_test_add_func("/cli/arguments/unknown-options", test_unknown_options);
    g_test_add_func("/cli/arguments/have", test_have);
    g_test_add_func("/cli/arguments/nearest", test_nearest);
    g_test_add_func("/cli/arguments/habits", test_habits);
    return g_test_run();
}
