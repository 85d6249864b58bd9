/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor-report: the findings of 'cloche doctor'.
 *
 * A finding that is not ok has an action: a command or a setting that solves it or tells more.
 */
#pragma once

#include <json-glib/json-glib.h>

typedef enum {
    VERDICT_OK,
    VERDICT_WARNING, /* sandboxes work, but not as well or as safely as they could */
    VERDICT_PROBLEM, /* something does not work */
    VERDICT_UNKNOWN, /* it could not be checked; the text says why */
    _VERDICT_MAX,
} Verdict;

typedef struct {
    const char *topic;
    Verdict verdict;
    char *name, *text;
    char *action; /* NULL: none is needed */
} Finding;

typedef struct {
    const char *topic; /* of the next finding */
    GPtrArray *findings;
} Report;

/* The codes of a terminal, or "". */
typedef struct {
    const char *bold, *red, *yellow, *off;
} ReportStyle;

Report *report_new(void);
void report_free(Report *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)

/* Begins a topic. The string remains the caller's. */
void report_begin(Report *report, const char *topic);

void report_add(Report *report, Verdict verdict, const char *name, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Sets the action of the last finding. */
void report_advise(Report *report, const char *format, ...) G_GNUC_PRINTF(2, 3);

guint report_count(const Report *report, Verdict verdict);

/* Renders the findings as text, with control characters escaped. */
char *report_render(const Report *report, gboolean only_problems, const ReportStyle *style);

/* {"checks": […], "problems": N, "warnings": N, "unknown": N} */
JsonNode *report_to_json(const Report *report, gboolean only_problems);
