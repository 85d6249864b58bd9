/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-report: findings are printed as lines and as JSON, with their text escaped. */
#include "doctor-report.h"
#include "json.h"

static const ReportStyle plain = {"", "", "", ""};
static const ReportStyle coloured = {"<b>", "<r>", "<y>", "<o>"};

static Report *
make_report(void)
{
    Report *report = report_new();

    report_begin(report, "One");
    report_add(report, VERDICT_OK, "a", "%s", "fine");
    report_add(report, VERDICT_PROBLEM, "long name", "broken %d", 7);
    report_advise(report, "fix %s", "it");
    report_begin(report, "Two");
    report_add(report, VERDICT_WARNING, "b", "so so");
    report_advise(report, "think");
    report_add(report, VERDICT_UNKNOWN, "c", "who knows");
    report_advise(report, "run as root to check");
    return report;
}

static void
assert_text(const Report *report, gboolean only_problems, const ReportStyle *style,
            const char *expected)
{
    g_autofree char *lines = report_render(report, only_problems, style);

    g_assert_cmpstr(lines, ==, expected);
}

static void
test_text(void)
{
    g_autoptr(Report) report = make_report();

    assert_text(report, FALSE, &plain,
                "One\n"
                "ok         a          fine\n"
                "problem    long name  broken 7\n"
                "           to do:     fix it\n"
                "\n"
                "Two\n"
                "warning    b          so so\n"
                "           to do:     think\n"
                "not known  c          who knows\n"
                "           to do:     run as root to check\n"
                "\n"
                "1 problem, 1 warning, 1 not known\n");
}

static void
test_only_problems(void)
{
    g_autoptr(Report) report = make_report();

    assert_text(report, TRUE, &coloured,
                "<b>One<o>\n"
                "<r>problem    <o>long name  broken 7\n"
                "           to do:     fix it\n"
                "\n"
                "1 problem, 1 warning, 1 not known ('cloche doctor' shows all)\n");
}

static void
test_colours(void)
{
    g_autoptr(Report) report = report_new();

    report_begin(report, "T");
    report_add(report, VERDICT_OK, "n", "t");
    report_add(report, VERDICT_UNKNOWN, "n", "t");
    report_advise(report, "a");
    assert_text(report, FALSE, &coloured,
                "<b>T<o>\n"
                "ok         n       t\n"
                "<y>not known  <o>n       t\n"
                "           to do:  a\n"
                "\n"
                "0 problems, 0 warnings, 1 not known\n");
}

static void
test_nothing(void)
{
    g_autoptr(Report) report = report_new();

    assert_text(report, FALSE, &plain, "0 problems, 0 warnings, 0 not known\n");
    assert_text(report, TRUE, &plain, "0 problems, 0 warnings, 0 not known\n");
}

static void
assert_json(const Report *report, gboolean only_problems, const char *expected)
{
    g_autofree char *line = json_to_line(report_to_json(report, only_problems));

    g_assert_cmpstr(line, ==, expected);
}

/* Text from the host's files and the service is shown, but cannot control the terminal. */
static void
test_hostile(void)
{
    g_autoptr(Report) report = report_new();

    report_begin(report, "T");
    report_add(report, VERDICT_PROBLEM, "n\n", "%s", "a\033[2Jb\xff");
    report_advise(report, "%s", "c\nd");
    assert_text(report, FALSE, &plain,
                "T\n"
                "problem    n\\x0a   a\\x1b[2Jb\xef\xbf\xbd\n"
                "           to do:  c\\x0ad\n"
                "\n"
                "1 problem, 0 warnings, 0 not known\n");
    assert_json(report, FALSE,
                "{\"checks\":[{\"topic\":\"T\",\"name\":\"n\\n\",\"verdict\":\"problem\","
                "\"text\":\"a\\u001b[2Jb\xef\xbf\xbd\",\"action\":\"c\\nd\"}],"
                "\"problems\":1,\"warnings\":0,\"unknown\":0}\n");
}

static void
test_json(void)
{
    g_autoptr(Report) report = make_report();

    assert_json(report, TRUE,
                "{\"checks\":[{\"topic\":\"One\",\"name\":\"long name\",\"verdict\":\"problem\","
                "\"text\":\"broken 7\",\"action\":\"fix it\"}],"
                "\"problems\":1,\"warnings\":1,\"unknown\":1}\n");
    g_ptr_array_set_size(report->findings, 1);
    assert_json(report, FALSE,
                "{\"checks\":[{\"topic\":\"One\",\"name\":\"a\",\"verdict\":\"ok\","
                "\"text\":\"fine\",\"action\":\"\"}],"
                "\"problems\":0,\"warnings\":0,\"unknown\":0}\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-report/text", test_text);
    g_test_add_func("/cli/doctor-report/only-problems", test_only_problems);
    g_test_add_func("/cli/doctor-report/colours", test_colours);
    g_test_add_func("/cli/doctor-report/nothing", test_nothing);
    g_test_add_func("/cli/doctor-report/hostile", test_hostile);
    g_test_add_func("/cli/doctor-report/json", test_json);
    return g_test_run();
}
