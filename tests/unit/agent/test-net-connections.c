/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-net-connections: the bytes, the ends and the bounds of connections. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net-host.h"

#define SERVER_FAILURE 2
#define NO_SUCH_NAME 3
#define DATA_MAX (32u * 1024)

/* --- data --- */

/* Sends DATA while the window permits it, and reads the same bytes in the guest. */
static void
test_download(NetHost *host, gconstpointer data)
{
    const gsize total = 10 * 1024 * 1024;
    g_autofree guint8 *bytes = g_malloc(total), *got = g_malloc(total);
    gsize sent = 0, read = 0, window = NET_WINDOW;
    guint32 stream, credit;
    int fd = guest_open(host, "big.example", 80, &stream);

    for (gsize i = 0; i < total; i++)
        bytes[i] = (guint8)(i * 2654435761u >> 13);
    while (read < total) {
        for (gsize n; (n = MIN(MIN(window, DATA_MAX), total - sent)) > 0; window -= n, sent += n)
            net_host_send(host, stream, NET_DATA, bytes + sent, n);
        guest_read(fd, got + read, sent - read);
        read = sent;
        while (sent < total && window < NET_WINDOW / 2) {
            g_autoptr(GByteArray) payload = net_host_expect(host, NET_CREDIT, NULL);
            g_assert_cmpint(net_number_get(payload->data, payload->len, &credit), ==, 0);
            g_assert_cmpuint(credit, >=, NET_WINDOW / 2);
            window += credit;
        }
    }
    g_assert_cmpmem(got, total, bytes, total);
    net_host_send(host, stream, NET_EOF, NULL, 0);
    guest_expect_eof(fd);
    close(fd);
}

static void
take_data(NetHost *host, guint32 stream, GByteArray *all)
{
    guint32 actual;
    g_autoptr(GByteArray) payload = net_host_expect(host, NET_DATA, &actual);

    g_assert_cmpuint(actual, ==, stream);
    g_assert_cmpuint(payload->len, >, 0);
    g_byte_array_append(all, payload->data, payload->len);
}

/* The program writes in a thread, because it blocks at the end of the window. */
typedef struct {
    int fd;
    const guint8 *data;
    gsize size;
} Upload;

static gpointer
upload(gpointer data)
{
    const Upload *it = data;

    guest_write(it->fd, it->data, it->size);
    shutdown(it->fd, SHUT_WR);
    return NULL;
}

static void
test_upload(NetHost *host, gconstpointer data)
{
    const gsize total = 10 * 1024 * 1024;
    g_autofree guint8 *bytes = g_malloc(total);
    g_autoptr(GByteArray) all = g_byte_array_new();
    guint32 stream;
    int fd = guest_open(host, "big.example", 80, &stream);

    for (gsize i = 0; i < total; i++)
        bytes[i] = (guint8)(i * 2654435761u >> 13);
    Upload it = {fd, bytes, total};
    GThread *thread = g_thread_new("upload", upload, &it);
    while (all->len < total) {
        gsize before = all->len;
        while (all->len < MIN(before + NET_WINDOW, total))
            take_data(host, stream, all);
        net_host_expect_nothing(host); /* beyond the window */
        net_host_send_number(host, stream, NET_CREDIT, (guint32)(all->len - before));
    }
    g_thread_join(thread);
    g_assert_cmpmem(all->data, all->len, bytes, total);
    g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
    close(fd);
}

/* --- the ends --- */

static void
test_guest_ends_first(NetHost *host, gconstpointer data)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    char answer[6];
    guint32 stream;
    int fd = guest_open(host, "half.example", 80, &stream);

    guest_write(fd, "request", 7);
    shutdown(fd, SHUT_WR);
    take_data(host, stream, all);
    g_assert_cmpmem(all->data, all->len, "request", 7);
    g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
    net_host_send(host, stream, NET_DATA, "answer", 6);
    guest_read(fd, answer, sizeof answer);
    net_host_send(host, stream, NET_EOF, NULL, 0);
    guest_expect_eof(fd);
    close(fd);
    /* The stream has ended: frames that crossed its end are ignored. */
    net_host_send(host, stream, NET_DATA, "late", 4);
    net_host_send_number(host, stream, NET_RESET, ECONNRESET);
    net_host_expect_nothing(host);
}

static void
test_host_ends_first(NetHost *host, gconstpointer data)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    guint32 stream;
    int fd = guest_open(host, "half.example", 80, &stream);

    net_host_send(host, stream, NET_EOF, NULL, 0);
    guest_expect_eof(fd);
    guest_write(fd, "still here", 10);
    take_data(host, stream, all);
    g_assert_cmpmem(all->data, all->len, "still here", 10);
    close(fd);
    g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
    net_host_expect_nothing(host);
}

/* The host ends the stream while the program has not read all of it. */
static void
test_rest_is_read_after_the_end(NetHost *host, gconstpointer data)
{
    static guint8 bytes[NET_WINDOW], got[NET_WINDOW];
    guint32 stream;
    int fd = guest_open(host, "slow.example", 80, &stream);

    memset(bytes, 'x', sizeof bytes);
    shutdown(fd, SHUT_WR);
    g_byte_array_unref(net_host_expect(host, NET_EOF, NULL));
    for (gsize at = 0; at < sizeof bytes; at += DATA_MAX)
        net_host_send(host, stream, NET_DATA, bytes + at, DATA_MAX);
    net_host_send(host, stream, NET_EOF, NULL, 0);
    guest_expect_address(host, "192.0.2.1", "localhost", 1, "127.0.0.1");
    guest_read(fd, got, sizeof got);
    g_assert_cmpmem(got, sizeof got, bytes, sizeof bytes);
    guest_expect_eof(fd);
    close(fd);
}

static void
test_host_refuses(NetHost *host, gconstpointer data)
{
    guint32 stream;
    int fd = guest_open(host, "refused.example", 80, &stream);

    net_host_send_number(host, stream, NET_RESET, ECONNREFUSED);
    guest_expect_reset(fd);
    net_host_expect_nothing(host);
}

static void
test_guest_resets(NetHost *host, gconstpointer data)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    guint32 stream;
    int fd = guest_open(host, "reset.example", 80, &stream);

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    net_host_expect_number(host, stream, NET_RESET, ECONNRESET);
    net_host_send(host, stream, NET_DATA, "late", 4);
    net_host_expect_nothing(host);
}

/* --- a host that breaks the protocol --- */

typedef struct {
    guint type;
    gsize size;     /* of the payload, zero bytes */
    guint32 number; /* not 0: the payload */
    guint32 add;    /* to the stream's number */
} Violation;

/* The guest resets all connections, and waits for the next preamble. */
static void
expect_broken(NetHost *host, int fd)
{
    guint32 stream;

    guest_expect_reset(fd);
    guest_expect_status(host, "www.example.com", NO_SUCH_NAME);
    guest_expect_error(host, "198.18.0.1", 80, ENETUNREACH);
    net_host_greet(host);
    close(guest_open(host, "after.example", 80, &stream));
}

static void
test_violation(NetHost *host, gconstpointer data)
{
    static const guint8 zeros[8];
    const Violation *violation = data;
    guint32 stream;
    int fd = guest_open(host, "violation.example", 80, &stream);

    if (violation->number > 0)
        net_host_send_number(host, stream, violation->type, violation->number);
    else
        net_host_send(host, stream + violation->add, violation->type, zeros, violation->size);
    expect_broken(host, fd);
}

static void
test_data_after_eof(NetHost *host, gconstpointer data)
{
    guint32 stream;
    int other_fd = guest_open(host, "other.example", 80, &stream);
    int fd = guest_open(host, "violation.example", 80, &stream);

    guest_write(other_fd, "y", 1);
    net_host_send(host, stream, NET_EOF, NULL, 0);
    net_host_send(host, stream, NET_DATA, "x", 1);
    expect_broken(host, other_fd);
    close(fd);
}

/* What the guest has sent until it has handled all frames that were sent before. */
typedef struct {
    guint32 credit; /* bytes */
    guint resets;
} Answers;

/* `fd` and `stream` are a connection for this purpose. A byte goes each way: what the guest had to
 * do earlier comes before it. */
static Answers
synchronize(NetHost *host, int fd, guint32 stream)
{
    Answers answers = {0};
    guint32 number;
    char byte;

    net_host_send(host, stream, NET_DATA, "x", 1);
    guest_read(fd, &byte, 1);
    guest_write(fd, "y", 1);
    while (TRUE) {
        WireHeader header;
        g_autoptr(GByteArray) payload = net_host_next(host, &header);

        if (header.type == NET_DATA && header.stream == stream)
            return answers;
        g_assert_cmpint(net_number_get(payload->data, payload->len, &number), ==, 0);
        if (header.type == NET_RESET) {
            g_assert_cmpuint(number, ==, ENOBUFS);
            answers.resets++;
        } else {
            g_assert_cmpint(header.type, ==, NET_CREDIT);
            g_assert_cmpuint(number, >=, NET_WINDOW / 2);
            answers.credit += number;
        }
    }
}

static void
send_bytes(NetHost *host, guint32 stream, gsize size)
{
    static const guint8 zeros[DATA_MAX];

    for (gsize n; size > 0; size -= n) {
        n = MIN(size, DATA_MAX);
        net_host_send(host, stream, NET_DATA, zeros, n);
    }
}

/* A program that does not read: all of the window is permitted, and one byte more is not. */
static void
test_overrun(NetHost *host, gconstpointer data)
{
    guint32 stream, other, window = NET_WINDOW;
    int fd = guest_open(host, "overrun.example", 80, &stream);
    int other_fd = guest_open(host, "other.example", 80, &other);

    while (window > 0) { /* the kernel takes some windows */
        send_bytes(host, stream, window);
        window = synchronize(host, other_fd, other).credit;
    }
    send_bytes(host, stream, 1);
    guest_expect_reset(other_fd);
    guest_expect_status(host, "www.example.com", NO_SUCH_NAME);
    close(fd);
    net_host_greet(host);
}

/* --- bounds --- */

/* 256 connections; further ones are reset until one has ended. */
static void
test_many_connections(NetHost *host, gconstpointer data)
{
    g_autofree char *address = guest_resolve(host, "many.example");
    guint32 streams[NET_STREAMS_MAX];
    int fds[NET_STREAMS_MAX];

    for (gsize i = 0; i < NET_STREAMS_MAX; i++) {
        fds[i] = guest_connect(host, address, 80);
        streams[i] = net_host_expect_open(host, "many.example", 80);
    }
    guest_expect_reset(guest_connect(host, address, 80));
    guest_expect_status(host, "www.example.com", SERVER_FAILURE);
    net_host_send_number(host, streams[100], NET_RESET, ECONNRESET);
    guest_expect_reset(fds[100]);
    fds[100] = guest_connect(host, address, 80);
    net_host_expect_open(host, "many.example", 80);
    guest_expect_reset(guest_connect(host, address, 80));
    guest_write(fds[255], "x", 1);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    take_data(host, streams[255], bytes);
    for (gsize i = 0; i < NET_STREAMS_MAX; i++)
        close(fds[i]);
}

/* Programs that do not read: some are reset, so that the others can be served. */
static void
test_waiting_bytes_are_bounded(NetHost *host, gconstpointer data)
{
    static guint8 got[NET_WINDOW];
    g_autofree char *address = guest_resolve(host, "unread.example");
    guint32 streams[128], other;
    int fds[128], other_fd = guest_open(host, "other.example", 80, &other);

    host->has_small_buffers = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = guest_connect(host, address, 80);
        streams[i] = net_host_expect_open(host, "unread.example", 80);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        send_bytes(host, streams[i], NET_WINDOW);
    Answers answers = synchronize(host, other_fd, other);
    g_assert_cmpuint(answers.resets, >, 0);
    g_assert_cmpuint(answers.resets, <=, G_N_ELEMENTS(fds) - 64); /* 16 MiB are 64 windows */
    guest_read(fds[0], got, sizeof got);
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    close(other_fd);
}

static const NetTest tests[] = {
    {"download", test_download, NULL},
    {"upload", test_upload, NULL},
    {"guest-ends-first", test_guest_ends_first, NULL},
    {"host-ends-first", test_host_ends_first, NULL},
    {"rest-is-read-after-the-end", test_rest_is_read_after_the_end, NULL},
    {"host-refuses", test_host_refuses, NULL},
    {"guest-resets", test_guest_resets, NULL},
    {"data-after-eof", test_data_after_eof, NULL},
    {"overrun", test_overrun, NULL},
    {"many-connections", test_many_connections, NULL},
    {"waiting-bytes-are-bounded", test_waiting_bytes_are_bounded, NULL},
    {"empty-data", test_violation, &(const Violation){NET_DATA, 0, 0, 0}},
    {"eof-with-payload", test_violation, &(const Violation){NET_EOF, 1, 0, 0}},
    {"no-credit", test_violation, &(const Violation){NET_CREDIT, 4, 0, 0}},
    {"too-much-credit", test_violation, &(const Violation){NET_CREDIT, 0, 1, 0}},
    {"malformed-credit", test_violation, &(const Violation){NET_CREDIT, 3, 0, 0}},
    {"malformed-reset", test_violation, &(const Violation){NET_RESET, 5, 0, 0}},
    {"found-for-connection", test_violation, &(const Violation){NET_FOUND, 4, 0, 0}},
    {"open-from-host", test_violation, &(const Violation){NET_OPEN, 4, 0, 0}},
    {"unknown-type", test_violation, &(const Violation){99, 4, 0, 0}},
    {"unknown-stream", test_violation, &(const Violation){NET_DATA, 1, 0, 1}},
};

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    net_host_add_tests("connections", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
