/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-text: a line for each event, and a labelled line for each part of a policy. */
#include "network-text.h"

#include <string.h>

#include "dictionary.h"
#include "text.h"

/* --- events --- */

static guint64
event_number(JsonObject *event, const char *member)
{
    JsonNode *node = json_object_get_member(event, member);

    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node))
        return 0;
    return (guint64)MAX(json_node_get_int(node), 0);
}

char *
network_text_place(JsonObject *event)
{
    g_autofree char *host = text_escape(event_text(event, "host"));
    guint64 port = event_number(event, "port");

    if (port == 0)
        return g_steal_pointer(&host);
    return g_strdup_printf(strchr(host, ':') != NULL ? "[%s]:%" G_GUINT64_FORMAT
                                                     : "%s:%" G_GUINT64_FORMAT,
                           host, port);
}

const char *
network_text_reason(JsonObject *event)
{
    const char *reason = event_text(event, "reason");

    return *reason != '\0' ? reason : event_text(event, "rule");
}

static void
append_opened(GString *line, JsonObject *event)
{
    static const char *const members[] = {"address", "protocol", "rule"};
    const char *separator = " (";

    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *text = text_escape(event_text(event, members[i]));

        if (*text == '\0')
            continue;
        g_string_append_printf(line, "%s%s", separator, text);
        separator = ", ";
    }
    if (*separator == ',')
        g_string_append_c(line, ')');
}

static void
append_reason(GString *line, JsonObject *event)
{
    g_autofree char *reason = text_escape(network_text_reason(event));

    if (*reason != '\0')
        g_string_append_printf(line, ": %s", reason);
}

static void
append_closed(GString *line, JsonObject *event)
{
    g_autofree char *up = text_from_size(event_number(event, "bytes_up"));
    g_autofree char *down = text_from_size(event_number(event, "bytes_down"));
    g_autofree char *reason = text_escape(event_text(event, "reason"));

    g_string_append_printf(line, ", %s sent, %s received, after %.1fs", up, down,
                           (double)event_number(event, "duration_usec") / G_USEC_PER_SEC);
    if (*reason != '\0')
        g_string_append_printf(line, ": %s", reason);
}

static void
append_request(GString *line, JsonObject *event)
{
    g_autofree char *method = text_escape(event_text(event, "method"));
    g_autofree char *path = text_escape(event_text(event, "path"));
    guint64 status = event_number(event, "status");

    g_string_append_printf(line, " %s %s", method, path);
    if (status != 0)
        g_string_append_printf(line, ", status %" G_GUINT64_FORMAT, status);
}

static char *
local_time(JsonObject *event)
{
    guint64 us = event_number(event, "time");
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64)(us / G_USEC_PER_SEC));

    return time != NULL ? g_date_time_format(time, "%T") : g_strdup("--:--:--");
}

static char *
dropped_line(JsonObject *event)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " lines are missing: they were not read in time",
                           event_number(event, "count"));
}

char *
network_text_event(JsonObject *event)
{
    static const struct {
        const char *name;
        void (*append)(GString *line, JsonObject *event);
    } kinds[] = {{"open", append_opened},
                 {"close", append_closed},
                 {"refused", append_reason},
                 {"failed", append_reason},
                 {"request", append_request}};
    const char *name = event_text(event, "event");
    g_autofree char *time = local_time(event);
    g_autofree char *shown = text_escape(name);
    g_autofree char *place = network_text_place(event);
    GString *line;

    if (g_str_equal(name, "dropped"))
        return dropped_line(event);
    line = g_string_new(NULL);
    g_string_append_printf(line, "%s %-7s %s", time, shown, place);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_str_equal(name, kinds[i].name))
            kinds[i].append(line, event);
    }
    return g_string_free(line, FALSE);
}

/* --- the policy --- */

static void
add_line(GString *lines, const char *label, const char *text)
{
    g_autofree char *shown = text_escape(text);

    g_string_append_printf(lines, "%12s %s\n", label, shown);
}

char *
network_text_mode(GVariant *network)
{
    const char *mode = dictionary_text(network, "mode"), *state = dictionary_text(network, "state");
    const char *reason = dictionary_text(network, "reason");

    if (g_str_equal(state, mode) || *state == '\0' || g_str_equal(state, "on"))
        return g_strdup(mode);
    return g_strconcat(mode, ", ", state, *reason != '\0' ? ": " : "", reason, NULL);
}

static void
add_entries(GString *lines, const char *label, GVariant *network, const char *key)
{
    g_autofree const char **entries = NULL;

    if (!g_variant_lookup(network, key, "^a&s", &entries))
        return;
    for (gsize i = 0; entries[i] != NULL; i++)
        add_line(lines, i == 0 ? label : "", entries[i]);
}

/* "Authorization for api.example.com:443, paths /v1" */
static void
add_secret(GString *lines, GVariant *secret)
{
    guint64 port = dictionary_number(secret, "port");
    g_autofree const char **paths = NULL;
    g_autofree char *joined = NULL;
    g_autofree char *text = NULL;

    if (g_variant_lookup(secret, "paths", "^a&s", &paths) && *paths != NULL)
        joined = g_strjoinv(" ", (char **)paths);
    text = g_strdup_printf("%s for %s:%" G_GUINT64_FORMAT "%s%s", dictionary_text(secret, "header"),
                           dictionary_text(secret, "host"), port, joined != NULL ? ", paths " : "",
                           joined != NULL ? joined : "");
    add_line(lines, "Secret:", text);
}

static void
add_secrets(GString *lines, GVariant *network)
{
    g_autoptr(GVariant) secrets =
        g_variant_lookup_value(network, "secrets", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; secrets != NULL && i < g_variant_n_children(secrets); i++) {
        g_autoptr(GVariant) secret = g_variant_get_child_value(secrets, i);

        add_secret(lines, secret);
    }
}

static void
add_limits(GString *lines, GVariant *network)
{
    guint64 bandwidth = dictionary_number(network, "bandwidth");
    guint64 traffic = dictionary_number(network, "traffic");
    guint64 connections = dictionary_number(network, "connections");
    g_autofree char *speed = text_from_size(bandwidth);
    g_autofree char *size = text_from_size(traffic);

    if (bandwidth != 0)
        g_string_append_printf(lines, "%12s at most %s per second in each direction\n",
                               "Limits:", speed);
    if (traffic != 0)
        g_string_append_printf(lines, "%12s at most %s in all\n", bandwidth == 0 ? "Limits:" : "",
                               size);
    if (connections != 0)
        g_string_append_printf(lines, "%12s at most %" G_GUINT64_FORMAT " connections at once\n",
                               bandwidth == 0 && traffic == 0 ? "Limits:" : "", connections);
}

/* --- what it has done --- */

static void
add_figures(GString *lines, GVariant *figures)
{
    g_autofree char *up = text_from_size(dictionary_number(figures, "bytes-up"));
    g_autofree char *down = text_from_size(dictionary_number(figures, "bytes-down"));
    guint64 requests = dictionary_number(figures, "requests");

    g_string_append_printf(lines, "%12s %s sent, %s received\n", "Traffic:", up, down);
    g_string_append_printf(lines,
                           "%12s %" G_GUINT64_FORMAT " open, %" G_GUINT64_FORMAT
                           " in all, %" G_GUINT64_FORMAT " refused, %" G_GUINT64_FORMAT " failed\n",
                           "Connections:", dictionary_number(figures, "open"),
                           dictionary_number(figures, "connections"),
                           dictionary_number(figures, "refused"),
                           dictionary_number(figures, "failed"));
    if (requests != 0)
        g_string_append_printf(lines, "%12s %" G_GUINT64_FORMAT " inspected\n",
                               "Requests:", requests);
}

char *
network_text_describe(GVariant *network, GVariant *figures)
{
    GString *lines = g_string_new(NULL);
    g_autofree char *mode = network_text_mode(network);
    gboolean has_private = FALSE;

    g_variant_lookup(network, "private", "b", &has_private);
    add_line(lines, "Network:", mode);
    add_entries(lines, "Allow:", network, "allow");
    add_entries(lines, "Deny:", network, "deny");
    if (has_private)
        add_line(lines, "Private:", "addresses of networks that are allowed");
    add_secrets(lines, network);
    add_limits(lines, network);
    if (figures != NULL)
        add_figures(lines, figures);
    return g_string_free(lines, FALSE);
}
