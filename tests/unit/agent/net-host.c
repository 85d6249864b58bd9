/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-host: a socket belongs to the network namespace in which it was made, whoever uses it. */
#include "net-host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_MS 10000
#define DNS_PORT 53
#define SERVER "192.0.2.1"
#define AAAA 28

/* --- the host --- */

NetHost *
net_host_new(void)
{
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    g_autofree NetHost *host = g_new0(NetHost, 1);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* The kernel chooses an abstract address. */
    g_assert_cmpint(bind(listener, (struct sockaddr *)&abstract, sizeof abstract.sun_family), ==,
                    0);
    g_assert_cmpint(listen(listener, 4), ==, 0);
    host->address_size = sizeof host->address;
    getsockname(listener, (struct sockaddr *)&host->address, &host->address_size);
    host->peer = peer_new_with_net(listener);
    close(listener);
    if (!host->peer)
        return NULL;
    host->in = g_byte_array_new();
    host->fd = -1;
    return g_steal_pointer(&host);
}

void
net_host_free(NetHost *host)
{
    net_host_hang_up(host);
    peer_free(host->peer);
    g_byte_array_unref(host->in);
    g_free(host);
}

void
net_host_hang_up(NetHost *host)
{
    if (host->fd >= 0)
        close(host->fd);
    host->fd = -1;
    g_byte_array_set_size(host->in, 0);
}

static void
receive(NetHost *host)
{
    guint8 bytes[65536];
    struct pollfd wait = {.fd = host->fd, .events = POLLIN};

    g_assert_cmpint(poll(&wait, 1, WAIT_MS), ==, 1);
    gssize n = recv(host->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    g_assert_cmpint(n, >, 0);
    g_byte_array_append(host->in, bytes, (guint)n);
}

/* Reads while it sends, because otherwise both sides could block on full buffers. */
void
net_host_send_raw(NetHost *host, const void *data, gsize size)
{
    const guint8 *bytes = data;

    while (size > 0) {
        struct pollfd wait = {.fd = host->fd, .events = POLLIN | POLLOUT};

        g_assert_cmpint(poll(&wait, 1, WAIT_MS), ==, 1);
        if (wait.revents & POLLIN)
            receive(host);
        gssize n = send(host->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue;
        g_assert_cmpint(n, >, 0);
        bytes += n;
        size -= (gsize)n;
    }
}

void
net_host_send(NetHost *host, guint32 stream, guint type, const void *data, gsize size)
{
    const WireHeader header = {(guint32)size, stream, (guint8)type, 0};
    g_autofree guint8 *frame = g_malloc(WIRE_HEADER_SIZE + size + 1);

    wire_header_put(frame, &header);
    if (size > 0)
        memcpy(frame + WIRE_HEADER_SIZE, data, size);
    frame[WIRE_HEADER_SIZE + size] = WIRE_END;
    net_host_send_raw(host, frame, WIRE_HEADER_SIZE + size + 1);
}

void
net_host_send_number(NetHost *host, guint32 stream, guint type, guint32 number)
{
    guint32 little = GUINT32_TO_LE(number);
    net_host_send(host, stream, type, &little, sizeof little);
}

static void
send_preamble(NetHost *host)
{
    g_autofree guint8 *pad = g_malloc0(NET_PREAMBLE_PAD);

    for (guint i = 0; i < WIRE_NONCE_SIZE; i++)
        host->nonce[i] = (guint8)g_random_int();
    net_host_send_raw(host, pad, NET_PREAMBLE_PAD);
    net_host_send_raw(host, net_magic, WIRE_MAGIC_SIZE);
    net_host_send_raw(host, host->nonce, WIRE_NONCE_SIZE);
    host->last_stream = 0;
}

/* Returns the number of bytes before the greeting. */
static gsize
wait_for_greeting(NetHost *host)
{
    guint8 greeting[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];
    gsize keep = 0, skipped;
    ptrdiff_t at;

    memcpy(greeting, net_magic, WIRE_MAGIC_SIZE);
    memcpy(greeting + WIRE_MAGIC_SIZE, host->nonce, WIRE_NONCE_SIZE);
    while ((at = wire_find(host->in->data, host->in->len, greeting, sizeof greeting, &keep)) < 0)
        receive(host);
    skipped = (gsize)at;
    g_byte_array_remove_range(host->in, 0, (guint)(skipped + sizeof greeting));
    net_host_expect_number(host, 0, NET_HELLO, NET_VERSION);
    return skipped;
}

void
net_host_greet(NetHost *host)
{
    send_preamble(host);
    wait_for_greeting(host);
}

void
net_host_greet_strictly(NetHost *host)
{
    send_preamble(host);
    g_assert_cmpuint(wait_for_greeting(host), ==, 0);
}

void
net_host_connect(NetHost *host)
{
    host->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(host->fd, (struct sockaddr *)&host->address, host->address_size), ==,
                    0);
    net_host_greet(host);
}

GByteArray *
net_host_next(NetHost *host, WireHeader *ret_header)
{
    GByteArray *result = g_byte_array_new();
    const guint8 *payload;
    gsize size = 0;
    int r;

    while ((r = net_frame_get(host->in->data, host->in->len, ret_header, &payload, &size)) == 0)
        receive(host);
    g_assert_cmpint(r, ==, 1);
    g_byte_array_append(result, payload, ret_header->length);
    g_byte_array_remove_range(host->in, 0, (guint)size);
    return result;
}

GByteArray *
net_host_expect(NetHost *host, NetType type, guint32 *ret_stream)
{
    WireHeader header;
    GByteArray *payload = net_host_next(host, &header);

    g_assert_cmpint(header.type, ==, type);
    if (ret_stream)
        *ret_stream = header.stream;
    return payload;
}

void
net_host_expect_number(NetHost *host, guint32 stream, NetType type, guint32 number)
{
    guint32 actual_stream, actual = 0;
    g_autoptr(GByteArray) payload = net_host_expect(host, type, &actual_stream);

    g_assert_cmpuint(actual_stream, ==, stream);
    g_assert_cmpint(net_number_get(payload->data, payload->len, &actual), ==, 0);
    g_assert_cmpuint(actual, ==, number);
}

static guint32
expect_request(NetHost *host, NetType type, const char *name, guint16 port)
{
    NetRequest request = {.port = 0};
    guint32 stream;
    g_autoptr(GByteArray) payload = net_host_expect(host, type, &stream);
    int r =
        (type == NET_OPEN ? net_open_get : net_lookup_get)(payload->data, payload->len, &request);

    g_assert_cmpint(r, ==, 0);
    g_assert_cmpstr(request.host, ==, name);
    g_assert_cmpuint(request.port, ==, port);
    g_assert_cmpuint(stream, >, host->last_stream);
    host->last_stream = stream;
    return stream;
}

guint32
net_host_expect_lookup(NetHost *host, const char *name)
{
    return expect_request(host, NET_LOOKUP, name, 0);
}

guint32
net_host_expect_open(NetHost *host, const char *name, guint16 port)
{
    return expect_request(host, NET_OPEN, name, port);
}

void
net_host_expect_nothing(NetHost *host)
{
    struct pollfd wait = {.fd = host->fd, .events = POLLIN};
    gsize size;
    DnsPacket query, answer;

    dns_packet_query(&query, 1, "localhost", 1);
    for (int i = 0; i < 2; i++) {
        guest_receive(guest_ask(host, SERVER, &query), &answer);
        g_assert_nonnull(dns_packet_record(&answer, &query, &size));
    }
    g_assert_cmpuint(host->in->len, ==, 0);
    g_assert_cmpint(poll(&wait, 1, 0), ==, 0);
}

/* --- programs in the guest --- */

int
guest_socket(const NetHost *host, int family, int type)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", (int)host->peer->pid);
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int guest = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(setns(guest, CLONE_NEWNET), ==, 0);
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    g_assert_cmpint(setns(own, CLONE_NEWNET), ==, 0);
    g_assert_cmpint(fd, >=, 0);
    close(own);
    close(guest);
    return fd;
}

static int
fill_address(struct sockaddr_storage *out, const char *address, guint16 port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        g_assert_cmpint(inet_pton(AF_INET6, address, &v6->sin6_addr), ==, 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    }
    return out->ss_family;
}

static int
connect_socket(const NetHost *host, int type, const char *address, guint16 port)
{
    struct sockaddr_storage to;
    const int size = 2048;
    int fd = guest_socket(host, fill_address(&to, address, port), type);

    if (host->has_small_buffers)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int
guest_try_connect(const NetHost *host, const char *address, guint16 port)
{
    return connect_socket(host, SOCK_STREAM, address, port);
}

int
guest_connect(const NetHost *host, const char *address, guint16 port)
{
    int fd = guest_try_connect(host, address, port);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

void
guest_expect_error(const NetHost *host, const char *address, guint16 port, int error)
{
    g_assert_cmpint(guest_try_connect(host, address, port), ==, -1);
    g_assert_cmpint(errno, ==, error);
}

static gssize
read_some(int fd, void *data, gsize size)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    g_assert_cmpint(poll(&wait, 1, WAIT_MS), ==, 1);
    return read(fd, data, size);
}

void
guest_expect_reset(int fd)
{
    char byte;

    g_assert_cmpint(read_some(fd, &byte, 1), ==, -1);
    g_assert_cmpint(errno, ==, ECONNRESET);
    close(fd);
}

void
guest_write(int fd, const void *data, gsize size)
{
    g_assert_cmpint(send(fd, data, size, MSG_NOSIGNAL), ==, size);
}

void
guest_read(int fd, void *data, gsize size)
{
    for (gsize done = 0; done < size;) {
        gssize n = read_some(fd, (guint8 *)data + done, size - done);

        g_assert_cmpint(n, >, 0);
        done += (gsize)n;
    }
}

void
guest_expect_eof(int fd)
{
    char byte;

    g_assert_cmpint(read_some(fd, &byte, 1), ==, 0);
}

/* Connected, so the answer must come from the address that was asked. */
int
guest_ask(const NetHost *host, const char *server, const DnsPacket *query)
{
    int fd = connect_socket(host, SOCK_DGRAM, server, DNS_PORT);

    g_assert_cmpint(fd, >=, 0);
    guest_write(fd, query->bytes, query->size);
    return fd;
}

void
guest_receive(int fd, DnsPacket *answer)
{
    gssize n = read_some(fd, answer->bytes, sizeof answer->bytes);

    g_assert_cmpint(n, >, 0);
    answer->size = (gsize)n;
    close(fd);
}

void
guest_expect_status(const NetHost *host, const char *name, guint status)
{
    DnsPacket query, answer;
    gsize size;

    dns_packet_query(&query, 2, name, 1);
    guest_receive(guest_ask(host, SERVER, &query), &answer);
    g_assert_cmpuint(dns_packet_status(&answer), ==, status);
    g_assert_null(dns_packet_record(&answer, &query, &size));
}

void
guest_expect_address(const NetHost *host, const char *server, const char *name, guint16 type,
                     const char *address)
{
    guint8 wanted[16];
    DnsPacket query, answer;
    gsize size = 0;

    inet_pton(type == AAAA ? AF_INET6 : AF_INET, address, wanted);
    dns_packet_query(&query, 6, name, type);
    guest_receive(guest_ask(host, server, &query), &answer);
    const guint8 *data = dns_packet_record(&answer, &query, &size);
    g_assert_cmpmem(data, size, wanted, type == AAAA ? 16 : 4);
}

char *
guest_resolve(NetHost *host, const char *name)
{
    char text[INET_ADDRSTRLEN];
    DnsPacket query, answer;
    gsize size = 0;

    dns_packet_query(&query, 3, name, 1);
    int fd = guest_ask(host, SERVER, &query);
    net_host_send_number(host, net_host_expect_lookup(host, name), NET_FOUND, 0);
    guest_receive(fd, &answer);
    g_assert_cmpuint(dns_packet_status(&answer), ==, 0);
    const guint8 *address = dns_packet_record(&answer, &query, &size);
    g_assert_cmpuint(size, ==, 4);
    return g_strdup(inet_ntop(AF_INET, address, text, sizeof text));
}

int
guest_open(NetHost *host, const char *name, guint16 port, guint32 *ret_stream)
{
    g_autofree char *address = guest_resolve(host, name);
    int fd = guest_connect(host, address, port);

    *ret_stream = net_host_expect_open(host, name, port);
    return fd;
}

/* --- tests --- */

static void
run_connected(gconstpointer data)
{
    const NetTest *test = data;
    g_autoptr(NetHost) host = net_host_new();

    if (!host)
        return;
    net_host_connect(host);
    test->run(host, test->data);
}

void
net_host_add_tests(const char *area, const NetTest *tests, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        g_autofree char *path = g_strdup_printf("/agent/net/%s/%s", area, tests[i].name);

        g_test_add_data_func(path, &tests[i], run_connected);
    }
}
