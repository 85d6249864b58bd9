/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-resolver: two kinds of clients, datagrams and connections, and one table of lookups. */
#include "net-resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "net-dns.h"
#include "net-names.h"
#include "net-port.h"
#include "net-routes.h"
#include "net-streams.h"

#define QUERY_MAX 1232u
#define TURNS 16 /* before the loop looks for events again */

/* A connection. Its queries are answered one after the other, as they come. */
typedef struct {
    Source source; /* fd -1: not in use */
    bool readable;
    bool is_busy; /* with a lookup */
    uint64_t used;
    size_t size; /* of what was read of a query and its length */
    uint8_t bytes[2 + QUERY_MAX];
} Client;

/* Where an answer goes: to a client, or, if that is NULL, to an address. */
typedef struct {
    Client *client;
    struct sockaddr_in6 address;
    struct in6_pktinfo destination; /* of the query, which is the source of the answer */
} Asker;

/* It remains until the host has answered, because the host counts it until then. */
typedef struct {
    NetStream stream; /* number 0: not in use */
    bool has_asker;
    DnsQuery query;
    Asker asker;
} Lookup;

static Source udp = {.fd = -1};
static bool udp_is_readable;
static Client clients[NET_RESOLVER_CLIENTS_MAX];
static uint64_t uses; /* counts queries over connections */
static Lookup lookups[NET_LOOKUPS_MAX];

/* --- answers --- */

static void
send_datagram(const Asker *asker, const uint8_t *answer, size_t size)
{
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo)),
                            .cmsg_level = IPPROTO_IPV6,
                            .cmsg_type = IPV6_PKTINFO}};
    struct iovec part = {.iov_base = (void *)answer, .iov_len = size};
    const struct msghdr message = {
        .msg_name = (void *)&asker->address,
        .msg_namelen = sizeof asker->address,
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };

    memcpy(CMSG_DATA(&control.header), &asker->destination, sizeof asker->destination);
    sendmsg(udp.fd, &message, MSG_DONTWAIT); /* a lost datagram is asked for again */
}

/* A client that does not read its answers is dropped. */
static void
send_to_client(Client *client, const uint8_t *answer, size_t size)
{
    uint8_t framed[2 + DNS_ANSWER_MAX] = {(uint8_t)(size >> 8), (uint8_t)size};

    memcpy(framed + 2, answer, size);
    client->is_busy = false;
    if (write(client->source.fd, framed, size + 2) != (ssize_t)size + 2)
        source_close(&client->source);
}

static void
reply(const Asker *asker, const DnsQuery *query, DnsStatus status, const void *address,
      size_t address_size)
{
    uint8_t answer[DNS_ANSWER_MAX];
    size_t size = dns_write(answer, query, status, address, address_size);

    if (asker->client)
        send_to_client(asker->client, answer, size);
    else
        send_datagram(asker, answer, size);
}

/* --- lookups --- */

static void
reply_to_lookup(Lookup *lookup, DnsStatus status, const void *address, size_t address_size)
{
    if (lookup->has_asker)
        reply(&lookup->asker, &lookup->query, status, address, address_size);
    lookup->has_asker = false;
}

static DnsStatus
status_of(uint32_t found)
{
    return found == EACCES || found == ENOENT ? DNS_NO_SUCH_NAME : DNS_SERVER_FAILURE;
}

static int
on_found(NetStream *stream, const WireHeader *header, const uint8_t *payload)
{
    Lookup *lookup = CONTAINER_OF(stream, Lookup, stream);
    uint32_t found = 0;

    if (header->type != NET_FOUND || net_number_get(payload, header->length, &found) < 0)
        return -EPROTO;
    net_streams_remove(&lookup->stream);
    int name = found == 0 && lookup->has_asker ? net_names_give(lookup->query.name) : -1;
    if (name < 0) {
        reply_to_lookup(lookup, status_of(found), NULL, 0);
        return 0;
    }
    uint32_t address = htonl(net_names_address(name));
    reply_to_lookup(lookup, DNS_NO_ERROR, &address, sizeof address);
    return 0;
}

/* If the host replaces its connection by a new one, a second try may succeed. */
static void
on_lost(NetStream *stream)
{
    reply_to_lookup(CONTAINER_OF(stream, Lookup, stream),
                    net_port_was_closed() ? DNS_NO_SUCH_NAME : DNS_SERVER_FAILURE, NULL, 0);
}

static const NetStreamKind kind = {.frame = on_found, .lost = on_lost};

static void
look_up(const Asker *asker, const DnsQuery *query)
{
    Lookup *lookup = NULL;

    for (size_t i = 0; i < NET_LOOKUPS_MAX && !lookup; i++)
        if (lookups[i].stream.number == 0)
            lookup = &lookups[i];
    if (!lookup || !net_streams_add(&lookup->stream, &kind)) {
        reply(asker, query, DNS_SERVER_FAILURE, NULL, 0);
        return;
    }
    lookup->has_asker = true;
    lookup->asker = *asker;
    lookup->query = *query;
    if (asker->client)
        asker->client->is_busy = true;
    net_port_frame_done(
        (size_t)net_request_put(net_port_frame(), lookup->stream.number, query->name, 0));
}

/* --- names that need no host --- */

static bool
is_localhost(const char *name)
{
    static const char suffix[] = ".localhost";
    size_t size = strlen(name);

    return strcmp(name, suffix + 1) == 0 ||
           (size > strlen(suffix) && strcmp(name + size - strlen(suffix), suffix) == 0);
}

static bool
is_own(const char *name)
{
    char own[HOST_NAME_MAX + 1] = "";

    return gethostname(own, sizeof own) == 0 && strcasecmp(own, name) == 0;
}

static void
reply_local(const Asker *asker, const DnsQuery *query, const char *ipv4, const char *ipv6)
{
    uint8_t address[16];
    bool is_a = query->type == DNS_TYPE_A, is_aaaa = query->type == DNS_TYPE_AAAA;

    if (is_a || is_aaaa)
        inet_pton(is_a ? AF_INET : AF_INET6, is_a ? ipv4 : ipv6, address);
    reply(asker, query, DNS_NO_ERROR, address, is_a ? 4 : is_aaaa ? 16 : 0);
}

static void
resolve(const Asker *asker, const DnsQuery *query)
{
    if (is_localhost(query->name))
        reply_local(asker, query, "127.0.0.1", "::1");
    else if (is_own(query->name))
        reply_local(asker, query, NET_ADDRESS4, NET_ADDRESS6);
    else if (!net_port_is_up() || !query->is_hostname)
        reply(asker, query, DNS_NO_SUCH_NAME, NULL, 0);
    else if (query->type != DNS_TYPE_A || !*query->name)
        reply(asker, query, DNS_NO_ERROR, NULL, 0);
    else
        look_up(asker, query);
}

/* False: it is no query. */
static bool
handle_query(const Asker *asker, const uint8_t *packet, size_t size)
{
    DnsStatus status;
    DnsQuery query;

    if (dns_read(packet, size, &query, &status) < 0)
        return false;
    if (status == DNS_NO_ERROR)
        resolve(asker, &query);
    else
        reply(asker, &query, status, NULL, 0);
    return true;
}

/* --- datagrams --- */

static void
on_udp_ready(Source *source, uint32_t events)
{
    udp_is_readable = true;
}

static void
receive_datagram(void)
{
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control;
    uint8_t packet[QUERY_MAX];
    Asker asker = {.client = NULL};
    struct iovec part = {.iov_base = packet, .iov_len = sizeof packet};
    struct msghdr message = {
        .msg_name = &asker.address,
        .msg_namelen = sizeof asker.address,
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };

    ssize_t n = recvmsg(udp.fd, &message, MSG_DONTWAIT);
    if (n < 0) {
        udp_is_readable = errno != EAGAIN; /* others are reports about earlier answers */
        return;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != IPV6_PKTINFO || message.msg_flags & MSG_TRUNC)
        return;
    memcpy(&asker.destination, CMSG_DATA(header), sizeof asker.destination);
    asker.destination.ipi6_ifindex = 0;
    handle_query(&asker, packet, (size_t)n);
}

/* --- connections --- */

static void
on_client_ready(Source *source, uint32_t events)
{
    CONTAINER_OF(source, Client, source)->readable = true;
}

static void
drop_client(Client *client)
{
    for (size_t i = 0; i < NET_LOOKUPS_MAX; i++)
        if (lookups[i].asker.client == client)
            lookups[i].has_asker = false;
    source_close(&client->source);
}

void
net_resolver_accept(int fd)
{
    Client *client = &clients[0];

    for (size_t i = 1; i < NET_RESOLVER_CLIENTS_MAX; i++)
        if (client->source.fd >= 0 && (clients[i].source.fd < 0 || clients[i].used < client->used))
            client = &clients[i];
    drop_client(client);
    *client = (Client){.used = ++uses};
    source_open(&client->source, fd, EPOLLIN | EPOLLRDHUP, on_client_ready);
}

/* Handles a complete query, and keeps the bytes of the next. */
static void
take_query(Client *client)
{
    const Asker asker = {.client = client};
    size_t size = client->size < 2 ? SIZE_MAX : (size_t)client->bytes[0] << 8 | client->bytes[1];

    if (size != SIZE_MAX && size > QUERY_MAX) {
        drop_client(client);
        return;
    }
    if (size > client->size || client->size - size < 2)
        return;
    client->used = ++uses;
    client->size -= 2 + size;
    if (!handle_query(&asker, client->bytes + 2, size))
        drop_client(client);
    memmove(client->bytes, client->bytes + 2 + size, client->size);
}

static void
serve_client(Client *client)
{
    size_t before = client->size;

    take_query(client);
    if (client->source.fd < 0 || client->is_busy || client->size < before)
        return;
    ssize_t n =
        read(client->source.fd, client->bytes + client->size, sizeof client->bytes - client->size);
    if (n > 0)
        client->size += (size_t)n;
    else if (n < 0 && errno == EAGAIN)
        client->readable = false;
    else if (n == 0 || errno != EINTR)
        drop_client(client);
}

/* --- turns --- */

int
net_resolver_open(int fd)
{
    for (size_t i = 0; i < NET_RESOLVER_CLIENTS_MAX; i++)
        clients[i].source.fd = -1;
    return source_open(&udp, fd, EPOLLIN, on_udp_ready);
}

static bool
has_work(const Client *client)
{
    return client->source.fd >= 0 && client->readable && !client->is_busy;
}

static bool
clients_have_work(void)
{
    for (size_t i = 0; i < NET_RESOLVER_CLIENTS_MAX; i++)
        if (has_work(&clients[i]))
            return true;
    return false;
}

bool
net_resolver_has_work(void)
{
    return (udp_is_readable || clients_have_work()) && net_port_has_room();
}

void
net_resolver_turn(void)
{
    for (int i = 0; i < TURNS && udp_is_readable && net_port_has_room(); i++)
        receive_datagram();
    for (size_t i = 0; i < NET_RESOLVER_CLIENTS_MAX; i++)
        if (has_work(&clients[i]) && net_port_has_room())
            serve_client(&clients[i]);
}

void
net_resolver_reset(void)
{
    for (size_t i = 0; i < NET_LOOKUPS_MAX; i++) {
        reply_to_lookup(&lookups[i], DNS_SERVER_FAILURE, NULL, 0);
        memset(&lookups[i].query, 0, sizeof lookups[i].query);
    }
    for (size_t i = 0; i < NET_RESOLVER_CLIENTS_MAX; i++)
        drop_client(&clients[i]);
}
