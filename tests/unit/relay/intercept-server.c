/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * intercept-server: intercepts the connections that arrive at a socket, for clients of other
 * makers.
 *
 * Usage: intercept-server SOCKET CA-FILE HOST. The server behind it is in this process, and answers
 * each request with a line that says whether the secret arrived. One connection at a time. It ends
 * when its standard input ends.
 */
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "intercept.h"
#include "test-pki.h"
#include "tls-peer.h"

#define VALUE "s3cr3t-s3cr3t-value"

static Pki *pki;
static const char *host;

/* Returns FALSE when the connection is over. */
static gboolean
exchange(int fd, Intercept *intercept)
{
    Bytes *in = intercept_guest_in(intercept), *out = intercept_guest_out(intercept);
    struct pollfd p = {.fd = fd};

    while (bytes_size(out) > 0) {
        ssize_t n = send(fd, bytes_peek(out), bytes_size(out), MSG_NOSIGNAL);
        if (n <= 0)
            return FALSE;
        bytes_consume(out, (gsize)n);
    }
    if (out->ended || bytes_room(in) == 0)
        return !out->ended;
    p.events = POLLIN;
    if (poll(&p, 1, /* ms= */ 30000) <= 0)
        return FALSE;
    gsize room = MIN(bytes_room(in), 4096);
    ssize_t n = read(fd, bytes_reserve(in, room), room);
    bytes_commit(in, n > 0 ? (gsize)n : 0);
    in->ended = n <= 0;
    return TRUE;
}

static void
answer(TlsPeer *server)
{
    char *end = strstr(server->got->str, "\r\n\r\n");

    if (!end)
        return;
    *end = '\0';
    gboolean arrived = strstr(server->got->str, "\r\nAuthorization: Bearer " VALUE) != NULL;
    g_string_erase(server->got, 0, end + 4 - server->got->str);
    g_string_append_printf(server->to_send,
                           "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nsecret: %s\n",
                           arrived ? "yes" : "no ");
}

static void
turn(Intercept *intercept, TlsPeer *server)
{
    gboolean moved = TRUE;

    while (moved) {
        intercept_turn(intercept);
        moved = bytes_move(intercept_upstream_out(intercept), &server->in, G_MAXSIZE) > 0;
        moved = tls_peer_turn(server) || moved;
        answer(server);
        moved = tls_peer_turn(server) || moved;
        moved = bytes_move(&server->out, intercept_upstream_in(intercept), G_MAXSIZE) || moved;
    }
}

static void
serve(int fd, const InterceptOptions *options)
{
    g_autoptr(Intercept) intercept = intercept_new(options);
    TlsPeer *server = tls_peer_new_server(pki_issue(pki, host, PKI_GOOD), NULL, NULL);

    do
        turn(intercept, server);
    while (exchange(fd, intercept));
    if (intercept_failure(intercept))
        printf("%s\n", intercept_failure(intercept));
    tls_peer_free(server);
    close(fd);
}

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0)
        g_error("cannot listen at %s: %m", path);
    return fd;
}

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    host = argv[3];
    const char *hosts[] = {host, "other.example", NULL};
    g_autoptr(Authority) authority = authority_new(hosts, NULL);
    g_autoptr(GPtrArray) secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_unref);
    pki = pki_new();
    g_autoptr(TlsTrust) trust = tls_trust_new(pki_pem(pki), NULL);

    setvbuf(stdout, NULL, _IOLBF, 0);
    g_ptr_array_add(secrets, secret_new("token", "Authorization", "Bearer %s", VALUE, strlen(VALUE),
                                        NULL, NULL, NULL));
    if (!g_file_set_contents(argv[2], authority_pem(authority), -1, NULL))
        return 1;
    int listener = listen_at(argv[1]);
    printf("ready\n");
    struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (poll(p, 2, -1) > 0 && !p[1].revents)
        serve(accept4(listener, NULL, NULL, SOCK_CLOEXEC),
              &(InterceptOptions){
                  .relay = {.host = host, .port = 443, .tls = TRUE, .secrets = secrets},
                  .authority = authority,
                  .trust = trust});
    close(listener);
    pki_free(pki);
    return 0;
}
