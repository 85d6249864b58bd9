/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-host: both ends of an agent's network, for tests: the host that speaks net.h, and sockets of
 * the agent's network namespace, as programs of a guest have them.
 *
 * Calls block, and fail the test after ten seconds.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>

#include "dns-packet.h"
#include "net.h"
#include "peer.h"

typedef struct {
    Peer *peer;
    struct sockaddr_storage address; /* of the agent's listening socket */
    socklen_t address_size;
    int fd; /* the host's connection; -1: none */
    GByteArray *in;
    guint32 last_stream; /* of a LOOKUP or an OPEN */
    guint8 nonce[WIRE_NONCE_SIZE];
    gboolean has_small_buffers; /* the sockets of programs that connect from now on */
} NetHost;

/* Starts an agent with a network. Returns NULL and skips the test if the test may not do so. */
NetHost *net_host_new(void);
void net_host_free(NetHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetHost, net_host_free)

/* --- the host --- */

/* Opens the connection, sends the preamble and waits for HELLO. */
void net_host_connect(NetHost *host);
void net_host_hang_up(NetHost *host);
/* Sends the preamble of a new connection over the same stream, and waits for HELLO. */
void net_host_greet(NetHost *host);
/* Asserts that the guest closes nothing and sends nothing before it answers this preamble. */
void net_host_greet_strictly(NetHost *host);

void net_host_send_raw(NetHost *host, const void *data, gsize size);
void net_host_send(NetHost *host, guint32 stream, guint type, const void *data, gsize size);
void net_host_send_number(NetHost *host, guint32 stream, guint type, guint32 number);

/* Waits for a frame. Returns its payload, which the caller frees. */
GByteArray *net_host_next(NetHost *host, WireHeader *ret_header);
/* Waits for a frame of this type. Returns its payload, which the caller frees. *ret_stream may be
 * NULL. */
GByteArray *net_host_expect(NetHost *host, NetType type, guint32 *ret_stream);
/* The payload of such a frame is this number. */
void net_host_expect_number(NetHost *host, guint32 stream, NetType type, guint32 number);
/* Waits for a LOOKUP or an OPEN with these fields. Returns its stream. */
guint32 net_host_expect_lookup(NetHost *host, const char *name);
guint32 net_host_expect_open(NetHost *host, const char *name, guint16 port);
/* Asserts that no frame has arrived: everything that the guest had to do before it answers a query
 * for `localhost` is done. */
void net_host_expect_nothing(NetHost *host);

/* --- programs in the guest --- */

/* A socket of the agent's network namespace. */
int guest_socket(const NetHost *host, int family, int type);
/* Connects by TCP. Returns the socket, or -1 with errno. */
int guest_try_connect(const NetHost *host, const char *address, guint16 port);
int guest_connect(const NetHost *host, const char *address, guint16 port);
/* Asserts that connect() fails with this error. */
void guest_expect_error(const NetHost *host, const char *address, guint16 port, int error);
/* Waits until a read gives this error. Closes the socket. */
void guest_expect_reset(int fd);
void guest_write(int fd, const void *data, gsize size);
/* Reads exactly so many bytes. */
void guest_read(int fd, void *data, gsize size);
/* Waits for the end of the stream. */
void guest_expect_eof(int fd);

/* Sends a query to the name server. Returns the socket. */
int guest_ask(const NetHost *host, const char *server, const DnsPacket *query);
void guest_receive(int fd, DnsPacket *answer);
/* Asks for the address of a name. The answer is this status, without an address. */
void guest_expect_status(const NetHost *host, const char *name, guint status);
/* Asks for an address (A or AAAA) that the agent knows by itself. */
void guest_expect_address(const NetHost *host, const char *server, const char *name, guint16 type,
                          const char *address);
/* Asks for the address of a name, which the host grants. Returns it as text. */
char *guest_resolve(NetHost *host, const char *name);
/* Connects to a name that the host grants, and returns the socket and the stream. */
int guest_open(NetHost *host, const char *name, guint16 port, guint32 *ret_stream);

/* --- tests --- */

/* Runs with a new agent, to which the host is connected. */
typedef struct {
    const char *name;
    void (*run)(NetHost *host, gconstpointer data);
    gconstpointer data;
} NetTest;

void net_host_add_tests(const char *area, const NetTest *tests, gsize count);
