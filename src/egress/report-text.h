/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report-text: the two forms of an event. All functions are pure. */
#pragma once

#include "report.h"

/* Appends one line of JSON. `realtime_us`: since 1970. */
void report_text_json(GString *out, const ReportEvent *event, gint64 realtime_us);
/* Appends the event in the form of the journal's socket. */
void report_text_journal(GString *out, const ReportEvent *event, const char *id, guint32 owner);
/* The line about events that were left out of the journal. */
void report_text_left_out(GString *out, const char *id, guint32 owner, guint left_out);
