/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tls-side: GnuTLS reads records from one queue and writes them to another.
 *
 * A record is only made when there is room for all of it, so that GnuTLS never keeps a part of it.
 */
#include "tls-side.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>

#include "error.h"

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define PROTOCOL "http/1.1"
#define CLIENT_MESSAGE_MAX (32u * 1024) /* of a handshake; clients have no certificate here */
#define RECORD_TEXT_MAX (16u * 1024)
#define RECORD_MAX (RECORD_TEXT_MAX + 512u)

struct TlsTrust {
    gatomicrefcount references;
    gnutls_certificate_credentials_t credentials;
};

struct TlsSide {
    gnutls_session_t session;
    TlsSideQueues queues;
    TlsSideState state;
    const char *failure;
    AuthorityLeaf *leaf; /* of a server */
    TlsTrust *trust;     /* of a client */
    char *host;          /* of a client */
    gnutls_typed_vdata_st verified[2];
};

static gboolean
set_failed(int result, GError **error)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "TLS: %s", gnutls_strerror(result));
    return FALSE;
}

/* --- trust --- */

static int
load_trust(gnutls_certificate_credentials_t credentials, const char *pem)
{
    if (!pem)
        return gnutls_certificate_set_x509_system_trust(credentials);
    gnutls_datum_t data = {(guint8 *)pem, (guint)strlen(pem)};
    return gnutls_certificate_set_x509_trust_mem(credentials, &data, GNUTLS_X509_FMT_PEM);
}

TlsTrust *
tls_trust_new(const char *pem, GError **error)
{
    gnutls_certificate_credentials_t credentials;
    int result = gnutls_certificate_allocate_credentials(&credentials);

    if (result < 0) {
        set_failed(result, error);
        return NULL;
    }
    result = load_trust(credentials, pem);
    if (result <= 0) {
        gnutls_certificate_free_credentials(credentials);
        set_failed(result < 0 ? result : GNUTLS_E_NO_CERTIFICATE_FOUND, error);
        return NULL;
    }
    TlsTrust *trust = g_new0(TlsTrust, 1);
    g_atomic_ref_count_init(&trust->references);
    trust->credentials = credentials;
    return trust;
}

TlsTrust *
tls_trust_ref(TlsTrust *trust)
{
    g_atomic_ref_count_inc(&trust->references);
    return trust;
}

void
tls_trust_unref(TlsTrust *trust)
{
    if (!trust || !g_atomic_ref_count_dec(&trust->references))
        return;
    gnutls_certificate_free_credentials(trust->credentials);
    g_free(trust);
}

/* --- the transport --- */

static ssize_t
pull(gnutls_transport_ptr_t data, void *buffer, size_t size)
{
    TlsSide *side = data;
    Bytes *in = side->queues.in;
    gsize available = MIN(size, bytes_size(in));

    if (available == 0 && !in->ended) {
        gnutls_transport_set_errno(side->session, EAGAIN);
        return -1;
    }
    memcpy(buffer, bytes_peek(in), available);
    bytes_consume(in, available);
    return (ssize_t)available;
}

static int
pull_timeout(gnutls_transport_ptr_t data, unsigned timeout_ms)
{
    const TlsSide *side = data;
    return bytes_size(side->queues.in) > 0 || side->queues.in->ended;
}

static ssize_t
push(gnutls_transport_ptr_t data, const giovec_t *parts, int n)
{
    TlsSide *side = data;
    gsize total = 0;

    for (int i = 0; i < n; i++) {
        gsize size = MIN(parts[i].iov_len, bytes_room(side->queues.out));
        bytes_put(side->queues.out, parts[i].iov_base, size);
        total += size;
        if (size < parts[i].iov_len)
            break;
    }
    if (total > 0)
        return (ssize_t)total;
    gnutls_transport_set_errno(side->session, EAGAIN);
    return -1;
}

/* --- begin and end --- */

/* The same for all sessions of the process. */
static gnutls_priority_t
priority(void)
{
    static gsize once;
    static gnutls_priority_t shared;

    if (g_once_init_enter(&once)) {
        if (gnutls_priority_init(&shared, PRIORITY, NULL) < 0)
            g_error("GnuTLS does not know the priority string " PRIORITY);
        g_once_init_leave(&once, 1);
    }
    return shared;
}

static int
set_up(TlsSide *side, guint flags, gnutls_certificate_credentials_t credentials)
{
    gnutls_datum_t protocol = {(guint8 *)PROTOCOL, sizeof PROTOCOL - 1};
    int result =
        gnutls_init(&side->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);

    if (result < 0)
        return result;
    gnutls_transport_set_ptr(side->session, side);
    gnutls_transport_set_pull_function(side->session, pull);
    gnutls_transport_set_pull_timeout_function(side->session, pull_timeout);
    gnutls_transport_set_vec_push_function(side->session, push);
    gnutls_handshake_set_timeout(side->session, GNUTLS_INDEFINITE_TIMEOUT);
    result = gnutls_priority_set(side->session, priority());
    if (result >= 0)
        result = gnutls_credentials_set(side->session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (result >= 0)
        result = gnutls_alpn_set_protocols(side->session, &protocol, 1,
                                           flags & GNUTLS_SERVER ? GNUTLS_ALPN_MANDATORY : 0);
    return result;
}

static TlsSide *
side_or_error(TlsSide *side, int result, GError **error)
{
    if (result >= 0)
        return side;
    set_failed(result, error);
    tls_side_free(side);
    return NULL;
}

TlsSide *
tls_side_new_server(AuthorityLeaf *leaf, TlsSideQueues queues, GError **error)
{
    TlsSide *side = g_new0(TlsSide, 1);

    side->queues = queues;
    side->leaf = authority_leaf_ref(leaf);
    int result = set_up(side, GNUTLS_SERVER, authority_leaf_credentials(leaf));
    if (result >= 0)
        gnutls_handshake_set_max_packet_length(side->session, CLIENT_MESSAGE_MAX);
    return side_or_error(side, result, error);
}

TlsSide *
tls_side_new_client(TlsTrust *trust, const char *host, TlsSideQueues queues, GError **error)
{
    TlsSide *side = g_new0(TlsSide, 1);

    side->queues = queues;
    side->trust = tls_trust_ref(trust);
    side->host = g_strdup(host);
    side->verified[0] = (gnutls_typed_vdata_st){GNUTLS_DT_DNS_HOSTNAME, (guint8 *)side->host, 0};
    side->verified[1] =
        (gnutls_typed_vdata_st){GNUTLS_DT_KEY_PURPOSE_OID, (guint8 *)GNUTLS_KP_TLS_WWW_SERVER, 0};
    int result = set_up(side, GNUTLS_CLIENT, trust->credentials);
    if (result >= 0)
        result = gnutls_server_name_set(side->session, GNUTLS_NAME_DNS, host, strlen(host));
    if (result >= 0)
        gnutls_session_set_verify_cert2(side->session, side->verified, 2, 0);
    return side_or_error(side, result, error);
}

void
tls_side_free(TlsSide *side)
{
    if (!side)
        return;
    g_clear_pointer(&side->session, gnutls_deinit);
    authority_leaf_unref(side->leaf);
    tls_trust_unref(side->trust);
    g_free(side->host);
    g_free(side);
}

/* --- failures --- */

static const char *
certificate_failure(guint status)
{
    static const struct {
        guint bit;
        const char *text;
    } texts[] = {
        {GNUTLS_CERT_REVOKED, "the server's certificate was revoked"},
        {GNUTLS_CERT_SIGNER_NOT_FOUND, "the server's certificate is from an unknown authority"},
        {GNUTLS_CERT_SIGNER_NOT_CA, "the server's certificate is not from an authority"},
        {GNUTLS_CERT_SIGNATURE_FAILURE, "the server's certificate has a wrong signature"},
        {GNUTLS_CERT_INSECURE_ALGORITHM, "the server's certificate has an insecure algorithm"},
        {GNUTLS_CERT_NOT_ACTIVATED, "the server's certificate is not valid yet"},
        {GNUTLS_CERT_EXPIRED, "the server's certificate has expired"},
        {GNUTLS_CERT_UNEXPECTED_OWNER, "the server's certificate is for another name"},
        {GNUTLS_CERT_PURPOSE_MISMATCH, "the server's certificate is for another purpose"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (status & texts[i].bit)
            return texts[i].text;
    }
    return "the server's certificate is not valid";
}

/* OpenSSL as a client of TLS 1.3 refuses a certificate by an alert that is not encrypted, which
 * GnuTLS tries to decrypt. */
static gboolean
is_plain_alert(const TlsSide *side, int result)
{
    return result == GNUTLS_E_DECRYPTION_FAILED && side->leaf && side->state == TLS_SIDE_HANDSHAKE;
}

/* Texts of GnuTLS are static. */
static const char *
failure_text(const TlsSide *side, int result)
{
    if (is_plain_alert(side, result))
        result = GNUTLS_E_FATAL_ALERT_RECEIVED;
    switch (result) {
    case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
        return certificate_failure(gnutls_session_get_verify_cert_status(side->session));
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return side->leaf ? "the guest's program has refused the TLS connection"
                          : "the server has refused the TLS connection";
    case GNUTLS_E_PREMATURE_TERMINATION:
        return "the connection ended within TLS";
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
        return "the other side does not support TLS 1.2 or later";
    case GNUTLS_E_REHANDSHAKE:
        return "TLS renegotiation is not supported";
    default:
        return gnutls_strerror(result);
    }
}

static void
fail(TlsSide *side, const char *failure)
{
    side->state = TLS_SIDE_FAILED;
    side->failure = failure;
    side->queues.received->ended = TRUE;
    side->queues.out->ended = TRUE;
}

static void
fail_with_alert(TlsSide *side, int result)
{
    const char *failure = failure_text(side, result);

    gnutls_alert_send_appropriate(side->session, result);
    fail(side, failure);
}

/* --- turns --- */

static gboolean
has_own_protocol(const TlsSide *side)
{
    gnutls_datum_t chosen;

    if (gnutls_alpn_get_selected_protocol(side->session, &chosen) < 0)
        return TRUE;
    return chosen.size == sizeof PROTOCOL - 1 && memcmp(chosen.data, PROTOCOL, chosen.size) == 0;
}

static gboolean
shake_hands(TlsSide *side)
{
    gsize in = bytes_size(side->queues.in), out = bytes_size(side->queues.out);
    int result = gnutls_handshake(side->session);

    if (result < 0 && gnutls_error_is_fatal(result))
        fail_with_alert(side, result);
    else if (result >= 0 && !has_own_protocol(side))
        fail(side, "the server has chosen another protocol than HTTP/1.1");
    else if (result >= 0)
        side->state = TLS_SIDE_OPEN;
    return side->state != TLS_SIDE_HANDSHAKE || in != bytes_size(side->queues.in) ||
           out != bytes_size(side->queues.out);
}

static gboolean
can_receive(const TlsSide *side)
{
    return !side->queues.received->ended && bytes_room(side->queues.received) > 0 &&
           (bytes_size(side->queues.in) > 0 || side->queues.in->ended ||
            gnutls_record_check_pending(side->session) > 0);
}

static gboolean
receive(TlsSide *side)
{
    Bytes *received = side->queues.received;

    if (!can_receive(side))
        return FALSE;
    gsize before = bytes_size(side->queues.in), room = MIN(bytes_room(received), RECORD_TEXT_MAX);
    ssize_t result = gnutls_record_recv(side->session, bytes_reserve(received, room), room);
    if (result > 0)
        bytes_commit(received, (gsize)result);
    else if (result == 0)
        received->ended = TRUE;
    else if (result == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal((int)result))
        fail_with_alert(side, (int)result);
    return result >= 0 || side->state == TLS_SIDE_FAILED || before != bytes_size(side->queues.in);
}

static gboolean
send_text(TlsSide *side)
{
    Bytes *text = side->queues.to_send;
    gsize size = MIN(bytes_size(text), RECORD_TEXT_MAX);

    if (size == 0 || bytes_room(side->queues.out) < RECORD_MAX)
        return FALSE;
    ssize_t result = gnutls_record_send(side->session, bytes_peek(text), size);
    if (result > 0)
        bytes_consume(text, (gsize)result);
    else if (result < 0 && gnutls_error_is_fatal((int)result))
        fail(side, failure_text(side, (int)result));
    return result > 0 || side->state == TLS_SIDE_FAILED;
}

static gboolean
close_when_sent(TlsSide *side)
{
    if (!bytes_at_end(side->queues.to_send) || bytes_room(side->queues.out) < RECORD_MAX)
        return FALSE;
    gnutls_bye(side->session, GNUTLS_SHUT_WR);
    side->state = TLS_SIDE_CLOSED;
    side->queues.out->ended = TRUE;
    return TRUE;
}

static gboolean
step(TlsSide *side)
{
    switch (side->state) {
    case TLS_SIDE_HANDSHAKE:
        return shake_hands(side);
    case TLS_SIDE_OPEN:
        return receive(side) || (side->state == TLS_SIDE_OPEN && send_text(side)) ||
               (side->state == TLS_SIDE_OPEN && close_when_sent(side));
    default:
        bytes_consume(side->queues.in, bytes_size(side->queues.in));
        return FALSE;
    }
}

gboolean
tls_side_turn(TlsSide *side)
{
    gboolean moved = FALSE;

    while (step(side))
        moved = TRUE;
    return moved;
}

TlsSideState
tls_side_state(const TlsSide *side)
{
    return side->state;
}

const char *
tls_side_failure(const TlsSide *side)
{
    return side->failure;
}
