/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http-head: first every byte, then the start line, then each field, then what the fields mean
 * together. */
#include "http-head.h"

#include <string.h>

/* --- bytes --- */

const char *
http_head_scan(HttpScan *scan, const guint8 *data, gsize size, gsize *ret_size)
{
    *ret_size = 0;
    for (; scan->at < size; scan->at++) {
        guint8 c = data[scan->at];
        if (scan->at == HTTP_HEAD_MAX)
            return "the head is longer than 32 KiB";
        if (scan->has_cr) {
            if (c != '\n')
                return "a carriage return without a line feed in the head";
            if (!scan->has_text) {
                *ret_size = scan->at + 1;
                return NULL;
            }
            scan->has_cr = scan->has_text = FALSE;
        } else if (c == '\n') {
            return "a line feed without a carriage return in the head";
        } else if (c == '\r') {
            scan->has_cr = TRUE;
        } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return "a control character in the head";
        } else {
            scan->has_text = TRUE;
        }
    }
    return NULL;
}

/* The next line, without its end. There is one: the head was scanned. */
static HttpText
next_line(HttpText *rest)
{
    const char *end = memchr(rest->data, '\r', rest->size);
    HttpText line = {rest->data, (gsize)(end - rest->data)};

    rest->data += line.size + 2;
    rest->size -= line.size + 2;
    return line;
}

static const char *
begin_head(const guint8 *data, gsize size, HttpText *ret_rest)
{
    HttpScan scan = {0};
    gsize found;
    const char *refusal = http_head_scan(&scan, data, size, &found);

    if (refusal)
        return refusal;
    if (found == 0 || found != size)
        return "the head is incomplete";
    *ret_rest = (HttpText){(const char *)data, size};
    return NULL;
}

/* --- names --- */

gboolean
http_name_is_valid(HttpText name)
{
    for (gsize i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!g_ascii_isalnum(c) && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return FALSE;
    }
    return name.size > 0;
}

static char
folded(char c)
{
    return c == '_' ? '-' : g_ascii_tolower(c);
}

gboolean
http_names_are_same(HttpText a, HttpText b)
{
    if (a.size != b.size)
        return FALSE;
    for (gsize i = 0; i < a.size; i++) {
        if (folded(a.data[i]) != folded(b.data[i]))
            return FALSE;
    }
    return TRUE;
}

HttpFieldKind
http_field_kind(HttpText name)
{
    static const struct {
        const char *name;
        HttpFieldKind kind;
    } known[] = {
        {"host", HTTP_FIELD_HOST},
        {"content-length", HTTP_FIELD_LENGTH},
        {"transfer-encoding", HTTP_FIELD_CODING},
        {"connection", HTTP_FIELD_CONNECTION},
        {"upgrade", HTTP_FIELD_UPGRADE},
        {"expect", HTTP_FIELD_EXPECT},
        {"keep-alive", HTTP_FIELD_HOP},
        {"te", HTTP_FIELD_HOP},
        {"trailer", HTTP_FIELD_HOP},
        {"http2-settings", HTTP_FIELD_HOP},
        {"proxy-authenticate", HTTP_FIELD_HOP},
        {"proxy-authorization", HTTP_FIELD_HOP},
        {"proxy-connection", HTTP_FIELD_HOP},
        {"x-http-method", HTTP_FIELD_OVERRIDE},
        {"x-http-method-override", HTTP_FIELD_OVERRIDE},
        {"x-method-override", HTTP_FIELD_OVERRIDE},
        {"x-original-url", HTTP_FIELD_OVERRIDE},
        {"x-rewrite-url", HTTP_FIELD_OVERRIDE},
        {"accept-encoding", HTTP_FIELD_ACCEPT_ENCODING},
        {"content-encoding", HTTP_FIELD_CONTENT_ENCODING},
    };

    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        if (http_names_are_same(name, (HttpText){known[i].name, strlen(known[i].name)}))
            return known[i].kind;
    }
    return HTTP_FIELD_OTHER;
}

/* --- fields --- */

static HttpText
without_spaces(HttpText text)
{
    while (text.size > 0 && strchr(" \t", text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && strchr(" \t", text.data[text.size - 1]))
        text.size--;
    return text;
}

static const char *
parse_field(HttpText line, HttpField *ret)
{
    const char *colon = memchr(line.data, ':', line.size);

    if (line.data[0] == ' ' || line.data[0] == '\t')
        return "a folded line in the head";
    if (!colon)
        return "a line of the head has no colon";
    ret->name = (HttpText){line.data, (gsize)(colon - line.data)};
    ret->value = without_spaces((HttpText){colon + 1, line.size - ret->name.size - 1});
    if (!http_name_is_valid(ret->name))
        return "the name of a field is malformed";
    ret->kind = http_field_kind(ret->name);
    return NULL;
}

static const char *
parse_fields(HttpText rest, HttpHead *head)
{
    for (HttpText line = next_line(&rest); line.size > 0; line = next_line(&rest)) {
        if (head->n_fields == HTTP_FIELDS_MAX)
            return "the head has more than 128 fields";
        const char *refusal = parse_field(line, &head->fields[head->n_fields]);
        if (refusal)
            return refusal;
        head->n_fields++;
    }
    return NULL;
}

/* --- what they mean --- */

typedef struct {
    guint hosts, lengths, codings, upgrades, expects;
    gboolean connection_upgrade, upgrade_is_websocket;
} Seen;

static const char *
read_length(HttpText value, HttpHead *head)
{
    if (value.size == 0 || value.size > HTTP_LENGTH_DIGITS_MAX)
        return "Content-Length is malformed";
    head->length = 0;
    for (gsize i = 0; i < value.size; i++) {
        if (!g_ascii_isdigit(value.data[i]))
            return "Content-Length is malformed";
        head->length = head->length * 10 + (guint64)(value.data[i] - '0');
    }
    head->has_length = TRUE;
    return NULL;
}

/* An option names a field that the next recipient must drop. A request that wants any but the usual
 * ones dropped is refused. */
static const char *
read_option(HttpText option, gboolean is_request, HttpHead *head, Seen *seen)
{
    if (http_text_is_nocase(option, "close"))
        head->close = TRUE;
    else if (http_text_is_nocase(option, "upgrade"))
        seen->connection_upgrade = TRUE;
    else if (is_request && !http_text_is_nocase(option, "keep-alive") &&
             !http_text_is_nocase(option, "te") && !http_text_is_nocase(option, "http2-settings"))
        return "Connection has an unknown option";
    return NULL;
}

static const char *
read_connection(HttpText value, gboolean is_request, HttpHead *head, Seen *seen)
{
    const char *refusal = NULL, *end = value.data + value.size;

    for (const char *at = value.data; at <= end && !refusal;) {
        const char *comma = memchr(at, ',', (gsize)(end - at));
        const char *stop = comma ? comma : end;
        refusal =
            read_option(without_spaces((HttpText){at, (gsize)(stop - at)}), is_request, head, seen);
        at = stop + 1;
    }
    return refusal;
}

static const char *
read_field(const HttpField *field, gboolean is_request, HttpHead *head, Seen *seen)
{
    switch (field->kind) {
    case HTTP_FIELD_HOST:
        head->host = field->value;
        return seen->hosts++ && is_request ? "more than one Host" : NULL;
    case HTTP_FIELD_LENGTH:
        return seen->lengths++ ? "more than one Content-Length" : read_length(field->value, head);
    case HTTP_FIELD_CODING:
        if (seen->codings++)
            return "more than one Transfer-Encoding";
        return http_text_is_nocase(field->value, "chunked")
                   ? NULL
                   : "Transfer-Encoding is not exactly \"chunked\"";
    case HTTP_FIELD_CONNECTION:
        return read_connection(field->value, is_request, head, seen);
    case HTTP_FIELD_UPGRADE:
        seen->upgrade_is_websocket =
            seen->upgrades++ == 0 && http_text_is_nocase(field->value, "websocket");
        return NULL;
    case HTTP_FIELD_EXPECT:
        if (is_request && (seen->expects++ || !http_text_is_nocase(field->value, "100-continue")))
            return "Expect is not exactly \"100-continue\"";
        return NULL;
    case HTTP_FIELD_OVERRIDE:
        head->has_override = TRUE;
        return NULL;
    case HTTP_FIELD_CONTENT_ENCODING:
        if (!http_text_is_nocase(field->value, "identity"))
            head->is_encoded = TRUE;
        return NULL;
    default:
        return NULL;
    }
}

/* A name with '_' that is a known one to some servers only. */
static gboolean
is_disguised(const HttpField *field)
{
    return field->kind != HTTP_FIELD_OTHER && memchr(field->name.data, '_', field->name.size);
}

static const char *
read_fields(HttpHead *head, gboolean is_request, Seen *seen)
{
    for (guint i = 0; i < head->n_fields; i++) {
        HttpField *field = &head->fields[i];
        if (is_disguised(field)) {
            if (is_request)
                return "the name of a field is spelled with an underscore";
            field->kind = HTTP_FIELD_HOP;
        }
        const char *refusal = read_field(field, is_request, head, seen);
        if (refusal)
            return refusal;
    }
    if (seen->lengths && seen->codings)
        return "both Content-Length and Transfer-Encoding";
    if (seen->codings)
        head->body = HTTP_BODY_CHUNKED;
    else if (head->length > 0)
        head->body = HTTP_BODY_LENGTH;
    head->websocket = seen->connection_upgrade && seen->upgrades == 1 && seen->upgrade_is_websocket;
    return NULL;
}

/* --- requests --- */

static const char *
check_method(HttpText method)
{
    if (method.size == 0 || method.size > HTTP_METHOD_MAX)
        return "the method is malformed";
    for (gsize i = 0; i < method.size; i++) {
        if (!g_ascii_isupper(method.data[i]) && method.data[i] != '-')
            return "the method is malformed";
    }
    if (http_text_is(method, "CONNECT"))
        return "the method CONNECT is not relayed";
    /* Its response contains the fields of the request. */
    return http_text_is(method, "TRACE") ? "the method TRACE is not relayed" : NULL;
}

static const char *
check_target(HttpText target)
{
    if (target.size == 0 || target.data[0] != '/')
        return "the target of the request does not begin with a slash";
    for (gsize i = 0; i < target.size; i++) {
        if (target.data[i] <= 0x20 || target.data[i] >= 0x7f || target.data[i] == '#')
            return "the target of the request has a forbidden character";
    }
    return NULL;
}

static const char *
parse_request_line(HttpText line, HttpHead *head)
{
    const char *space = memchr(line.data, ' ', line.size);
    const char *last = memrchr(line.data, ' ', line.size);

    if (!space || last == space)
        return "the request line is malformed";
    HttpText version = {last + 1, line.size - (gsize)(last + 1 - line.data)};
    HttpText method = {line.data, (gsize)(space - line.data)};
    HttpText target = {space + 1, (gsize)(last - space - 1)};
    const char *refusal = check_method(method);
    if (refusal)
        return refusal;
    head->method = method;
    refusal = check_target(target);
    if (refusal)
        return refusal;
    head->target = head->path = target;
    const char *query = memchr(target.data, '?', target.size);
    if (query)
        head->path.size = (gsize)(query - target.data);
    return http_text_is(version, "HTTP/1.1") ? NULL : "the version is not HTTP/1.1";
}

const char *
http_request_parse(const guint8 *data, gsize size, HttpHead *ret)
{
    HttpText rest;
    Seen seen = {0};

    memset(ret, 0, sizeof *ret);
    const char *refusal = begin_head(data, size, &rest);
    if (!refusal)
        refusal = parse_request_line(next_line(&rest), ret);
    if (!refusal)
        refusal = parse_fields(rest, ret);
    if (!refusal)
        refusal = read_fields(ret, TRUE, &seen);
    if (!refusal && seen.hosts == 0)
        refusal = "no Host";
    ret->continues = seen.expects > 0 && ret->body != HTTP_BODY_NONE;
    ret->websocket = ret->websocket && ret->body == HTTP_BODY_NONE && !ret->has_length &&
                     http_text_is(ret->method, "GET");
    return refusal;
}

/* --- responses --- */

static const char *
parse_status_line(HttpText line, HttpHead *head)
{
    gboolean is_old = line.size >= 9 && memcmp(line.data, "HTTP/1.0 ", 9) == 0;

    if (line.size < 12 || (!is_old && memcmp(line.data, "HTTP/1.1 ", 9) != 0) ||
        (line.size > 12 && line.data[12] != ' '))
        return "the status line is malformed";
    for (gsize i = 9; i < 12; i++) {
        if (!g_ascii_isdigit(line.data[i]))
            return "the status line is malformed";
        head->status = head->status * 10 + (guint)(line.data[i] - '0');
    }
    if (head->status < 100 || head->status > 599)
        return "the status is not between 100 and 599";
    head->reason = (HttpText){line.data + 12, 0};
    if (line.size > 13)
        head->reason = (HttpText){line.data + 13, line.size - 13};
    head->close = is_old;
    return NULL;
}

static void
decide_response_body(HttpHead *head, HttpText method, gboolean is_chunked)
{
    gboolean is_bare = head->status < 200 || head->status == 204;

    if (is_bare)
        head->has_length = FALSE;
    if (is_bare || head->status == 304 || http_text_is(method, "HEAD")) {
        head->body = HTTP_BODY_NONE;
    } else if (!is_chunked && !head->has_length) {
        head->body = HTTP_BODY_UNTIL_CLOSE;
        head->close = TRUE;
    }
}

const char *
http_response_parse(const guint8 *data, gsize size, HttpText method, HttpHead *ret)
{
    HttpText rest;
    Seen seen = {0};

    memset(ret, 0, sizeof *ret);
    const char *refusal = begin_head(data, size, &rest);
    if (!refusal)
        refusal = parse_status_line(next_line(&rest), ret);
    gboolean is_old = ret->close;
    if (!refusal)
        refusal = parse_fields(rest, ret);
    if (!refusal)
        refusal = read_fields(ret, FALSE, &seen);
    if (!refusal && is_old && seen.codings)
        return "Transfer-Encoding in HTTP/1.0";
    decide_response_body(ret, method, seen.codings > 0);
    ret->websocket = ret->websocket && ret->status == 101;
    return refusal;
}
