/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-watch: what a sandbox's network does: streams of connections, and figures.
 *
 * The worker writes to the other end of a reader's socket. The core keeps a copy of that end, by
 * which it notices that the reader has closed the socket.
 */
#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "network-private.h"
#include "util.h"

/* --- streams --- */

typedef struct {
    Network *network;
    Operation *operation;
    int fd;
    guint source;
} NetworkWatch;

/* The worker may go on, but the reader is not charged any more. */
static void
watch_end(NetworkWatch *watch)
{
    g_ptr_array_remove_fast(watch->network->watches, watch);
    g_source_remove(watch->source);
    shutdown(watch->fd, SHUT_RDWR);
    close(watch->fd);
    operation_end(watch->operation);
    g_free(watch);
}

void
network_watches_end(Network *network)
{
    while (network->watches->len > 0)
        watch_end(network->watches->pdata[0]);
}

static gboolean
on_closed(int fd, GIOCondition condition, gpointer data)
{
    watch_end(data);
    return G_SOURCE_CONTINUE; /* it was removed */
}

static void
on_cancelled(gpointer data)
{
    watch_end(data);
}

static const OperationEvents operation_events = {.cancelled = on_cancelled,
                                                 .abandoned = on_cancelled};

/* Takes the operation and `fd`. */
static void
watch_begin(Network *network, Operation *operation, int fd)
{
    NetworkWatch *watch = g_new0(NetworkWatch, 1);

    watch->network = network;
    watch->operation = operation;
    watch->fd = fd;
    g_ptr_array_add(network->watches, watch);
    watch->source = g_unix_fd_add(fd, G_IO_HUP | G_IO_ERR, on_closed, watch);
    operation_watch(operation, &operation_events, watch);
}

static gboolean
check_watch(const Network *network, GError **error)
{
    if (network->state != NETWORK_ON)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "the network of the sandbox is %s", network_state_name(network->state));
    else if (network->watches->len >= EGRESS_WATCHES_MAX)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                    "%u streams of the sandbox's connections are open, and no more may be; close "
                    "one",
                    EGRESS_WATCHES_MAX);
    else
        return TRUE;
    return FALSE;
}

/* Nothing can be sent to the worker through the socket. */
static gboolean
open_ends(int fds[2], GError **error)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return util_set_errno(error, errno, "Cannot make a socket");
    shutdown(fds[1], SHUT_RD);
    return TRUE;
}

int
core_watch_connections(Sandbox *sandbox, GError **error)
{
    Network *network = sandbox->network;
    Operation *operation;
    int fds[2];

    if (!check_watch(network, error))
        return -1;
    operation = operation_begin(sandbox, /* caller= */ NULL, error);
    if (!operation)
        return -1;
    if (!open_ends(fds, error)) {
        operation_end(operation);
        return -1;
    }
    if (!egress_watch(network->core->egress, sandbox->id, fds[1], error)) {
        close(fds[0]);
        close(fds[1]);
        operation_end(operation);
        return -1;
    }
    watch_begin(network, operation, fds[1]);
    return fds[0];
}

/* --- figures --- */

static void
return_figures(GTask *task, const EgressTraffic *traffic)
{
    g_task_return_pointer(task, g_memdup2(traffic, sizeof *traffic), g_free);
}

static void
on_figures(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Network) network = data;
    g_autoptr(GPtrArray) callers = g_steal_pointer(&network->traffic_callers);
    g_autoptr(GError) error = NULL;
    EgressTraffic traffic;

    network->traffic_callers = g_ptr_array_new_with_free_func(g_object_unref);
    egress_traffic_finish(result, &traffic, &error);
    for (guint i = 0; i < callers->len; i++) {
        if (error)
            g_task_return_error(callers->pdata[i], g_error_copy(error));
        else
            return_figures(callers->pdata[i], &traffic);
    }
    host_release(&network->core->host);
}

/* Callers that come while cloche-egress is asked get the same figures. */
void
core_traffic_async(Sandbox *sandbox, GAsyncReadyCallback callback, gpointer data)
{
    Network *network = sandbox->network;
    GTask *task = g_task_new(NULL, NULL, callback, data);
    const EgressTraffic nothing = {0};

    if (!network->has_port) {
        return_figures(task, &nothing);
        g_object_unref(task);
        return;
    }
    g_ptr_array_add(network->traffic_callers, task);
    if (network->traffic_callers->len > 1)
        return;
    host_hold(&network->core->host);
    egress_traffic_async(network->core->egress, sandbox->id, on_figures, network_ref(network));
}

gboolean
core_traffic_finish(GAsyncResult *result, EgressTraffic *ret, GError **error)
{
    g_autofree EgressTraffic *traffic = g_task_propagate_pointer(G_TASK(result), error);

    if (traffic)
        *ret = *traffic;
    return traffic != NULL;
}
