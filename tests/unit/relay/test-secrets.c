/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-secrets: which requests get a secret, and that it does not come back. */
#include "relay-fixture.h"

#include <string.h>

#include "error.h"
#include "secret-search.h"

#define HOST "Host: api.example.com\r\n"
#define PLAIN "Accept-Encoding: identity\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define VALUE "s3cr3t-s3cr3t-value"
#define NO_SECRET "a placeholder names no secret that this request may contain"

static void
add_token(RelayFixture *f)
{
    relay_add_secret(f, "token", "Authorization", "Bearer %s", VALUE, NULL, NULL);
}

static void
test_added(RelayFixture *f, gconstpointer data)
{
    add_token(f);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\nA: b\r\n\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "A: b\r\n" PLAIN "Authorization: Bearer " VALUE
                         "\r\n\r\n");
    server_says(f, OK);
    assert_client_got(f, OK);
    assert_log(f, "GET / 200 0 2 secret\n");
}

/* In any spelling that servers may take for the same name. */
static void
test_own_field_dropped(RelayFixture *f, gconstpointer data)
{
    relay_add_secret(f, "key", "X-Api-Key", "%s", VALUE, NULL, NULL);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "X-Api-Key: a\r\nx-api-key: b\r\nX_API_KEY: c\r\n"
                   "X-Api-Keys: d\r\n\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "X-Api-Keys: d\r\n" PLAIN "X-Api-Key: " VALUE
                         "\r\n\r\n");
}

static void
test_placeholder(RelayFixture *f, gconstpointer data)
{
    add_token(f);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "X-Key: <${secret.token}|${secret.token}>\r\n"
                   "Authorization: own\r\n\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "X-Key: <" VALUE "|" VALUE ">\r\n" PLAIN "\r\n");
    server_says(f, OK);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "authorization: token ${secret.token}\r\n\r\n");
    assert_server_got(f,
                      "GET / HTTP/1.1\r\n" HOST "authorization: token " VALUE "\r\n" PLAIN "\r\n");
}

/* It is only in its own field, and only where the guest has asked for it. */
static void
test_only_replaced(RelayFixture *f, gconstpointer data)
{
    add_token(f);
    secret_only_replace(f->options.secrets->pdata[0]);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\r\n");
    assert_server_got(f, "GET / HTTP/1.1\r\n" HOST "A: b\r\n" PLAIN "\r\n");
    server_says(f, OK);
    assert_client_got(f, OK);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "authorization: token ${secret.token}\r\n\r\n");
    assert_server_got(f,
                      "GET / HTTP/1.1\r\n" HOST "authorization: token " VALUE "\r\n" PLAIN "\r\n");
    server_says(f, OK);
    assert_client_got(f, OK);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "X: ${secret.token}\r\n\r\n");
    assert_refused(f, 403, NO_SECRET);
}

static void
test_placeholder_of_other(RelayFixture *f, gconstpointer data)
{
    add_token(f);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "X: ${secret.Token}\r\n\r\n");
    assert_refused(f, 403, NO_SECRET);
    assert_log(f, "GET / 403 0 0: " NO_SECRET "\n");
}

static void
test_placeholder_elsewhere(RelayFixture *f, gconstpointer data)
{
    add_token(f);
    client_says(f, "POST /${secret.token} HTTP/1.1\r\n" HOST "Content-Length: 15\r\n\r\n"
                   "${secret.token}");
    assert_server_got(f, "POST /${secret.token} HTTP/1.1\r\n" HOST PLAIN
                         "Authorization: Bearer " VALUE "\r\nContent-Length: 15\r\n\r\n"
                         "${secret.token}");
}

/* A request that is not covered passes without the secret, and without the guest's own field. */
static void
test_not_covered(RelayFixture *f, gconstpointer data)
{
    static const char *const methods[] = {"GET", "POST", NULL}, *const paths[] = {"/v1", NULL};
    static const char *const uncovered[] = {
        "GET /",           "GET /v",        "GET /v1x",        "DELETE /v1",   "GET /V1",
        "GET //v1",        "GET /v1//x",    "GET /v1/../x",    "GET /v1/./x",  "GET /v1/..",
        "GET /v1/%2e%2e/", "GET /v1%2fx",   "GET /v1/%2Fx",    "GET /%761",    "GET /v1/%5c",
        "GET /v1/a\\b",    "GET /v1/..;/x", "GET /v1/;/../x",  "GET /v1/%00",  "GET /v1/%2",
        "GET /v1/%zz",     "GET /v1/%252e", "GET /v1/.;a=b/x", "GET /x/../v1", "GET /v1;/x"};

    relay_add_secret(f, "token", "Authorization", "Bearer %s", VALUE, methods, paths);
    for (guint i = 0; i < G_N_ELEMENTS(uncovered); i++) {
        g_autofree char *request =
            g_strdup_printf("%s HTTP/1.1\r\n" HOST "Authorization: own\r\n\r\n", uncovered[i]);
        g_autofree char *expected =
            g_strdup_printf("%s HTTP/1.1\r\n" HOST PLAIN "\r\n", uncovered[i]);
        client_says(f, request);
        assert_server_got(f, expected);
        server_says(f, OK);
    }
    client_says(f, "GET /x HTTP/1.1\r\n" HOST "X: ${secret.token}\r\n\r\n");
    assert_server_got(f, "");
    assert_ended(f, FALSE, NO_SECRET);
}

static void
test_covered(RelayFixture *f, gconstpointer data)
{
    static const char *const methods[] = {"GET", "POST", NULL}, *const paths[] = {"/v1", NULL};
    static const char *const covered[] = {
        "GET /v1",       "GET /v1/",   "GET /v1/x/", "POST /v1?a=/../b", "GET /v1/a%20b%C3%A4",
        "GET /v1/.../x", "GET /v1/.x", "GET /v1/a;b"};

    relay_add_secret(f, "token", "Authorization", "Bearer %s", VALUE, methods, paths);
    for (guint i = 0; i < G_N_ELEMENTS(covered); i++) {
        g_autofree char *request = g_strdup_printf("%s HTTP/1.1\r\n" HOST "\r\n", covered[i]);
        g_autofree char *expected = g_strdup_printf(
            "%s HTTP/1.1\r\n" HOST PLAIN "Authorization: Bearer " VALUE "\r\n\r\n", covered[i]);
        client_says(f, request);
        assert_server_got(f, expected);
        server_says(f, OK);
    }
}

static void
test_override(RelayFixture *f, gconstpointer data)
{
    static const char *const paths[] = {"/v1", NULL};
    static const char *const names[] = {"X-HTTP-Method-Override", "X-Original-URL", "x-rewrite-url",
                                        "X-Method-Override", "X-HTTP-Method"};

    relay_add_secret(f, "token", "Authorization", "Bearer %s", VALUE, NULL, paths);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *request =
            g_strdup_printf("GET /v1 HTTP/1.1\r\n" HOST "%s: /admin\r\n\r\n", names[i]);
        g_autofree char *expected =
            g_strdup_printf("GET /v1 HTTP/1.1\r\n" HOST "%s: /admin\r\n" PLAIN "\r\n", names[i]);
        client_says(f, request);
        assert_server_got(f, expected);
        server_says(f, OK);
    }
}

/* Of two secrets for the same field, the first that covers the request is used. */
static void
test_two_secrets(RelayFixture *f, gconstpointer data)
{
    static const char *const first[] = {"/1", NULL};

    relay_add_secret(f, "a", "Authorization", "Bearer %s", "value-a", NULL, first);
    relay_add_secret(f, "b", "authorization", "Bearer %s", "value-b", NULL, NULL);
    relay_add_secret(f, "c", "X-Other", "%s", "value-c", NULL, NULL);
    client_says(f, "GET /1 HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "GET /1 HTTP/1.1\r\n" HOST PLAIN "Authorization: Bearer value-a\r\n"
                         "X-Other: value-c\r\n\r\n");
    server_says(f, OK);
    client_says(f, "GET /2 HTTP/1.1\r\n" HOST "\r\n");
    assert_server_got(f, "GET /2 HTTP/1.1\r\n" HOST PLAIN "authorization: Bearer value-b\r\n"
                         "X-Other: value-c\r\n\r\n");
    server_says(f, OK);
    client_says(f, "GET /1 HTTP/1.1\r\n" HOST "Authorization: ${secret.b}\r\n\r\n");
    assert_server_got(f, "GET /1 HTTP/1.1\r\n" HOST "Authorization: value-b\r\n" PLAIN
                         "X-Other: value-c\r\n\r\n");
}

static void
test_long_values(RelayFixture *f, gconstpointer data)
{
    g_autofree char *value = g_strnfill(SECRET_VALUE_MAX, 'v');
    GString *request = g_string_new("GET / HTTP/1.1\r\n" HOST "X: ");

    relay_add_secret(f, "k", "X-Key", "%s", value, NULL, NULL);
    for (guint i = 0; i < 5; i++)
        g_string_append(request, "${secret.k}");
    g_string_append(request, "\r\n\r\n");
    client_says(f, request->str);
    g_assert_cmpuint(f->server_got->len, >, 5 * SECRET_VALUE_MAX);
    g_string_truncate(f->server_got, 0);
    server_says(f, OK);
    assert_client_got(f, OK);
    char *end = strstr(request->str, "\r\n\r\n");
    g_string_insert(request, end - request->str, "${secret.k}");
    client_says(f, request->str);
    assert_refused(f, 403, "the head is too long with the secrets");
    g_string_free(request, TRUE);
}

/* --- the way back --- */

static void
begin(RelayFixture *f)
{
    add_token(f);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    g_string_truncate(f->server_got, 0);
}

static void
assert_found(RelayFixture *f)
{
    g_assert_null(strstr(f->client_got->str, "s3cr3t-"));
    g_assert_cmpstr(http_relay_failure(f->relay), ==, "the response contains a secret");
}

static void
test_in_head(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(f, "HTTP/1.1 200 OK\r\nX-Got: Bearer " VALUE "\r\nContent-Length: 0\r\n\r\n");
    assert_refused(f, 502, "the response contains a secret");
}

static void
test_in_interim_head(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(f, "HTTP/1.1 103 " VALUE "\r\n\r\n");
    assert_refused(f, 502, "the response contains a secret");
}

static void
test_in_body(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(
        f, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nyour headers: s3s3cr3t-s3cr3t-value");
    assert_found(f);
    assert_ended(f, TRUE, "the response contains a secret");
}

static void
test_across_chunks(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "5\r\nxs3cr\r\n9\r\n3t-s3cr3t\r\n7\r\n-value.\r\n0\r\n\r\n");
    assert_found(f);
    assert_ended(f, TRUE, "the response contains a secret");
}

static void
test_in_body_until_close(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(f, "HTTP/1.1 200 OK\r\n\r\n" VALUE);
    assert_found(f);
}

static void
test_in_tunnel(RelayFixture *f, gconstpointer data)
{
    f->options.allow_upgrade = TRUE;
    add_token(f);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    server_says(f, "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" VALUE);
    assert_found(f);
}

/* A begin of the value that goes on differently arrives complete. */
static void
test_near_misses(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 57\r\n\r\n"
                   "s3cr3t-s3cr3t-valu3 s3cr3t-s3cr3t-s3cr3t-valux s3cr3t-s3c");
    assert_client_got(f, "HTTP/1.1 200 OK\r\nContent-Length: 57\r\n\r\n"
                         "s3cr3t-s3cr3t-valu3 s3cr3t-s3cr3t-s3cr3t-valux s3cr3t-s3c");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_HEAD);
    client_says(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, "HTTP/1.1 200 OK\r\n\r\ns3cr3t-s");
    server_ends(f);
    assert_client_got(f, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ns3cr3t-s");
    assert_ended(f, FALSE, NULL);
}

/* The end of one body and the begin of the next are not one text. */
static void
test_two_bodies(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\ns3cr3t-s3cr3t-");
    client_says(f, "GET / HTTP/1.1\r\n" HOST "\r\n");
    server_says(f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvalue");
    g_assert_cmpint(http_relay_state(f->relay), ==, HTTP_RELAY_HEAD);
}

static void
test_encoded(RelayFixture *f, gconstpointer data)
{
    begin(f);
    server_says(f, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nzz");
    assert_log(f, "GET / 200 0 2 secret unsearched\n");
}

/* --- the search alone --- */

static GPtrArray *
secrets_of(const char *first, const char *second)
{
    GPtrArray *secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);

    g_ptr_array_add(secrets, secret_new("a", "X-A", "%s", first, strlen(first), NULL, NULL, NULL));
    if (second)
        g_ptr_array_add(secrets,
                        secret_new("b", "X-B", "%s", second, strlen(second), NULL, NULL, NULL));
    return secrets;
}

/* Passes `text` in pieces. Returns what passes, or NULL if a value was found. */
static char *
search_text(SecretSearch *search, const char *text, gsize piece)
{
    g_autoptr(GString) out = g_string_new(NULL);
    SecretSearchPart part;
    gsize size = strlen(text);

    secret_search_begin(search);
    for (gsize at = 0; at < size; at += piece) {
        const guint8 *block = (const guint8 *)text + at;
        gsize length = MIN(piece, size - at);
        if (!secret_search_block(search, block, length, &part))
            return NULL;
        g_string_append_len(out, (const char *)part.held, (gssize)part.held_size);
        g_string_append_len(out, (const char *)block, (gssize)part.block_size);
    }
    secret_search_end(search, &part);
    g_string_append_len(out, (const char *)part.held, (gssize)part.held_size);
    return g_strdup(out->str);
}

/* Against strstr(), with texts of two letters, in all pieces. */
static void
test_search_random(void)
{
    for (guint round = 0; round < 3000; round++) {
        char first[12] = "", second[16] = "", text[90] = "";
        for (gint i = g_test_rand_int_range(8, 12) - 1; i >= 0; i--)
            first[i] = (char)('a' + g_test_rand_int_range(0, 2));
        for (gint i = g_test_rand_int_range(8, 16) - 1; i >= 0; i--)
            second[i] = (char)('a' + g_test_rand_int_range(0, 2));
        for (gint i = g_test_rand_int_range(0, 90) - 1; i >= 0; i--)
            text[i] = (char)('a' + g_test_rand_int_range(0, 2));
        g_autoptr(GPtrArray) secrets = secrets_of(first, second);
        SecretSearch *search = secret_search_new(secrets);
        gboolean is_there = strstr(text, first) || strstr(text, second);
        for (gsize piece = 1; piece < 6; piece++) {
            g_autofree char *passed = search_text(search, text, piece);
            g_assert_cmpstr(passed, ==, is_there ? NULL : text);
        }
        secret_search_free(search);
    }
}

static void
test_search_short_values(void)
{
    g_autoptr(GPtrArray) secrets = secrets_of("7 bytes", "8 bytes.");
    SecretSearch *search = secret_search_new(secrets);
    g_autofree char *passed = search_text(search, "are 7 bytes", 1);

    g_assert_cmpstr(passed, ==, "are 7 bytes");
    g_assert_null(search_text(search, "are 8 bytes.", 1));
    g_assert_false(secret_search_text(search, (const guint8 *)"7 bytes", 7));
    g_assert_true(secret_search_text(search, (const guint8 *)"8 bytes.", 8));
    secret_search_free(search);
}

static void
test_search_bound(void)
{
    g_autoptr(GPtrArray) secrets = secrets_of(VALUE, NULL);
    SecretSearch *search = secret_search_new(secrets);
    gsize size = SECRET_SEARCH_BYTES;
    g_autofree char *text = g_malloc0(size + 100);

    memset(text, 'x', size + 99);
    memcpy(text + size - strlen(VALUE), VALUE, strlen(VALUE));
    g_assert_null(search_text(search, text, 1000));
    g_assert_null(search_text(search, text, G_MAXINT));
    memset(text, 'x', size);
    memcpy(text + size, VALUE, strlen(VALUE));
    g_autofree char *passed = search_text(search, text, 1024);
    g_assert_cmpstr(passed, ==, text);
    secret_search_free(search);
}

/* At the end of what is searched, what was held back passes. */
static void
test_search_held_at_bound(void)
{
    g_autoptr(GPtrArray) secrets = secrets_of(VALUE, NULL);
    SecretSearch *search = secret_search_new(secrets);
    gsize size = SECRET_SEARCH_BYTES;
    g_autofree char *text = g_malloc0(size + 100);

    memset(text, 'x', size + 50);
    memcpy(text + size - 8, "s3cr3t-s", 8);
    g_autofree char *passed = search_text(search, text, 1024);
    g_assert_cmpstr(passed, ==, text);
    g_assert_cmpuint(secret_search_held(search), ==, 0);
    secret_search_free(search);
}

/* --- what a secret may be --- */

static void
assert_secret(const char *name, const char *header, const char *format, gconstpointer value,
              gsize size, const char *failure)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Secret) secret = secret_new(name, header, format, value, size, NULL, NULL, &error);

    g_assert_cmpstr(error ? error->message : NULL, ==, failure);
    g_assert_cmpint(secret == NULL, ==, failure != NULL);
    g_assert_true(!error || g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT));
}

#define BAD_NAME(name) "secret '" name "': its name is not 1 to 64 letters, digits, '-' and '_'"
#define BAD_HEADER "secret 'n': its header cannot be set"
#define BAD_FORMAT "secret 'n': its format does not contain \"%s\" once, and no other '%'"
#define BAD_VALUE                                                                                  \
    "secret 'n': its value is empty or longer than 8 KiB, has a control character, or begins or "  \
    "ends with a space"

static void
test_checks(void)
{
    static const char *const headers[] = {"",
                                          "a b",
                                          "a:",
                                          "Host",
                                          "host",
                                          "Connection",
                                          "TE",
                                          "Content_Length",
                                          "Keep-Alive",
                                          "Expect",
                                          "Upgrade",
                                          "Accept-Encoding",
                                          "Trailer",
                                          "Transfer-Encoding",
                                          "Proxy-Authorization"};
    static const char *const formats[] = {"",      "x",      "%d",  "%s%s", "%s %",
                                          "%% %s", "%s\r\n", " %s", "%s\t", "%"};
    g_autofree char *long_name = g_strnfill(64, 'n');
    g_autofree char *value = g_strnfill(SECRET_VALUE_MAX + 1, 'v');

    assert_secret("n", "X-Key", "a%sb", "v", 1, NULL);
    assert_secret(long_name, "X-Key", "%s", value, SECRET_VALUE_MAX, NULL);
    assert_secret("n", "X-Key", "%s", "a b\xff", 4, NULL);
    assert_secret("", "X-Key", "%s", "v", 1, BAD_NAME(""));
    assert_secret("a}", "X-Key", "%s", "v", 1, BAD_NAME("a}"));
    for (guint i = 0; i < G_N_ELEMENTS(headers); i++)
        assert_secret("n", headers[i], "%s", "v", 1, BAD_HEADER);
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        assert_secret("n", "X-Key", formats[i], "v", 1, BAD_FORMAT);
    assert_secret("n", "X-Key", "%s", "", 0, BAD_VALUE);
    assert_secret("n", "X-Key", "%s", value, SECRET_VALUE_MAX + 1, BAD_VALUE);
    assert_secret("n", "X-Key", "%s", "a\r\nB: c", 7, BAD_VALUE);
    assert_secret("n", "X-Key", "%s", "a\0b", 3, BAD_VALUE);
    assert_secret("n", "X-Key", "%s", "a\tb", 3, BAD_VALUE);
    assert_secret("n", "X-Key", "%s", "a\x7f", 2, BAD_VALUE);
    assert_secret("n", "X-Key", "%s", " a", 2, BAD_VALUE);
    assert_secret("n", "X-Key", "%s", "a ", 2, BAD_VALUE);
}

static void
test_filter_checks(void)
{
    static const char *const wrong[] = {"",    "v1",    "/a//b", "/a/../b", "/%2e",
                                        "/a?", "/a\\b", "/.",    "/a/.."};
    static const char *const wrong_methods[] = {"get", "", "A B", "G\xc3\x84"};
    const char *many[66] = {0};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const char *const paths[] = {"/ok", wrong[i], NULL};
        g_assert_null(http_filter_new(NULL, paths, NULL));
    }
    for (guint i = 0; i < G_N_ELEMENTS(wrong_methods); i++) {
        const char *const methods[] = {wrong_methods[i], NULL};
        g_assert_null(http_filter_new(methods, NULL, NULL));
    }
    for (guint i = 0; i < 64; i++)
        many[i] = "/a";
    g_autoptr(HttpFilter) filter = http_filter_new(NULL, many, NULL);
    g_assert_nonnull(filter);
    many[64] = "/a";
    g_assert_null(http_filter_new(NULL, many, NULL));
}

static void
add_tests_of_requests(void)
{
    add_relay_test("/secrets/added", test_added);
    add_relay_test("/secrets/own-field-dropped", test_own_field_dropped);
    add_relay_test("/secrets/placeholder", test_placeholder);
    add_relay_test("/secrets/only-replaced", test_only_replaced);
    add_relay_test("/secrets/placeholder-of-other", test_placeholder_of_other);
    add_relay_test("/secrets/placeholder-elsewhere", test_placeholder_elsewhere);
    add_relay_test("/secrets/not-covered", test_not_covered);
    add_relay_test("/secrets/covered", test_covered);
    add_relay_test("/secrets/override", test_override);
    add_relay_test("/secrets/two-secrets", test_two_secrets);
    add_relay_test("/secrets/long-values", test_long_values);
}

static void
add_tests_of_responses(void)
{
    add_relay_test("/secrets/in-head", test_in_head);
    add_relay_test("/secrets/in-interim-head", test_in_interim_head);
    add_relay_test("/secrets/in-body", test_in_body);
    add_relay_test("/secrets/across-chunks", test_across_chunks);
    add_relay_test("/secrets/in-body-until-close", test_in_body_until_close);
    add_relay_test("/secrets/in-tunnel", test_in_tunnel);
    add_relay_test("/secrets/near-misses", test_near_misses);
    add_relay_test("/secrets/two-bodies", test_two_bodies);
    add_relay_test("/secrets/encoded", test_encoded);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests_of_requests();
    add_tests_of_responses();
    g_test_add_func("/secrets/search-random", test_search_random);
    g_test_add_func("/secrets/search-short-values", test_search_short_values);
    g_test_add_func("/secrets/search-bound", test_search_bound);
    g_test_add_func("/secrets/search-held-at-bound", test_search_held_at_bound);
    g_test_add_func("/secrets/checks", test_checks);
    g_test_add_func("/secrets/filter-checks", test_filter_checks);
    return g_test_run();
}
