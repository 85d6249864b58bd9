/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* request-queue: the requests to one runner. One is current, and others wait. */
#include "request-queue.h"

#include "error.h"

struct RequestQueue {
    RequestQueueState state;
    RunnerRequest *current; /* NULL: QUEUE_IDLE or QUEUE_CLOSED */
    GQueue waiting;         /* of RunnerRequest */
    guint32 last_number;
    GByteArray *earlier[WIRE_STDERR + 1]; /* output since the last execution, by channel */
};

/* --- the states --- */

enum {
    EVENT_TAKEN,
    EVENT_SENT,
    EVENT_ENDED, /* the current request: it was answered, lost or cancelled */
    EVENT_CLOSED,
    _EVENT_MAX,
};

#define STAYS (-1)

/* clang-format off */
static const gint8 next_state[_QUEUE_STATE_MAX][_EVENT_MAX] = {
    /*                 taken          sent        ended       closed       */
    [QUEUE_IDLE]    = {QUEUE_PENDING, STAYS,      STAYS,      QUEUE_CLOSED},
    [QUEUE_PENDING] = {STAYS,         QUEUE_BUSY, QUEUE_IDLE, QUEUE_CLOSED},
    [QUEUE_BUSY]    = {STAYS,         STAYS,      QUEUE_IDLE, QUEUE_CLOSED},
    [QUEUE_CLOSED]  = {STAYS,         STAYS,      STAYS,      STAYS},
};
/* clang-format on */

/* FALSE: the event means nothing in this state. */
static gboolean
change_state(RequestQueue *queue, guint event)
{
    gint8 next = next_state[queue->state][event];

    if (next == STAYS)
        return FALSE;
    queue->state = (RequestQueueState)next;
    return TRUE;
}

/* --- the requests --- */

RunnerRequest *
request_queue_steal_current(RequestQueue *queue)
{
    change_state(queue, EVENT_ENDED);
    return g_steal_pointer(&queue->current);
}

void
request_queue_fail_all(RequestQueue *queue, const GError *error)
{
    RunnerRequest *request = request_queue_steal_current(queue);

    if (request)
        runner_request_finish(request, error);
    while ((request = g_queue_pop_head(&queue->waiting)))
        runner_request_finish(request, error);
}

void
request_queue_close(RequestQueue *queue, const GError *error)
{
    change_state(queue, EVENT_CLOSED);
    request_queue_fail_all(queue, error);
}

/* The caller of a request has left. */
static void
on_cancelled(RunnerRequest *request, gpointer data)
{
    RequestQueue *queue = data;
    g_autoptr(GTask) task = runner_request_steal_caller(request);

    if (request == queue->current && queue->state == QUEUE_BUSY)
        runner_request_interrupt(request);
    else if (request == queue->current)
        runner_request_free(request_queue_steal_current(queue));
    else if (g_queue_remove(&queue->waiting, request))
        runner_request_free(request);
    /* Otherwise it is being finished. */
    g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has left");
}

static gboolean
check_room(const RequestQueue *queue, GError **error)
{
    if (queue->state == QUEUE_CLOSED)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_RUNNER_LOST, "The interpreter was removed");
    else if (queue->waiting.length >= GUEST_EXECUTIONS_MAX)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "%d executions wait for this interpreter already; try again",
                    GUEST_EXECUTIONS_MAX);
    else
        return TRUE;
    return FALSE;
}

gboolean
request_queue_add_execution(RequestQueue *queue, const GuestCode *code, GTask *task, GError **error)
{
    RunnerRequest *request;

    if (!check_room(queue, error))
        return FALSE;
    request = runner_request_new_execution(++queue->last_number, code, error);
    if (!request)
        return FALSE;
    runner_request_set_caller(request, task, on_cancelled, queue);
    g_queue_push_tail(&queue->waiting, request);
    return TRUE;
}

gboolean
request_queue_add_reseed(RequestQueue *queue, const char *const *environment, GError **error)
{
    RunnerRequest *request = runner_request_new_reseed(++queue->last_number, environment, error);

    if (!request)
        return FALSE;
    g_queue_push_tail(&queue->waiting, request);
    return TRUE;
}

gboolean
request_queue_take_next(RequestQueue *queue)
{
    if (queue->waiting.length > 0 && change_state(queue, EVENT_TAKEN))
        queue->current = g_queue_pop_head(&queue->waiting);
    return queue->state == QUEUE_PENDING;
}

/* Output before and during a reseed or a check is kept for the execution that follows. */
void
request_queue_send(RequestQueue *queue, GuestStream *stream)
{
    RunnerRequest *request = queue->current;

    if (!change_state(queue, EVENT_SENT))
        return;
    runner_request_send(request, stream); /* first: the listener of the output may cancel it */
    if (runner_request_is_execution(request)) {
        runner_request_add_earlier(request, queue->earlier);
        request_queue_forget_earlier(queue);
    }
}

void
request_queue_interrupt(RequestQueue *queue)
{
    if (queue->state == QUEUE_BUSY)
        runner_request_interrupt(queue->current);
}

/* --- what the runner sends --- */

gboolean
request_queue_add_message(RequestQueue *queue, RunnerMessage *message)
{
    if (queue->state != QUEUE_BUSY || message->execution != runner_request_number(queue->current)) {
        runner_message_free(message);
        return FALSE;
    }
    runner_request_add_message(queue->current, message);
    return TRUE;
}

void
request_queue_forget_earlier(RequestQueue *queue)
{
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        g_byte_array_set_size(queue->earlier[channel], 0);
}

static void
keep_earlier(GByteArray *earlier, const guint8 *bytes, gsize size)
{
    g_byte_array_append(earlier, bytes, (guint)size);
    if (earlier->len > GUEST_EARLIER_MAX)
        g_byte_array_remove_range(earlier, 0, earlier->len - GUEST_EARLIER_MAX);
}

void
request_queue_add_output(RequestQueue *queue, WireChannel channel, const guint8 *bytes, gsize size)
{
    if (queue->state == QUEUE_BUSY && runner_request_is_execution(queue->current))
        runner_request_add_output(queue->current, channel, bytes, size);
    else
        keep_earlier(queue->earlier[channel], bytes, size);
}

/* --- life --- */

RequestQueue *
request_queue_new(guint32 last_number)
{
    RequestQueue *queue = g_new0(RequestQueue, 1);

    queue->last_number = last_number;
    g_queue_init(&queue->waiting);
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        queue->earlier[channel] = g_byte_array_new();
    return queue;
}

void
request_queue_free(RequestQueue *queue)
{
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++)
        g_byte_array_unref(queue->earlier[channel]);
    g_free(queue);
}

RequestQueueState
request_queue_state(const RequestQueue *queue)
{
    return queue->state;
}
