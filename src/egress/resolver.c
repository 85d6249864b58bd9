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
#include "slots.h"
#include "target.h"

#define CONFIGURATION "/etc/resolv.conf"
#define SERVER_TIMEOUT_MS 2000
#define SERVER_TRIES 2
#define TICK_MS 250u

struct Resolver {
    ares_channel channel;
    GHashTable *sources;        /* descriptor → source, of the channel */
    guint tick;                 /* source; 0: no query is in progress */
    guint queries;              /* that c-ares has not ended */
    Slots *slots;               /* of queries, by the owner's uid */
    GQueue ended;               /* of Query: their slots are to be released */
    guint release;              /* source; 0: there are none */
    struct timespec configured; /* time of the configuration that is in use */
};

/* A connection to a worker. It outlives the socket while there are queries. */
typedef struct {
    Resolver *resolver;
    PacketSocket *socket; /* NULL: the worker has ended */
    gboolean is_greeted;
    guint32 owner;
    guint queries; /* that wait or are in progress */
} Client;

typedef struct {
    Client *client;
    guint32 serial;
    char *name;
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

/* --- the end of queries --- */

static void
free_if_unused(Client *client)
{
    if (!client->socket && client->queries == 0)
        g_free(client);
}

static void
query_free(Query *query)
{
    Client *client = query->client;

    client->queries--;
    free_if_unused(client);
    g_clear_handle_id(&query->timeout, g_source_remove);
    g_free(query->name);
    g_free(query);
}

static void
release_slots(Resolver *resolver)
{
    Query *query;

    while ((query = g_queue_pop_head(&resolver->ended))) {
        gpointer owner = GUINT_TO_POINTER(query->client->owner);

        query_free(query);
        slots_release(resolver->slots, owner);
    }
}

static gboolean
on_release(gpointer data)
{
    Resolver *resolver = data;

    resolver->release = 0;
    release_slots(resolver);
    return G_SOURCE_REMOVE;
}

/* The slot is released later, because the next query may end at once, and so on. */
static void
end(Query *query)
{
    Resolver *resolver = query->client->resolver;

    g_queue_push_tail(&resolver->ended, query);
    if (resolver->release == 0)
        resolver->release =
            g_idle_add_full(G_PRIORITY_DEFAULT, on_release, resolver, /* notify= */ NULL);
}

/* --- queries --- */

static void
answer(Query *query, const ResolverAnswer *packet)
{
    if (query->timeout == 0)
        return;
    g_clear_handle_id(&query->timeout, g_source_remove);
    if (query->client->socket)
        packet_socket_send(query->client->socket, packet, sizeof *packet, /* fd= */ -1);
}

/* A query that has begun ends when c-ares ends it. */
static gboolean
on_timeout(gpointer data)
{
    Query *query = data;
    const ResolverAnswer packet = {.serial = query->serial, .status = EAGAIN};
    Client *client = query->client;

    answer(query, &packet);
    if (slots_remove(client->resolver->slots, GUINT_TO_POINTER(client->owner), query))
        query_free(query);
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
    ResolverAnswer packet = {.serial = query->serial, .status = EAGAIN};

    if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)
        packet.status = status == ARES_SUCCESS ? 0 : ENOENT;
    if (found) {
        take_addresses(&packet, found);
        ares_freeaddrinfo(found);
    }
    query->client->resolver->queries--;
    answer(query, &packet);
    end(query);
}

/* `hints`: addresses of both families, and no order of preference. */
static void
begin(gpointer job)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};
    Query *query = job;
    Resolver *resolver = query->client->resolver;

    if (!query->client->socket || !resolver->channel) {
        end(query);
        return;
    }
    check_configuration(resolver);
    resolver->queries++;
    if (resolver->tick == 0)
        resolver->tick = g_timeout_add(TICK_MS, on_tick, resolver);
    ares_getaddrinfo(resolver->channel, query->name, /* service= */ NULL, &hints, on_found, query);
}

static void
ask(Client *client, const ResolverQuestion *question)
{
    Query *query = g_new0(Query, 1);

    query->client = client;
    query->serial = question->serial;
    query->name = g_strdup(question->name);
    query->timeout = g_timeout_add(RESOLVER_TIMEOUT_MS, on_timeout, query);
    client->queries++;
    if (slots_take(client->resolver->slots, GUINT_TO_POINTER(client->owner), query))
        begin(query);
}

/* --- connections --- */

static gboolean
take_greeting(Client *client, const void *packet, gsize size)
{
    ResolverGreeting greeting;

    if (size != sizeof greeting)
        return FALSE;
    memcpy(&greeting, packet, sizeof greeting);
    client->owner = greeting.owner;
    client->is_greeted = TRUE;
    return TRUE;
}

static gboolean
take_question(Client *client, const void *packet, gsize size)
{
    ResolverAnswer busy = {.status = EAGAIN};
    g_autofree char *name = NULL;
    ResolverQuestion question;

    if (size != sizeof question)
        return FALSE;
    memcpy(&question, packet, sizeof question);
    question.name[sizeof question.name - 1] = '\0';
    name = net_name_canonical(question.name);
    if (g_strcmp0(name, question.name) != 0)
        return FALSE;
    busy.serial = question.serial;
    if (client->queries < RESOLVER_QUESTIONS_MAX)
        ask(client, &question);
    else
        packet_socket_send(client->socket, &busy, sizeof busy, /* fd= */ -1);
    return TRUE;
}

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    Client *client = data;

    if (fd >= 0) {
        close(fd);
        return FALSE;
    }
    return client->is_greeted ? take_question(client, packet, size)
                              : take_greeting(client, packet, size);
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

    resolver->slots = slots_new(RESOLVER_USER_QUERIES_MAX, RESOLVER_QUERIES_MAX, begin);
    g_queue_init(&resolver->ended);
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
        ares_destroy(g_steal_pointer(&resolver->channel)); /* ends all queries in progress */
    release_slots(resolver);                               /* and those that wait */
    g_clear_handle_id(&resolver->release, g_source_remove);
    slots_unref(resolver->slots);
    g_clear_handle_id(&resolver->tick, g_source_remove);
    g_hash_table_unref(resolver->sources);
    ares_library_cleanup();
    g_free(resolver);
}
