/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report-text: the two forms of an event. */
#include "report-text.h"

static const struct {
    const char *name, *verdict, *message_id, *sentence;
} kinds[] = {
    [REPORT_OPEN] = {"open", "allowed", NULL, "was made"},
    [REPORT_CLOSE] = {"close", "allowed", REPORT_ENDED_ID, "has ended"},
    [REPORT_REFUSED] = {"refused", "refused", REPORT_REFUSED_ID, "was refused"},
    [REPORT_FAILED] = {"failed", "failed", REPORT_FAILED_ID, "could not be made"},
    [REPORT_REQUEST] = {"request", "allowed", REPORT_REQUEST_ID, "had a request"},
};

/* --- JSON --- */

static void
append_escaped(GString *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    for (const char *c = valid; *c; c++)
        if ((guchar)*c < 0x20 || *c == 0x7f)
            g_string_append_printf(out, "\\u%04x", (guint)(guchar)*c);
        else if (*c == '"' || *c == '\\')
            g_string_append_printf(out, "\\%c", *c);
        else
            g_string_append_c(out, *c);
}

static void
append_text(GString *out, const char *key, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(out, ",\"%s\":\"", key);
    append_escaped(out, value);
    g_string_append_c(out, '"');
}

static void
append_number(GString *out, const char *key, guint64 value)
{
    g_string_append_printf(out, ",\"%s\":%" G_GUINT64_FORMAT, key, value);
}

void
report_text_json(GString *out, const ReportEvent *event, gint64 realtime_us)
{
    g_string_append_printf(out, "{\"event\":\"%s\"", kinds[event->kind].name);
    append_number(out, "time", (guint64)realtime_us);
    append_text(out, "host", event->host);
    append_number(out, "port", event->port);
    append_text(out, "address", event->address);
    append_text(out, "protocol", event->protocol);
    append_text(out, "rule", event->rule);
    append_text(out, "reason", event->reason);
    append_text(out, "sni", event->sni);
    append_text(out, "method", event->method);
    append_text(out, "path", event->path);
    if (event->status != 0)
        append_number(out, "status", event->status);
    if (event->kind != REPORT_OPEN) {
        append_number(out, "bytes_up", event->bytes_up);
        append_number(out, "bytes_down", event->bytes_down);
        append_number(out, "duration_usec", event->duration_us);
    }
    g_string_append(out, "}\n");
}

/* --- the journal --- */

static void
append_printable(GString *out, const char *text)
{
    for (const char *c = text; *c; c++)
        g_string_append_c(out, g_ascii_isprint(*c) ? *c : '?');
}

static void
append_field(GString *out, const char *key, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(out, "%s=", key);
    append_printable(out, value);
    g_string_append_c(out, '\n');
}

static void
append_count(GString *out, const char *key, guint64 value)
{
    g_string_append_printf(out, "%s=%" G_GUINT64_FORMAT "\n", key, value);
}

static void
append_origin(GString *out, const char *message_id, const char *id, guint32 owner)
{
    append_field(out, "MESSAGE_ID", message_id);
    append_field(out, "SYSLOG_IDENTIFIER", "cloche-egress");
    append_field(out, "SANDBOX_ID", id);
    append_count(out, "OWNER_UID", owner);
}

static void
append_message(GString *out, const ReportEvent *event, const char *id)
{
    g_string_append_printf(out, "MESSAGE=A connection of sandbox %s to ", id);
    append_printable(out, event->host);
    g_string_append_printf(out, ", port %u, %s", (guint)event->port, kinds[event->kind].sentence);
    if (event->reason) {
        g_string_append(out, ": ");
        append_printable(out, event->reason);
    }
    g_string_append_c(out, '\n');
}

void
report_text_journal(GString *out, const ReportEvent *event, const char *id, guint32 owner)
{
    append_message(out, event, id);
    append_count(out, "PRIORITY", event->kind == REPORT_REFUSED ? 5 : 6);
    append_origin(out, kinds[event->kind].message_id, id, owner);
    append_field(out, "HOST", event->host);
    append_count(out, "PORT", event->port);
    append_field(out, "ADDRESS", event->address);
    append_field(out, "PROTOCOL", event->protocol);
    append_field(out, "VERDICT", kinds[event->kind].verdict);
    append_field(out, "RULE", event->rule);
    append_field(out, "REASON", event->reason);
    append_field(out, "SNI", event->sni);
    append_field(out, "HTTP_METHOD", event->method);
    append_field(out, "HTTP_PATH", event->path);
    if (event->status != 0)
        append_count(out, "HTTP_STATUS", event->status);
    append_count(out, "BYTES_UP", event->bytes_up);
    append_count(out, "BYTES_DOWN", event->bytes_down);
    append_count(out, "DURATION_USEC", event->duration_us);
}

void
report_text_left_out(GString *out, const char *id, guint32 owner, guint left_out)
{
    g_string_append_printf(out,
                           "MESSAGE=%u messages about connections of sandbox %s were left out in a "
                           "minute\nPRIORITY=5\n",
                           left_out, id);
    append_origin(out, REPORT_LEFT_OUT_ID, id, owner);
}
