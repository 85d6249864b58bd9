/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http-write: a head is written into the memory of the queue, and counts only if all of it fits. */
#include "http-write.h"

#include <stdio.h>
#include <string.h>

#define PLACEHOLDER "${secret."
#define HOST_MAX 300u /* "[", an address or name, "]", a port */

/* Where a head is written to: memory of a queue. Too much is noticed at the end. */
typedef struct {
    guint8 *data;
    gsize size, max;
    gboolean is_full;
} Writer;

static void
put(Writer *w, gconstpointer data, gsize size)
{
    if (w->is_full || size > w->max - w->size) {
        w->is_full = TRUE;
        return;
    }
    memcpy(w->data + w->size, data, size);
    w->size += size;
}

static void
put_string(Writer *w, const char *string)
{
    put(w, string, strlen(string));
}

static void
put_text(Writer *w, HttpText text)
{
    put(w, text.data, text.size);
}

static void G_GNUC_PRINTF(2, 3) put_format(Writer *w, const char *format, ...)
{
    char line[HOST_MAX + 64];
    va_list args;

    va_start(args, format);
    int size = g_vsnprintf(line, sizeof line, format, args);
    va_end(args);
    g_assert(size >= 0 && (gsize)size < sizeof line);
    put(w, line, (gsize)size);
}

/* --- the host --- */

/* As in Host and in the absolute form, with or without the port. */
static void
format_host(const HttpRelayOptions *options, gboolean with_port, char out[HOST_MAX])
{
    gboolean is_ipv6 = strchr(options->host, ':') != NULL;
    int size =
        g_snprintf(out, HOST_MAX, "%s%s%s", is_ipv6 ? "[" : "", options->host, is_ipv6 ? "]" : "");

    if (with_port)
        g_snprintf(out + size, HOST_MAX - (gulong)size, ":%u", options->port);
}

static void
format_canonical_host(const HttpRelayOptions *options, char out[HOST_MAX])
{
    format_host(options, options->port != (options->tls ? 443 : 80), out);
}

static gboolean
is_own_host(HttpText host, const HttpRelayOptions *options)
{
    char with_port[HOST_MAX], without_port[HOST_MAX];

    format_host(options, TRUE, with_port);
    format_host(options, FALSE, without_port);
    return http_text_is_nocase(host, with_port) || http_text_is_nocase(host, without_port);
}

/* A filter cannot judge a request that the server may take for another method or path. */
static gboolean
filter_matches(const HttpFilter *filter, const HttpHead *head)
{
    if (http_filter_is_open(filter))
        return TRUE;
    return !head->has_override && http_filter_matches(filter, head->method, head->path);
}

const char *
http_request_check(const HttpHead *head, const HttpRelayOptions *options)
{
    if (!is_own_host(head->host, options))
        return "Host is not the host of this connection";
    if (!filter_matches(options->filter, head))
        return "the network's rules do not permit this method and path";
    return NULL;
}

/* --- secrets --- */

typedef struct {
    Writer w;
    const HttpHead *head;
    GPtrArray *secrets; /* or NULL */
    guint32 used;       /* bits of secrets that were put in */
    guint32 present;    /* bits of secrets whose field is there: by a placeholder, or added */
} RequestWriter;

G_STATIC_ASSERT(SECRETS_MAX <= 32);

static guint
n_secrets(const RequestWriter *r)
{
    return r->secrets ? r->secrets->len : 0;
}

static Secret *
nth_secret(const RequestWriter *r, guint i)
{
    return r->secrets->pdata[i];
}

static HttpText
header_of(const Secret *secret)
{
    return (HttpText){secret_header(secret), strlen(secret_header(secret))};
}

static gboolean
may_be_in_field(const Secret *secret, HttpText field)
{
    return !secret_is_only_replaced(secret) || http_names_are_same(field, header_of(secret));
}

/* The index of a secret that may be used in this field of the request; -1: there is none. */
static int
find_secret(const RequestWriter *r, HttpText field, HttpText name)
{
    for (guint i = 0; i < n_secrets(r); i++) {
        const Secret *secret = nth_secret(r, i);
        if (http_text_is(name, secret_name(secret)) && may_be_in_field(secret, field) &&
            filter_matches(secret_filter(secret), r->head))
            return (int)i;
    }
    return -1;
}

/* Divides a value at its first placeholder: `before`, the name, and the rest in `value`. */
static gboolean
next_placeholder(HttpText *value, HttpText *ret_before, HttpText *ret_name)
{
    const char *end = value->data + value->size;
    const char *begin = memmem(value->data, value->size, PLACEHOLDER, strlen(PLACEHOLDER));

    *ret_before = *value;
    if (!begin)
        return FALSE;
    const char *name = begin + strlen(PLACEHOLDER);
    const char *brace = memchr(name, '}', (gsize)(end - name));
    const char *stop = brace ? brace : end;
    *ret_before = (HttpText){value->data, (gsize)(begin - value->data)};
    *ret_name = (HttpText){name, (gsize)(stop - name)};
    *value = brace ? (HttpText){brace + 1, (gsize)(end - brace - 1)} : (HttpText){end, 0};
    return TRUE;
}

static gboolean
has_placeholder(HttpText value)
{
    HttpText before, name;
    return next_placeholder(&value, &before, &name);
}

/* All fields are checked, also those that are dropped. */
static const char *
check_placeholders(const RequestWriter *r)
{
    for (guint i = 0; i < r->head->n_fields; i++) {
        HttpText value = r->head->fields[i].value, before, name;
        while (next_placeholder(&value, &before, &name)) {
            if (find_secret(r, r->head->fields[i].name, name) < 0)
                return "a placeholder names no secret that this request may contain";
        }
    }
    return NULL;
}

static void
put_value(RequestWriter *r, const HttpField *field)
{
    HttpText value = field->value, before, name;
    gsize size;

    while (next_placeholder(&value, &before, &name)) {
        guint i = (guint)find_secret(r, field->name, name);
        const guint8 *secret = secret_value(nth_secret(r, i), &size);
        put_text(&r->w, before);
        put(&r->w, secret, size);
        r->used |= 1u << i;
    }
    put_text(&r->w, before);
}

/* The bits of the secrets that have a field of this name. */
static guint32
secrets_of_field(const RequestWriter *r, HttpText name)
{
    guint32 found = 0;

    for (guint i = 0; i < n_secrets(r); i++) {
        if (http_names_are_same(name, header_of(nth_secret(r, i))))
            found |= 1u << i;
    }
    return found;
}

static void
add_secret(RequestWriter *r, guint i)
{
    const Secret *secret = nth_secret(r, i);
    const char *format = secret_format(secret), *percent = strchr(format, '%');
    gsize size;
    const guint8 *value = secret_value(secret, &size);

    put_string(&r->w, secret_header(secret));
    put_string(&r->w, ": ");
    put(&r->w, format, (gsize)(percent - format));
    put(&r->w, value, size);
    put_string(&r->w, percent + 2);
    put_string(&r->w, "\r\n");
    r->used |= 1u << i;
    r->present |= secrets_of_field(r, header_of(secret));
}

static void
add_secrets(RequestWriter *r)
{
    for (guint i = 0; i < n_secrets(r); i++) {
        if (!((r->used | r->present) & 1u << i) && !secret_is_only_replaced(nth_secret(r, i)) &&
            filter_matches(secret_filter(nth_secret(r, i)), r->head))
            add_secret(r, i);
    }
}

/* --- requests --- */

/* The guest's own field of a secret is dropped, even if the request gets no secret. */
static gboolean
is_forwarded(const RequestWriter *r, const HttpField *field)
{
    if (field->kind == HTTP_FIELD_ACCEPT_ENCODING)
        return n_secrets(r) == 0;
    if (field->kind != HTTP_FIELD_OTHER)
        return field->kind == HTTP_FIELD_OVERRIDE || field->kind == HTTP_FIELD_CONTENT_ENCODING;
    return !secrets_of_field(r, field->name) || has_placeholder(field->value);
}

static void
put_request_fields(RequestWriter *r)
{
    for (guint i = 0; i < r->head->n_fields; i++) {
        const HttpField *field = &r->head->fields[i];
        if (!is_forwarded(r, field))
            continue;
        put_text(&r->w, field->name);
        put_string(&r->w, ": ");
        put_value(r, field);
        put_string(&r->w, "\r\n");
        if (has_placeholder(field->value))
            r->present |= secrets_of_field(r, field->name);
    }
    /* Only what is not compressed can be searched for secrets. */
    if (n_secrets(r) > 0)
        put_string(&r->w, "Accept-Encoding: identity\r\n");
}

static void
put_framing(Writer *w, const HttpHead *head)
{
    if (head->body == HTTP_BODY_CHUNKED)
        put_string(w, "Transfer-Encoding: chunked\r\n");
    else if (head->has_length)
        put_format(w, "Content-Length: %" G_GUINT64_FORMAT "\r\n", head->length);
}

static void
put_request_line(Writer *w, const HttpHead *head, const HttpRelayOptions *options)
{
    char host[HOST_MAX];

    format_canonical_host(options, host);
    put_text(w, head->method);
    put_string(w, " ");
    if (options->via_proxy)
        put_format(w, "http://%s", host);
    put_text(w, head->target);
    put_format(w, " HTTP/1.1\r\nHost: %s\r\n", host);
}

const char *
http_request_write(const HttpHead *head, const HttpRelayOptions *options, Bytes *out,
                   gboolean *ret_has_secret)
{
    RequestWriter r = {.head = head, .secrets = options->secrets};
    const char *refusal = check_placeholders(&r);

    if (refusal)
        return refusal;
    r.w = (Writer){bytes_reserve(out, HTTP_REQUEST_OUT_MAX), 0, HTTP_REQUEST_OUT_MAX, FALSE};
    put_request_line(&r.w, head, options);
    put_request_fields(&r);
    add_secrets(&r);
    put_framing(&r.w, head);
    if (head->continues)
        put_string(&r.w, "Expect: 100-continue\r\n");
    if (head->websocket && options->allow_upgrade)
        put_string(&r.w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    else if (head->close)
        put_string(&r.w, "Connection: close\r\n");
    put_string(&r.w, "\r\n");
    if (r.w.is_full) {
        explicit_bzero(r.w.data, r.w.size);
        return "the head is too long with the secrets";
    }
    bytes_commit(out, r.w.size);
    *ret_has_secret = r.used != 0;
    return NULL;
}

/* --- responses --- */

static gboolean
is_for_one_hop(const HttpField *field)
{
    switch (field->kind) {
    case HTTP_FIELD_LENGTH:
    case HTTP_FIELD_CODING:
    case HTTP_FIELD_CONNECTION:
    case HTTP_FIELD_UPGRADE:
    case HTTP_FIELD_HOP:
        return TRUE;
    default:
        return FALSE;
    }
}

void
http_response_write(const HttpHead *head, gboolean close, Bytes *out)
{
    Writer w = {bytes_reserve(out, HTTP_RESPONSE_OUT_MAX), 0, HTTP_RESPONSE_OUT_MAX, FALSE};

    put_format(&w, "HTTP/1.1 %u ", head->status);
    put_text(&w, head->reason);
    put_string(&w, "\r\n");
    for (guint i = 0; i < head->n_fields; i++) {
        const HttpField *field = &head->fields[i];
        if (is_for_one_hop(field))
            continue;
        put_text(&w, field->name);
        put_string(&w, ": ");
        put_text(&w, field->value);
        put_string(&w, "\r\n");
    }
    put_framing(&w, head);
    if (head->websocket)
        put_string(&w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    else if (close)
        put_string(&w, "Connection: close\r\n");
    put_string(&w, "\r\n");
    g_assert(!w.is_full);
    bytes_commit(out, w.size);
}

static const char *
status_text(guint status)
{
    return status == 400 ? "Bad Request" : status == 403 ? "Forbidden" : "Bad Gateway";
}

void
http_refusal_write(guint status, const char *reason, gboolean with_body, Bytes *out)
{
    g_autofree char *body = g_strdup_printf("cloche: %s\n", reason);
    g_autofree char *head =
        g_strdup_printf("HTTP/1.1 %u %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                        status, status_text(status), strlen(body));

    g_assert(strlen(head) + strlen(body) <= HTTP_REFUSAL_OUT_MAX);
    bytes_put(out, head, strlen(head));
    if (with_body)
        bytes_put(out, body, strlen(body));
}
