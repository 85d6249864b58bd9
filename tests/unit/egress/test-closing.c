/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-closing: what the kernel keeps of connections that have ended. The servers read nothing. */
#include "closing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNREAD 100000 /* bytes of a connection */
#define PAIRS (CLOSING_BYTES_MAX / UNREAD + 2)

typedef struct {
    int client, server;
} Pair;

static Pair
pair_new(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int small = 4096, large = 2 * UNREAD;
    socklen_t size = sizeof address;
    Pair pair;

    setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    g_assert_cmpint(bind(listening, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(listen(listening, 1), ==, 0);
    g_assert_cmpint(getsockname(listening, (struct sockaddr *)&address, &size), ==, 0);
    pair.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    connect(pair.client, (struct sockaddr *)&address, size);
    pair.server = accept(listening, NULL, NULL);
    g_assert_cmpint(pair.server, >=, 0);
    close(listening);
    return pair;
}

static gsize
unacknowledged(const Pair *pair)
{
    int bytes = -1;

    g_assert_cmpint(ioctl(pair->client, SIOCOUTQ, &bytes), ==, 0);
    return (gsize)bytes;
}

/* Writes until `size` bytes are not acknowledged. */
static void
fill(const Pair *pair, gsize size)
{
    g_autofree char *bytes = g_malloc0(size);
    gsize waiting;

    while ((waiting = unacknowledged(pair)) < size)
        g_assert_cmpint(send(pair->client, bytes, size - waiting, MSG_NOSIGNAL), >, 0);
}

static gboolean
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Reads everything; returns 0 at the end, or the errno. */
static int
read_all(int server)
{
    char bytes[65536];
    gssize size;

    while ((size = recv(server, bytes, sizeof bytes, 0)) > 0)
        ;
    return size == 0 ? 0 : errno;
}

/* Returns how many bytes wait. */
static gsize
end(Closing *closing, const Pair *pair)
{
    gsize bytes;

    shutdown(pair->client, SHUT_WR);
    bytes = unacknowledged(pair);
    closing_take(closing, pair->client, /* is_shut= */ TRUE);
    return bytes;
}

/* Nothing waits: the socket is closed, and the server sees the end. */
static void
test_acknowledged(void)
{
    Closing *closing = closing_new();
    Pair pair = pair_new();

    g_assert_cmpint(send(pair.client, "x", 1, 0), ==, 1);
    g_assert_cmpint(recv(pair.server, &(char){0}, 1, 0), ==, 1);
    end(closing, &pair);
    g_assert_false(is_open(pair.client));
    g_assert_cmpint(read_all(pair.server), ==, 0);
    close(pair.server);
    closing_free(closing);
}

/* The server still gets what waits. */
static void
test_last_bytes(void)
{
    Closing *closing = closing_new();
    Pair pair = pair_new();

    fill(&pair, UNREAD);
    end(closing, &pair);
    g_assert_true(is_open(pair.client));
    g_assert_cmpint(read_all(pair.server), ==, 0);
    closing_free(closing);
    g_assert_false(is_open(pair.client));
    close(pair.server);
}

static void
test_reset(void)
{
    Closing *closing = closing_new();
    Pair pair = pair_new();

    fill(&pair, UNREAD);
    closing_take(closing, pair.client, /* is_shut= */ FALSE);
    g_assert_false(is_open(pair.client));
    g_assert_cmpint(read_all(pair.server), ==, ECONNRESET);
    close(pair.server);
    closing_free(closing);
}

/* The connection with which there are too many bytes resets the oldest one, and no other. */
static void
test_bytes(void)
{
    Closing *closing = closing_new();
    Pair pairs[PAIRS];
    gsize bytes = 0, count = 0;

    while (bytes <= CLOSING_BYTES_MAX) {
        g_assert_cmpuint(count, <, PAIRS);
        g_assert_true(count == 0 || is_open(pairs[0].client));
        pairs[count] = pair_new();
        fill(&pairs[count], UNREAD);
        bytes += end(closing, &pairs[count++]);
    }
    g_assert_false(is_open(pairs[0].client));
    g_assert_true(is_open(pairs[1].client));
    g_assert_cmpint(read_all(pairs[0].server), ==, ECONNRESET);
    g_assert_cmpint(read_all(pairs[1].server), ==, 0);
    closing_free(closing);
    for (gsize i = 0; i < count; i++)
        close(pairs[i].server);
}

static void
test_sockets(void)
{
    Closing *closing = closing_new();
    Pair pairs[CLOSING_SOCKETS_MAX + 1];

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        pairs[i] = pair_new();
        fill(&pairs[i], CLOSING_BYTES_MAX / G_N_ELEMENTS(pairs));
        end(closing, &pairs[i]);
        g_assert_cmpint(is_open(pairs[0].client), ==, i < CLOSING_SOCKETS_MAX);
    }
    g_assert_true(is_open(pairs[1].client));
    closing_free(closing);
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++)
        close(pairs[i].server);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/egress/closing/acknowledged", test_acknowledged);
    g_test_add_func("/egress/closing/last-bytes", test_last_bytes);
    g_test_add_func("/egress/closing/reset", test_reset);
    g_test_add_func("/egress/closing/bytes", test_bytes);
    g_test_add_func("/egress/closing/sockets", test_sockets);
    return g_test_run();
}
