/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner-request: one request to a runner, from its caller to the answer.
 *
 * It is an execution, a check, which executes nothing, or a reseed, which has no caller.
 */
#pragma once

#include "execution.h"
#include "stream.h"

typedef struct RunnerRequest RunnerRequest;
typedef void (*RunnerRequestCancelled)(RunnerRequest *request, gpointer data);

RunnerRequest *runner_request_new_execution(guint32 number, const GuestCode *code, GError **error);
/* Randomness and an environment for this runner only. */
RunnerRequest *runner_request_new_reseed(guint32 number, const char *const *environment,
                                         GError **error);
/* `task` gets a GuestExecution or an error. When its cancellable is cancelled, `cancelled` must
 * take the caller away. */
void runner_request_set_caller(RunnerRequest *request, GTask *task,
                               RunnerRequestCancelled cancelled, gpointer data);
/* The request has no caller any more; the task is returned to be answered. */
GTask *runner_request_steal_caller(RunnerRequest *request);
/* The caller gets no answer. */
void runner_request_free(RunnerRequest *request);

guint32 runner_request_number(const RunnerRequest *request);
gboolean runner_request_is_execution(const RunnerRequest *request);
/* The number of executions in the runner's history, from its answer. */
guint32 runner_request_count(const RunnerRequest *request);

/* Sends it; its timeout starts now. */
void runner_request_send(RunnerRequest *request, GuestStream *stream);
/* Interrupts it after it was sent, as runner-interrupt.h says. */
void runner_request_interrupt(RunnerRequest *request);
/* Output that was written before it was sent, by channel. */
void runner_request_add_earlier(RunnerRequest *request, GByteArray *const *earlier);
void runner_request_add_output(RunnerRequest *request, WireChannel channel, const guint8 *bytes,
                               gsize size);
/* Takes the message. */
void runner_request_add_message(RunnerRequest *request, RunnerMessage *message);

/* Answers the caller, with `error` or else with the execution, and frees the request. The caller
 * may free the interpreter. */
void runner_request_finish(RunnerRequest *request, const GError *error);
/* The same when the runner has ended: with `how`, or for the reason `error`. */
void runner_request_lose(RunnerRequest *request, const GuestExit *how, const GError *error);
