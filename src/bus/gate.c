/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate: stands between GDBus and the system bus, and drops messages that are too large. */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"
#include "gate-header.h"
#include "util.h"

#define BUFFER_SIZE (64u * 1024)
#define FDS_MAX 253u /* of the kernel, in one message */
#define REFUSALS_MAX 64u
/* Reads and writes of one direction before it is the other's turn: messages that are dropped may
 * arrive without a pause. */
#define STEPS_MAX 64u
static const char last_line[] = "BEGIN\r\n"; /* of the authentication, by the client */

/* One direction. The buffer has bytes of one message only. */
typedef struct {
    int from, to;
    void (*close)(int fd);
    gsize filled, sent; /* of the buffer */
    guint64 rest;       /* bytes of the message that were not read */
    gsize header;       /* bytes of the message's header */
    gboolean is_part;   /* the buffer has a part of a line, or of a header's fixed part */
    gboolean is_last;   /* it has the last line of the authentication */
    gboolean is_dropped, is_refused;
    gboolean has_ended; /* nothing more can be read */
    int fds[FDS_MAX];   /* to be sent with the next byte */
    guint n_fds;
    guint8 buffer[BUFFER_SIZE];
} Flow;

struct Gate {
    int bus, service; /* sockets */
    GThread *thread;
    gboolean has_begun; /* the authentication is over */
    Flow in, out;       /* as the service sees it */
    GQueue refusals;    /* of GBytes: messages for the bus */
};

/* --- messages --- */

/* The buffer has the fixed part of the header. FALSE: this is no message. */
static gboolean
begin_message(Flow *flow, guint64 most)
{
    GateSize size;

    if (!gate_header_size(flow->buffer, &size))
        return FALSE;
    flow->is_part = FALSE;
    flow->header = size.header;
    flow->rest = size.all - GATE_HEADER_FIXED;
    flow->is_dropped = size.all > most;
    flow->is_refused = FALSE;
    return TRUE;
}

static void
close_fds(Flow *flow)
{
    while (flow->n_fds > 0)
        flow->close(flow->fds[--flow->n_fds]);
}

static void
refuse(Gate *gate, const Flow *flow)
{
    static guint32 serial = G_MAXUINT32; /* GDBus counts up from 1 */
    g_autoptr(GDBusMessage) answer =
        gate_header_refuse(flow->buffer, flow->header, GATE_MESSAGE_MAX);
    guchar *blob;
    gsize size;

    if (!answer || gate->refusals.length >= REFUSALS_MAX)
        return;
    g_dbus_message_set_serial(answer, serial--);
    blob = g_dbus_message_to_blob(answer, &size, G_DBUS_CAPABILITY_FLAGS_NONE, /* error= */ NULL);
    if (blob)
        g_queue_push_tail(&gate->refusals, g_bytes_new_take(blob, size));
}

/* The buffer has more bytes of a message that is dropped. */
static void
drop_some(Gate *gate, Flow *flow)
{
    if (!flow->is_refused && flow->filled < flow->header && flow->filled < BUFFER_SIZE)
        return;
    if (!flow->is_refused && flow->filled >= flow->header)
        refuse(gate, flow);
    flow->is_refused = TRUE;
    flow->filled = 0;
    close_fds(flow);
    flow->is_dropped = flow->rest > 0;
}

/* --- sockets --- */

static gssize
receive(Flow *flow, gsize size)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    } control;
    struct iovec vector = {flow->buffer + flow->filled, size};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    gssize n = recvmsg(flow->from, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0)
        return n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        gsize length = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        close_fds(flow); /* those of an earlier message were sent */
        memcpy(flow->fds, CMSG_DATA(c), length);
        flow->n_fds = (guint)(length / sizeof(int));
    }
    return n;
}

static gssize
transmit(Flow *flow)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    } control = {0};
    struct iovec vector = {flow->buffer + flow->sent, flow->filled - flow->sent};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    if (flow->n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * flow->n_fds);
        control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * flow->n_fds),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), flow->fds, sizeof(int) * flow->n_fds);
    }
    return sendmsg(flow->to, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* --- a direction --- */

typedef enum { FLOW_WAITS, FLOW_GOES_ON, FLOW_IS_BROKEN } FlowState;

static FlowState
state_of_error(void)
{
    if (errno == EINTR)
        return FLOW_GOES_ON;
    return errno == EAGAIN ? FLOW_WAITS : FLOW_IS_BROKEN;
}

/* Takes the next byte of the authentication. The client's first line begins after a NUL. */
static FlowState
take_line(Flow *flow)
{
    const gsize size = strlen(last_line);
    const guint8 end = flow->buffer[flow->filled - 1];

    flow->is_part = end != '\n' && end != '\0' && flow->filled < BUFFER_SIZE;
    flow->is_last = flow->filled == size && memcmp(flow->buffer, last_line, size) == 0;
    return FLOW_GOES_ON;
}

static FlowState
take_bytes(Gate *gate, Flow *flow, gsize size)
{
    if (!gate->has_begun)
        return take_line(flow);
    if (!flow->is_part)
        flow->rest -= size;
    else if (flow->filled == GATE_HEADER_FIXED &&
             !begin_message(flow, flow == &gate->in ? GATE_MESSAGE_MAX : G_MAXUINT64))
        return FLOW_IS_BROKEN;
    if (flow->is_dropped)
        drop_some(gate, flow);
    return FLOW_GOES_ON;
}

static FlowState
read_some(Gate *gate, Flow *flow)
{
    /* One byte during the authentication: a message may follow its last line at once. */
    gsize size = gate->has_begun ? MIN(flow->rest, BUFFER_SIZE - flow->filled) : 1;
    gssize n;

    if (gate->has_begun && flow->rest == 0) {
        flow->is_part = TRUE;
        size = GATE_HEADER_FIXED - flow->filled;
    }
    n = receive(flow, size);
    if (n < 0)
        return state_of_error();
    flow->filled += (gsize)n;
    flow->has_ended = n == 0;
    return n > 0 ? take_bytes(gate, flow, (gsize)n) : FLOW_GOES_ON;
}

static FlowState
write_some(Gate *gate, Flow *flow)
{
    gssize n = transmit(flow);

    if (n < 0)
        return state_of_error();
    close_fds(flow);
    flow->sent += (gsize)n;
    if (flow->sent < flow->filled)
        return FLOW_GOES_ON;
    flow->filled = flow->sent = 0;
    gate->has_begun = gate->has_begun || flow->is_last;
    return FLOW_GOES_ON;
}

static gboolean
must_write(const Flow *flow)
{
    return flow->filled > 0 && !flow->is_part && !flow->is_dropped;
}

/* The rest of the message goes with what the buffer has, if it is there. */
static gboolean
may_read_on(const Flow *flow)
{
    return flow->rest > 0 && flow->sent == 0 && flow->filled < BUFFER_SIZE && !flow->has_ended;
}

/* Between two messages, refusals are sent. */
static void
take_refusal(Gate *gate)
{
    Flow *out = &gate->out;
    g_autoptr(GBytes) bytes = NULL;

    if (!gate->has_begun || out->filled > 0 || out->rest > 0)
        return;
    bytes = g_queue_pop_head(&gate->refusals);
    if (!bytes)
        return;
    out->is_part = FALSE;
    out->filled = g_bytes_get_size(bytes);
    memcpy(out->buffer, g_bytes_get_data(bytes, /* size= */ NULL), out->filled);
}

/* Moves what can be moved. FALSE: the connection is over. */
static gboolean
move(Gate *gate, Flow *flow)
{
    FlowState state = FLOW_GOES_ON;

    for (guint step = 0; step < STEPS_MAX && state == FLOW_GOES_ON; step++) {
        if (flow == &gate->out)
            take_refusal(gate);
        if (may_read_on(flow) || !must_write(flow)) {
            if (flow->has_ended)
                return FALSE;
            state = read_some(gate, flow);
            if (state != FLOW_WAITS || !must_write(flow))
                continue;
        }
        state = write_some(gate, flow);
    }
    return state != FLOW_IS_BROKEN;
}

/* --- the thread --- */

static void
add_flow(const Flow *flow, struct pollfd *from, struct pollfd *to)
{
    gboolean writes = must_write(flow);

    *from = (struct pollfd){.fd = writes ? -1 : flow->from, .events = POLLIN};
    *to = (struct pollfd){.fd = writes ? flow->to : -1, .events = POLLOUT};
}

static void
pass_on(Gate *gate)
{
    struct pollfd fds[4];

    while (move(gate, &gate->in) && move(gate, &gate->out)) {
        add_flow(&gate->in, &fds[0], &fds[1]);
        add_flow(&gate->out, &fds[2], &fds[3]);
        if (poll(fds, G_N_ELEMENTS(fds), /* timeout= */ -1) < 0 && errno != EINTR)
            return;
    }
}

static gpointer
run(gpointer data)
{
    Gate *gate = data;

    pass_on(gate);
    shutdown(gate->service, SHUT_RDWR);
    shutdown(gate->bus, SHUT_RDWR);
    return NULL;
}

/* --- life --- */

static void
close_own(int fd)
{
    if (fd >= 0)
        close(fd);
}

static gboolean
connect_to_bus(Gate *gate, GError **error)
{
    g_autofree char *address =
        g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, /* cancellable= */ NULL, error);
    g_autoptr(GIOStream) stream =
        address ? g_dbus_address_get_stream_sync(address, /* out_guid= */ NULL, NULL, error) : NULL;

    if (!stream)
        return FALSE;
    gate->bus = fcntl(g_socket_get_fd(g_socket_connection_get_socket(G_SOCKET_CONNECTION(stream))),
                      F_DUPFD_CLOEXEC, 3);
    gate->in.from = gate->out.to = gate->bus;
    return gate->bus >= 0 || util_set_errno(error, errno, "Cannot copy a socket");
}

/* GDBus gets the other end of a pair of sockets. */
static GDBusConnection *
open_pair(Gate *gate, GError **error)
{
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GSocketConnection) stream = NULL;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, /* protocol= */ 0, fds) < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return NULL;
    }
    gate->service = gate->in.to = gate->out.from = fds[0];
    socket = g_socket_new_from_fd(fds[1], error);
    if (!socket) {
        close(fds[1]);
        return NULL;
    }
    stream = g_socket_connection_factory_create_connection(socket);
    gate->thread = g_thread_new("bus gate", run, gate);
    return g_dbus_connection_new_sync(G_IO_STREAM(stream), /* guid= */ NULL,
                                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                      /* observer= */ NULL, /* cancellable= */ NULL, error);
}

GDBusConnection *
gate_open_bus(Gate **ret_gate, GError **error)
{
    Gate *gate = g_new0(Gate, 1);
    GDBusConnection *connection;

    gate->bus = gate->service = -1;
    gate->in.close = closer_close;
    gate->out.close = close_own;
    g_queue_init(&gate->refusals);
    connection = connect_to_bus(gate, error) ? open_pair(gate, error) : NULL;
    if (connection)
        *ret_gate = gate;
    else
        gate_close(gate);
    return connection;
}

void
gate_close(Gate *gate)
{
    if (!gate)
        return;
    if (gate->thread) {
        /* What the service has written can still be read, and then the thread ends. */
        shutdown(gate->service, SHUT_RD);
        g_thread_join(gate->thread);
    }
    close_own(gate->bus);
    close_own(gate->service);
    close_fds(&gate->in);
    close_fds(&gate->out);
    g_queue_clear_full(&gate->refusals, (GDestroyNotify)g_bytes_unref);
    g_free(gate);
}
