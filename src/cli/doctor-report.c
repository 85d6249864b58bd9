/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-report: a list of findings, as text and as JSON. */
#include "doctor-report.h"

#include "text.h"

static const char *const verdict_names[_VERDICT_MAX] = {
    [VERDICT_OK] = "ok",
    [VERDICT_WARNING] = "warning",
    [VERDICT_PROBLEM] = "problem",
    [VERDICT_UNKNOWN] = "not known",
};

/* The same in JSON, as single words. */
static const char *const verdict_keys[_VERDICT_MAX] = {
    [VERDICT_OK] = "ok",
    [VERDICT_WARNING] = "warning",
    [VERDICT_PROBLEM] = "problem",
    [VERDICT_UNKNOWN] = "unknown",
};

static void
finding_free(gpointer data)
{
    Finding *finding = data;

    g_free(finding->name);
    g_free(finding->text);
    g_free(finding->action);
    g_free(finding);
}

Report *
report_new(void)
{
    Report *report = g_new0(Report, 1);

    report->topic = "";
    report->findings = g_ptr_array_new_with_free_func(finding_free);
    return report;
}

void
report_free(Report *report)
{
    if (report == NULL)
        return;
    g_ptr_array_unref(report->findings);
    g_free(report);
}

void
report_begin(Report *report, const char *topic)
{
    report->topic = topic;
}

void
report_add(Report *report, Verdict verdict, const char *name, const char *format, ...)
{
    Finding *finding = g_new0(Finding, 1);
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    finding->topic = report->topic;
    finding->verdict = verdict;
    finding->name = g_utf8_make_valid(name, -1);
    finding->text = g_utf8_make_valid(text, -1);
    g_ptr_array_add(report->findings, finding);
}

void
report_advise(Report *report, const char *format, ...)
{
    Finding *last = report->findings->pdata[report->findings->len - 1];
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_free(last->action);
    last->action = g_utf8_make_valid(text, -1);
}

guint
report_count(const Report *report, Verdict verdict)
{
    guint n = 0;

    for (guint i = 0; i < report->findings->len; i++)
        n += ((const Finding *)report->findings->pdata[i])->verdict == verdict;
    return n;
}

/* --- as text --- */

/* Returns the findings to show. They remain the report's. */
static GPtrArray *
select_findings(const Report *report, gboolean only_problems)
{
    GPtrArray *selected = g_ptr_array_new();

    for (guint i = 0; i < report->findings->len; i++) {
        const Finding *finding = report->findings->pdata[i];

        if (!only_problems || finding->verdict == VERDICT_PROBLEM)
            g_ptr_array_add(selected, (gpointer)finding);
    }
    return selected;
}

static gsize
longest_name(const GPtrArray *findings)
{
    gsize width = 0;

    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *name = text_escape(((const Finding *)findings->pdata[i])->name);

        width = MAX(width, text_width(name));
    }
    return width;
}

static void
append_padded(GString *lines, const char *text, gsize width)
{
    g_string_append(lines, text);
    for (gsize used = text_width(text); used < width; used++)
        g_string_append_c(lines, ' ');
}

static const char *
verdict_style(Verdict verdict, const ReportStyle *style)
{
    if (verdict == VERDICT_PROBLEM)
        return style->red;
    return verdict == VERDICT_OK ? "" : style->yellow;
}

#define VERDICT_WIDTH 11 /* of "not known", and a gap */

static void
append_finding(GString *lines, const Finding *finding, gsize name_width, const ReportStyle *style)
{
    const char *colour = verdict_style(finding->verdict, style);
    g_autofree char *name = text_escape(finding->name);
    g_autofree char *text = text_escape(finding->text);
    g_autofree char *action = finding->action != NULL ? text_escape(finding->action) : NULL;

    g_string_append(lines, colour);
    append_padded(lines, verdict_names[finding->verdict], VERDICT_WIDTH);
    g_string_append(lines, *colour != '\0' ? style->off : "");
    append_padded(lines, name, name_width + 2);
    g_string_append_printf(lines, "%s\n", text);
    if (action == NULL)
        return;
    append_padded(lines, "", VERDICT_WIDTH);
    append_padded(lines, "to do:", name_width + 2);
    g_string_append_printf(lines, "%s\n", action);
}

static void
append_summary(GString *lines, const Report *report, gboolean only_problems)
{
    guint problems = report_count(report, VERDICT_PROBLEM);
    guint warnings = report_count(report, VERDICT_WARNING);
    guint unknown = report_count(report, VERDICT_UNKNOWN);

    g_string_append_printf(
        lines, "%u %s, %u %s, %u not known%s\n", problems, problems == 1 ? "problem" : "problems",
        warnings, warnings == 1 ? "warning" : "warnings", unknown,
        only_problems && warnings + unknown > 0 ? " ('cloche doctor' shows all)" : "");
}

char *
report_render(const Report *report, gboolean only_problems, const ReportStyle *style)
{
    g_autoptr(GPtrArray) findings = select_findings(report, only_problems);
    /* "to do:" is in the same column. */
    gsize name_width = MAX(longest_name(findings), strlen("to do:"));
    GString *lines = g_string_new(NULL);
    const char *topic = NULL;

    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (g_strcmp0(topic, finding->topic) != 0)
            g_string_append_printf(lines, "%s%s%s%s\n", i > 0 ? "\n" : "", style->bold,
                                   finding->topic, style->off);
        topic = finding->topic;
        append_finding(lines, finding, name_width, style);
    }
    if (findings->len > 0)
        g_string_append_c(lines, '\n');
    append_summary(lines, report, only_problems);
    return g_string_free(lines, /* free_segment= */ FALSE);
}

/* --- as JSON --- */

static JsonNode *
finding_to_json(const Finding *finding)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_object_set_string_member(object, "topic", finding->topic);
    json_object_set_string_member(object, "name", finding->name);
    json_object_set_string_member(object, "verdict", verdict_keys[finding->verdict]);
    json_object_set_string_member(object, "text", finding->text);
    json_object_set_string_member(object, "action", finding->action != NULL ? finding->action : "");
    json_node_take_object(node, object);
    return node;
}

JsonNode *
report_to_json(const Report *report, gboolean only_problems)
{
    g_autoptr(GPtrArray) findings = select_findings(report, only_problems);
    JsonObject *object = json_object_new();
    JsonArray *checks = json_array_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    for (guint i = 0; i < findings->len; i++)
        json_array_add_element(checks, finding_to_json(findings->pdata[i]));
    json_object_set_array_member(object, "checks", checks);
    json_object_set_int_member(object, "problems", report_count(report, VERDICT_PROBLEM));
    json_object_set_int_member(object, "warnings", report_count(report, VERDICT_WARNING));
    json_object_set_int_member(object, "unknown", report_count(report, VERDICT_UNKNOWN));
    json_node_take_object(node, object);
    return node;
}
