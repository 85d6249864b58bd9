/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * request-queue: the requests to one runner. One is current, and others wait.
 *
 * Output that code writes between two executions (a thread, a background process) is kept within a
 * bound for the next execution. It receives that output if its caller listens; an execution whose
 * output is collected does not contain it, and it is discarded.
 */
#pragma once

#include "runner-request.h"

/* Executions that may wait for one interpreter. */
#define GUEST_EXECUTIONS_MAX 64
/* Bytes that are kept of each stream between two executions: the last ones. */
#define GUEST_EARLIER_MAX (64u * 1024)

typedef enum {
    QUEUE_IDLE,    /* there is no current request */
    QUEUE_PENDING, /* the current request waits until the runner is ready */
    QUEUE_BUSY,    /* the current request was sent */
    QUEUE_CLOSED,  /* no request is taken any more */
    _QUEUE_STATE_MAX,
} RequestQueueState;

typedef struct RequestQueue RequestQueue;

/* The runner's request numbers are larger than `last_number`. */
RequestQueue *request_queue_new(guint32 last_number);
/* The queue must be closed. */
void request_queue_free(RequestQueue *queue);
/* Ends all requests with `error`. */
void request_queue_fail_all(RequestQueue *queue, const GError *error);
/* The same, and requests that are added later fail. */
void request_queue_close(RequestQueue *queue, const GError *error);

RequestQueueState request_queue_state(const RequestQueue *queue);

/* Adds an execution; `task` gets a GuestExecution or an error. FALSE with an error when it cannot
 * be added: then the task is still to be answered. */
gboolean request_queue_add_execution(RequestQueue *queue, const GuestCode *code, GTask *task,
                                     GError **error);
gboolean request_queue_add_reseed(RequestQueue *queue, const char *const *environment,
                                  GError **error);

/* Makes the next request the current one, unless there is one. TRUE: it is to be sent, by
 * request_queue_send(), as soon as a runner is ready. */
gboolean request_queue_take_next(RequestQueue *queue);
void request_queue_send(RequestQueue *queue, GuestStream *stream);
/* Takes the current request out of the queue; NULL: there is none. */
RunnerRequest *request_queue_steal_current(RequestQueue *queue);
/* Interrupts the current request, if it was sent. */
void request_queue_interrupt(RequestQueue *queue);

/* Takes a message for the current request. FALSE: it is for no request that is under way. */
gboolean request_queue_add_message(RequestQueue *queue, RunnerMessage *message);
void request_queue_add_output(RequestQueue *queue, WireChannel channel, const guint8 *bytes,
                              gsize size);
/* The runner has ended: what it wrote between executions is forgotten. */
void request_queue_forget_earlier(RequestQueue *queue);
