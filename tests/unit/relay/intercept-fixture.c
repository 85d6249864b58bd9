/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* intercept-fixture: the queues are joined by hand, as a worker does it with sockets. */
#include "intercept-fixture.h"

#include <string.h>

static void
on_request(const HttpFacts *facts, gpointer data)
{
    InterceptFixture *f = data;
    g_string_append_printf(f->log, "%s %s %u%s%s\n", facts->method, facts->path, facts->status,
                           facts->failure ? ": " : "", facts->failure ? facts->failure : "");
}

void
intercept_set_up(InterceptFixture *f, gconstpointer data)
{
    static const char *const hosts[] = {NAME, "other.example", NULL};

    f->piece = GPOINTER_TO_SIZE(data);
    f->pki = pki_new();
    f->authority = authority_new(hosts, NULL);
    f->trust = tls_trust_new(pki_pem(f->pki), NULL);
    f->secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);
    g_ptr_array_add(f->secrets, secret_new("token", "Authorization", "Bearer %s", VALUE,
                                           strlen(VALUE), NULL, NULL, NULL));
    f->log = g_string_new(NULL);
    f->intercept = intercept_new(&(InterceptOptions){.relay = {.host = NAME,
                                                               .port = 443,
                                                               .tls = TRUE,
                                                               .secrets = f->secrets,
                                                               .on_request = on_request,
                                                               .data = f},
                                                     .authority = f->authority,
                                                     .trust = f->trust});
}

void
intercept_tear_down(InterceptFixture *f, gconstpointer data)
{
    intercept_free(f->intercept);
    if (f->guest)
        tls_peer_free(f->guest);
    if (f->server)
        tls_peer_free(f->server);
    else if (f->server_credentials)
        gnutls_certificate_free_credentials(f->server_credentials);
    g_ptr_array_unref(f->secrets);
    authority_unref(f->authority);
    tls_trust_unref(f->trust);
    pki_free(f->pki);
    g_string_free(f->log, TRUE);
}

/* Moves bytes, and the end. */
gboolean
shovel(Bytes *from, Bytes *to, gsize piece)
{
    gboolean moved = bytes_move(from, to, piece) > 0;

    if (!bytes_at_end(from) || to->ended)
        return moved;
    to->ended = TRUE;
    return TRUE;
}

static void
connect_if_wanted(InterceptFixture *f)
{
    if (f->server || !f->server_credentials || !intercept_wants_upstream(f->intercept))
        return;
    f->server = tls_peer_new_server(f->server_credentials, f->server_priority, f->server_protocols);
}

void
run_intercept(InterceptFixture *f)
{
    gboolean moved = TRUE;

    while (moved) {
        f->state = intercept_turn(f->intercept);
        connect_if_wanted(f);
        moved = shovel(intercept_guest_out(f->intercept), &f->guest->in, f->piece);
        moved = tls_peer_turn(f->guest) || moved;
        moved = shovel(&f->guest->out, intercept_guest_in(f->intercept), f->piece) || moved;
        if (!f->server)
            continue;
        moved = shovel(intercept_upstream_out(f->intercept), &f->server->in, f->piece) || moved;
        moved = tls_peer_turn(f->server) || moved;
        moved = shovel(&f->server->out, intercept_upstream_in(f->intercept), f->piece) || moved;
    }
}

void
peer_says(InterceptFixture *f, TlsPeer *peer, const char *text)
{
    g_string_append(peer->to_send, text);
    run_intercept(f);
}

void
begin_intercept(InterceptFixture *f, const char *priority, PkiFlaw flaw)
{
    f->guest = tls_peer_new_client(NAME, authority_pem(f->authority), priority, "h2,http/1.1");
    f->server_credentials = pki_issue(f->pki, NAME, flaw);
}

void
assert_peer_got(TlsPeer *peer, const char *text)
{
    g_assert_cmpstr(peer->got->str, ==, text);
    g_string_truncate(peer->got, 0);
}

void
add_intercept_test(const char *name, void (*test)(InterceptFixture *f, gconstpointer data))
{
    g_autofree char *path = g_strdup_printf("/intercept/%s", name);
    g_autofree char *by_bytes = g_strdup_printf("/intercept/%s/by-bytes", name);

    g_test_add(path, InterceptFixture, GSIZE_TO_POINTER(G_MAXSIZE), intercept_set_up, test,
               intercept_tear_down);
    g_test_add(by_bytes, InterceptFixture, GSIZE_TO_POINTER(1), intercept_set_up, test,
               intercept_tear_down);
}
