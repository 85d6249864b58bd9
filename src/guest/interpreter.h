/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interpreter: a runner in the guest (docs/runner-protocol.md), and the executions that wait for
 * it.
 *
 * An execution starts a runner when there is none. When a runner has died, its state is lost, and
 * the next execution starts another.
 */
#pragma once

#include "execution.h"
#include "runner-process.h"

typedef struct GuestInterpreter GuestInterpreter;

GuestInterpreter *guest_interpreter_new(GuestLink *link, const GuestRunner *runner);
/* Executions end with CLOCHE_ERROR_GUEST_LOST; the runner continues. NULL is fine. */
void guest_interpreter_free(GuestInterpreter *interpreter);
/* Kills the runner. Executions end with CLOCHE_ERROR_RUNNER_LOST and the message `why`. */
void guest_interpreter_stop(GuestInterpreter *interpreter, const char *why);
/* The same, and frees the interpreter. */
void guest_interpreter_remove(GuestInterpreter *interpreter, const char *why);

typedef enum {
    GUEST_INTERPRETER_NOT_STARTED, /* the next execution starts it */
    GUEST_INTERPRETER_STARTING,
    GUEST_INTERPRETER_IDLE,
    GUEST_INTERPRETER_BUSY,
} GuestInterpreterState;

GuestInterpreterState guest_interpreter_state(const GuestInterpreter *interpreter);
/* The number of executions in its history, from its last answer. */
guint32 guest_interpreter_count(const GuestInterpreter *interpreter);

/* Finds the runner that is there, or starts one, and waits until it is ready. There must be none
 * yet. */
void guest_interpreter_open_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                                  gpointer data);
gboolean guest_interpreter_open_finish(GuestInterpreter *interpreter, GAsyncResult *result,
                                       GError **error);

/* Kills the runner, starts another, and waits until it is ready. Executions end with
 * CLOCHE_ERROR_RUNNER_LOST. Finishes with guest_interpreter_open_finish(). */
void guest_interpreter_restart_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                                     gpointer data);
/* Interrupts the execution that is under way, if there is one. */
void guest_interpreter_interrupt(GuestInterpreter *interpreter);

/* Attaches to the runner in a machine that a previous instance of the service has left. Executions
 * wait until it is idle, or until another was started because it did not become idle. */
void guest_interpreter_adopt(GuestInterpreter *interpreter);

/* Gives the runner new randomness and an environment, before the next execution. A runner that is
 * not started yet needs neither. */
void guest_interpreter_reseed(GuestInterpreter *interpreter, const char *const *environment);

/*
 * Executes code after the executions that wait already. Cancelling interrupts the execution; a
 * runner that does not stop is killed. CLOCHE_ERROR_RUNNER_LOST when the runner died during the
 * execution; CLOCHE_ERROR_BUSY when too many executions wait.
 */
void guest_interpreter_execute_async(GuestInterpreter *interpreter, const GuestCode *code,
                                     GCancellable *cancellable, GAsyncReadyCallback callback,
                                     gpointer data);
GuestExecution *guest_interpreter_execute_finish(GuestInterpreter *interpreter,
                                                 GAsyncResult *result, GError **error);
/* While it is held, the guest may send what is left of its window, and then waits: this execution
 * and the next ones. */
void guest_interpreter_hold(GuestInterpreter *interpreter, gboolean is_held);
