/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resolver: asks name servers for workers, by c-ares. */
#include "resolver.h"

#include <ares.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packet-socket.h"
#include "resolver-protocol.h"
#include "target.h"

#define CONFIGURATION "/etc/resolv.conf"
#define SERVER_TIMEOUT_MS 2000
#define SERVER_TRIES 2
#define TICK_MS 250u

struct Resolver {
    ares_channel channel;
    GHashTable *sources; /* descriptor → source, of the channel */
    guint tick;          /* source; 0: no query is in progress */
    guint queries;
    struct timespec configured; /* time of the configuration that is in use */
};

/* A connection to a worker. It outlives the socket while queries are in progress. */
typedef struct {
    Resolver *resolver;
    PacketSocket *socket; /* NULL: the worker has ended */
    guint queries;        /* that c-ares has not ended */
    guint unanswered;     /* of them, those that the worker waits for */
} Client;

typedef struct {
    Client *client;
    guint32 serial;
    guint timeout; /* source; 0: the worker has its answer */
} Query;

/* --- the events of c-ares --- */

static void
stop_watching(gpointer source)
{
    g_source_remove(GPOINTER_TO_UINT(source));
}

static gboolean
on_socket(int fd, GIOCondition condition, gpointer data)
{
    Resolver *resolver = data;

    ares_process_fd(resolver->channel,
                    condition & (G_IO_IN | G_IO_HUP | G_IO_ERR) ? fd : ARES_SOCKET_BAD,
                    condition & G_IO_OUT ? fd : ARES_SOCKET_BAD);
    return G_SOURCE_CONTINUE; /* on_socket_state() has removed it if it ended */
}

static void
on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    Resolver *resolver = data;
    GIOCondition condition = (readable ? G_IO_IN : 0) | (writable ? G_IO_OUT : 0);

    g_hash_table_remove(resolver->sources, GINT_TO_POINTER(fd));
    if (condition != 0)
        g_hash_table_insert(resolver->sources, GINT_TO_POINTER(fd),
                            GUINT_TO_POINTER(g_unix_fd_add(fd, condition, on_socket, resolver)));
}

static gboolean
on_tick(gpointer data)
{
    Resolver *resolver = data;

    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (resolver->queries > 0)
        return G_SOURCE_CONTINUE;
    resolver->tick = 0;
    return G_SOURCE_REMOVE;
}

/* --- the channel --- */

/* Without the list of search domains, because ares_getaddrinfo() heeds no ARES_FLAG_NOSEARCH. */
static gboolean
open_channel(Resolver *resolver, GError **error)
{
    struct ares_options options = {
        .flags = ARES_FLAG_NOALIASES,
        .timeout = SERVER_TIMEOUT_MS,
        .tries = SERVER_TRIES,
        .lookups = (char *)"fb",
        .ndomains = 0,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = resolver,
    };
    int r = ares_init_options(&resolver->channel, &options,
                              ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                  ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB);

    if (r == ARES_SUCCESS)
        return TRUE;
    resolver->channel = NULL;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "Cannot use the name servers: %s",
                ares_strerror(r));
    return FALSE;
}

static struct timespec
configuration_time(void)
{
    struct stat status;

    return stat(CONFIGURATION, &status) == 0 ? status.st_mtim : (struct timespec){0};
}

/* The host's name servers may have changed. Queries to the earlier ones end, because guests could
 * always have some in progress. */
static void
check_configuration(Resolver *resolver)
{
    struct timespec time = configuration_time();
    ares_channel old = resolver->channel;
    g_autoptr(GError) error = NULL;

    if (memcmp(&time, &resolver->configured, sizeof time) == 0)
        return;
    if (open_channel(resolver, &error)) {
        resolver->configured = time;
        ares_destroy(old);
    } else {
        resolver->channel = old;
        g_warning("%s", error->message);
    }
}

/* --- queries --- */

static void
free_if_unused(Client *client)
{
    if (!client->socket && client->queries == 0)
        g_free(client);
}

static void
answer(Query *query, const ResolverAnswer *packet)
{
    if (query->timeout == 0)
        return;
    g_clear_handle_id(&query->timeout, g_source_remove);
    query->client->unanswered--;
    if (query->client->socket)
        packet_socket_send(query->client->socket, packet, sizeof *packet, /* fd= */ -1);
}

static gboolean
on_timeout(gpointer data)
{
    Query *query = data;
    const ResolverAnswer packet = {.serial = query->serial, .status = EAGAIN};

    answer(query, &packet);
    return G_SOURCE_REMOVE; /* answer() has removed it */
}

static gboolean
take_address(ResolverAnswer *packet, const struct ares_addrinfo_node *node)
{
    NetAddress *address = &packet->addresses[packet->count];

    if (node->ai_family == AF_INET)
        net_address_from(AF_INET, &((const struct sockaddr_in *)node->ai_addr)->sin_addr, address);
    else if (node->ai_family == AF_INET6)
        net_address_from(AF_INET6, &((const struct sockaddr_in6 *)node->ai_addr)->sin6_addr,
                         address);
    else
        return FALSE;
    for (guint i = 0; i < packet->count; i++)
        if (memcmp(&packet->addresses[i], address, sizeof *address) == 0)
            return FALSE;
    packet->count++;
    return TRUE;
}

static void
take_addresses(ResolverAnswer *packet, const struct ares_addrinfo *found)
{
    guint32 ttl_s = G_MAXINT32;

    for (const struct ares_addrinfo_node *node = found->nodes;
         node && packet->count < RESOLVER_ADDRESSES_MAX; node = node->ai_next)
        if (take_address(packet, node))
            ttl_s = MIN(ttl_s, (guint32)MAX(node->ai_ttl, 0));
    packet->ttl_s = ttl_s;
}

static void
on_found(void *data, int status, int timeouts, struct ares_addrinfo *found)
{
    Query *query = data;
    Client *client = query->client;
    ResolverAnswer packet = {.serial = query->serial, .status = EAGAIN};

    if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)
        packet.status = status == ARES_SUCCESS ? 0 : ENOENT;
    if (found) {
        take_addresses(&packet, found);
        ares_freeaddrinfo(found);
    }
    client->resolver->queries--;
    answer(query, &packet);
    client->queries--;
    free_if_unused(client);
    g_free(query);
}

/* `hints`: addresses of both families, and no order of preference. */
static void
ask(Client *client, const ResolverQuestion *question)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};
    Resolver *resolver = client->resolver;
    Query *query = g_new0(Query, 1);

    check_configuration(resolver);
    query->client = client;
    query->serial = question->serial;
    query->timeout = g_timeout_add(RESOLVER_TIMEOUT_MS, on_timeout, query);
    client->queries++;
    client->unanswered++;
    resolver->queries++;
    if (resolver->tick == 0)
        resolver->tick = g_timeout_add(TICK_MS, on_tick, resolver);
    ares_getaddrinfo(resolver->channel, question->name, /* service= */ NULL, &hints, on_found,
                     query);
}

/* --- connections --- */

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    Client *client = data;
    ResolverAnswer busy = {.status = EAGAIN};
    g_autofree char *name = NULL;
    ResolverQuestion question;

    if (fd >= 0)
        close(fd);
    if (fd >= 0 || size != sizeof question)
        return FALSE;
    memcpy(&question, packet, sizeof question);
    question.name[sizeof question.name - 1] = '\0';
    name = net_name_canonical(question.name);
    if (g_strcmp0(name, question.name) != 0)
        return FALSE;
    busy.serial = question.serial;
    if (client->unanswered < RESOLVER_QUESTIONS_MAX)
        ask(client, &question);
    else
        packet_socket_send(client->socket, &busy, sizeof busy, /* fd= */ -1);
    return TRUE;
}

static void
on_closed(gpointer data)
{
    Client *client = data;

    g_clear_pointer(&client->socket, packet_socket_free);
    free_if_unused(client);
}

void
resolver_accept(Resolver *resolver, int fd)
{
    static const PacketSocketEvents events = {on_packet, on_closed};
    Client *client = g_new0(Client, 1);

    client->resolver = resolver;
    client->socket = packet_socket_new(fd, sizeof(ResolverQuestion), &events, client);
}

/* --- life --- */

Resolver *
resolver_new(GError **error)
{
    Resolver *resolver = g_new0(Resolver, 1);

    resolver->sources = g_hash_table_new_full(NULL, NULL, NULL, stop_watching);
    resolver->configured = configuration_time();
    if (ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS && open_channel(resolver, error))
        return resolver;
    resolver_free(resolver);
    return NULL;
}

void
resolver_free(Resolver *resolver)
{
    if (resolver->channel)
        ares_destroy(resolver->channel); /* ends all queries */
    g_clear_handle_id(&resolver->tick, g_source_remove);
    g_hash_table_unref(resolver->sources);
    ares_library_cleanup();
    g_free(resolver);
}
