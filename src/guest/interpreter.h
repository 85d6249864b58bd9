/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interpreter: a runner in the guest (docs/runner-protocol.md), and the executions that wait for
 * it.
 *
 * A runner outlives connections: a restored machine's was started before the snapshot, and is found
 * again by its tag. One that died is started anew by the next execution; its state is gone.
 *
 * Nobody knows what the runner of an adopted machine is doing. It is interrupted and asked to say
 * when it has come to rest, and all that it sends before that is thrown away.
 */
#pragma once

#include "execution.h"
#include "link.h"

/* Executions that may wait for one interpreter. */
#define GUEST_EXECUTIONS_MAX 64
/* From the interrupt that a timeout sends to the kill of a runner that does not heed it. */
#define GUEST_GRACE_S 5

typedef struct GuestInterpreter GuestInterpreter;

/* `user`: who runs it, NULL for the claim's. Strings are copied. */
GuestInterpreter *guest_interpreter_new(GuestLink *link, const char *language, const char *user);
/* Executions that are under way end with CLOCHE_ERROR_GUEST_LOST. NULL is fine. */
void guest_interpreter_free(GuestInterpreter *interpreter);

/* Finds the runner that is there, or starts one and waits until it is ready. */
void guest_interpreter_open_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                                  gpointer data);
gboolean guest_interpreter_open_finish(GuestInterpreter *interpreter, GAsyncResult *result,
                                       GError **error);

/* Finds the runner that is there in a machine that somebody used before; executions wait until it
 * has come to rest, or until another was started because it did not. */
void guest_interpreter_adopt(GuestInterpreter *interpreter);

/* Gives it randomness and an environment of its own, before whatever is executed next. */
void guest_interpreter_reseed(GuestInterpreter *interpreter, const char *const *environment);

typedef struct {
    const char *code;
    const char *const *environment; /* NAME=value, for this execution; or NULL */
    guint64 timeout_ms;             /* 0: none */
    gboolean silent, no_history, is_exercise;
} GuestCode;

/*
 * Executes behind those that wait already. Cancelling interrupts it, and kills the runner when it
 * does not heed that. CLOCHE_ERROR_RUNNER_LOST when the runner died of it.
 */
void guest_interpreter_execute_async(GuestInterpreter *interpreter, const GuestCode *code,
                                     GCancellable *cancellable, GAsyncReadyCallback callback,
                                     gpointer data);
GuestExecution *guest_interpreter_execute_finish(GuestInterpreter *interpreter,
                                                 GAsyncResult *result, GError **error);
