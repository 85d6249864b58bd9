/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls-peer: as plain as GnuTLS permits, so that it shares nothing with what is tested. */
#include "tls-peer.h"

#include <errno.h>
#include <string.h>

static ssize_t
pull(gnutls_transport_ptr_t data, void *buffer, size_t size)
{
    TlsPeer *peer = data;
    gsize available = MIN(size, bytes_size(&peer->in));

    if (available == 0 && !peer->in.ended) {
        gnutls_transport_set_errno(peer->session, EAGAIN);
        return -1;
    }
    memcpy(buffer, bytes_peek(&peer->in), available);
    bytes_consume(&peer->in, available);
    return (ssize_t)available;
}

static ssize_t
push(gnutls_transport_ptr_t data, const void *buffer, size_t size)
{
    TlsPeer *peer = data;
    gsize room = MIN(size, bytes_room(&peer->out));

    if (room == 0) {
        gnutls_transport_set_errno(peer->session, EAGAIN);
        return -1;
    }
    bytes_put(&peer->out, buffer, room);
    return (ssize_t)room;
}

static void
set_protocols(TlsPeer *peer, const char *protocols)
{
    g_auto(GStrv) names = g_strsplit(protocols, ",", -1);

    for (guint i = 0; names[i]; i++)
        g_assert_cmpuint(strlen(names[i]), <, 32);
    gnutls_datum_t data[8];
    guint n = g_strv_length(names);
    for (guint i = 0; i < n; i++)
        data[i] = (gnutls_datum_t){(guint8 *)names[i], (guint)strlen(names[i])};
    g_assert_cmpint(gnutls_alpn_set_protocols(peer->session, data, n, 0), ==, 0);
}

static TlsPeer *
peer_new(guint flags, gnutls_certificate_credentials_t credentials, const char *priority,
         const char *protocols)
{
    TlsPeer *peer = g_new0(TlsPeer, 1);

    bytes_init(&peer->in, TLS_PEER_QUEUE_MAX);
    bytes_init(&peer->out, TLS_PEER_QUEUE_MAX);
    peer->got = g_string_new(NULL);
    peer->to_send = g_string_new(NULL);
    peer->alert = -1;
    peer->credentials = credentials;
    g_assert_cmpint(gnutls_init(&peer->session, flags | GNUTLS_NONBLOCK), ==, 0);
    gnutls_transport_set_ptr(peer->session, peer);
    gnutls_transport_set_pull_function(peer->session, pull);
    gnutls_transport_set_push_function(peer->session, push);
    g_assert_cmpint(gnutls_priority_set_direct(peer->session, priority ? priority : "NORMAL", NULL),
                    ==, 0);
    g_assert_cmpint(gnutls_credentials_set(peer->session, GNUTLS_CRD_CERTIFICATE, credentials), ==,
                    0);
    if (protocols)
        set_protocols(peer, protocols);
    return peer;
}

TlsPeer *
tls_peer_new_client(const char *name, const char *trust, const char *priority,
                    const char *protocols)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t pem = {(guint8 *)trust, (guint)strlen(trust)};

    g_assert_cmpint(gnutls_certificate_allocate_credentials(&credentials), ==, 0);
    g_assert_cmpint(gnutls_certificate_set_x509_trust_mem(credentials, &pem, GNUTLS_X509_FMT_PEM),
                    ==, 1);
    TlsPeer *peer = peer_new(GNUTLS_CLIENT, credentials, priority, protocols);
    if (name)
        gnutls_server_name_set(peer->session, GNUTLS_NAME_DNS, name, strlen(name));
    gnutls_session_set_verify_cert(peer->session, name, 0);
    return peer;
}

TlsPeer *
tls_peer_new_server(gnutls_certificate_credentials_t credentials, const char *priority,
                    const char *protocols)
{
    return peer_new(GNUTLS_SERVER, credentials, priority, protocols);
}

void
tls_peer_free(TlsPeer *peer)
{
    gnutls_deinit(peer->session);
    gnutls_certificate_free_credentials(peer->credentials);
    bytes_clear(&peer->in);
    bytes_clear(&peer->out);
    g_string_free(peer->got, TRUE);
    g_string_free(peer->to_send, TRUE);
    g_free(peer);
}

static gboolean
fail_if_fatal(TlsPeer *peer, int result)
{
    if (result >= 0 || !gnutls_error_is_fatal(result))
        return FALSE;
    peer->error = result;
    if (result == GNUTLS_E_FATAL_ALERT_RECEIVED)
        peer->alert = gnutls_alert_get(peer->session);
    gnutls_alert_send_appropriate(peer->session, result);
    return TRUE;
}

static gboolean
step(TlsPeer *peer)
{
    static char buffer[32768];
    gsize in = bytes_size(&peer->in), out = bytes_size(&peer->out);

    if (peer->error)
        return FALSE;
    if (!peer->is_open) {
        int result = gnutls_handshake(peer->session);
        peer->is_open = result == 0;
        return fail_if_fatal(peer, result) || peer->is_open || in != bytes_size(&peer->in) ||
               out != bytes_size(&peer->out);
    }
    ssize_t n =
        peer->has_end ? GNUTLS_E_AGAIN : gnutls_record_recv(peer->session, buffer, sizeof buffer);
    if (n > 0)
        g_string_append_len(peer->got, buffer, n);
    if (n == 0)
        peer->has_end = TRUE;
    if (n >= 0 || fail_if_fatal(peer, (int)n))
        return TRUE;
    if (peer->to_send->len == 0 || bytes_room(&peer->out) < 20000)
        return FALSE;
    n = gnutls_record_send(peer->session, peer->to_send->str, MIN(peer->to_send->len, 16384));
    if (n > 0)
        g_string_erase(peer->to_send, 0, n);
    return n > 0 || fail_if_fatal(peer, (int)n);
}

gboolean
tls_peer_turn(TlsPeer *peer)
{
    gboolean moved = FALSE;

    while (step(peer))
        moved = TRUE;
    return moved;
}

void
tls_peer_close(TlsPeer *peer)
{
    gnutls_bye(peer->session, GNUTLS_SHUT_WR);
    peer->out.ended = TRUE;
}
