/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interpreter: a runner in the guest (docs/runner-protocol.md), and the executions that wait for
 * it.
 *
 * A runner outlives connections: a restored machine's was started before the snapshot, and is found
 * again by its tag. The next execution starts one that is not there, or died; its state is gone
 * then.
 *
 * Nobody knows what the runner of an adopted machine is doing. It is interrupted and asked to say
 * when it has come to rest, and all that it sends before that is thrown away.
 */
#pragma once

#include "execution.h"
#include "stream.h"

/* Executions that may wait for one interpreter. */
#define GUEST_EXECUTIONS_MAX 64
/* From the interrupt that a timeout sends to the kill of a runner that does not heed it. */
#define GUEST_GRACE_S 5
/* Bytes that are kept of each stream between two executions, the last ones. */
#define GUEST_EARLIER_MAX (64u * 1024)
/* A runner that is not ready by then is killed. */
#define GUEST_RUNNER_START_S 300

typedef struct GuestInterpreter GuestInterpreter;

typedef struct {
    const char *tag;                /* by which the agent knows it */
    const char *program;            /* of src/runners */
    const char *kernel;             /* which one it drives; NULL: it needs no such word */
    const char *user;               /* NULL: the claim's */
    const char *cwd;                /* NULL: the user's home */
    const char *const *environment; /* NAME=value; or NULL */
    gboolean is_warm;               /* a snapshot is to be made when it is ready */
} GuestRunner;

GuestInterpreter *guest_interpreter_new(GuestLink *link, const GuestRunner *runner);
/* Executions that are under way end with CLOCHE_ERROR_GUEST_LOST. NULL is fine. */
void guest_interpreter_free(GuestInterpreter *interpreter);
/* Kills its runner; executions end with CLOCHE_ERROR_RUNNER_LOST and `why`. The next one starts
 * another. */
void guest_interpreter_stop(GuestInterpreter *interpreter, const char *why);
/* The same, and frees it. */
void guest_interpreter_remove(GuestInterpreter *interpreter, const char *why);

typedef enum {
    GUEST_INTERPRETER_NOT_STARTED, /* the next execution starts it */
    GUEST_INTERPRETER_STARTING,
    GUEST_INTERPRETER_IDLE,
    GUEST_INTERPRETER_BUSY,
} GuestInterpreterState;

GuestInterpreterState guest_interpreter_state(const GuestInterpreter *interpreter);
/* How many executions its history has, as it said last. */
guint32 guest_interpreter_count(const GuestInterpreter *interpreter);

/* Finds the runner that is there, or starts one and waits until it is ready. */
void guest_interpreter_open_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                                  gpointer data);
gboolean guest_interpreter_open_finish(GuestInterpreter *interpreter, GAsyncResult *result,
                                       GError **error);

/* The same, but one that is there is killed before. What is being executed, or waits for that, ends
 * with CLOCHE_ERROR_RUNNER_LOST. */
void guest_interpreter_restart_async(GuestInterpreter *interpreter, GAsyncReadyCallback callback,
                                     gpointer data);
/* Interrupts what it executes; nothing when it executes nothing. */
void guest_interpreter_interrupt(GuestInterpreter *interpreter);

/* Finds the runner that is there in a machine that somebody used before; executions wait until it
 * has come to rest, or until another was started because it did not. */
void guest_interpreter_adopt(GuestInterpreter *interpreter);

/* Gives it randomness and an environment of its own, before whatever is executed next. */
void guest_interpreter_reseed(GuestInterpreter *interpreter, const char *const *environment);

/*
 * Who hears an execution as it happens, instead of having it collected; not any more once it was
 * answered or cancelled. Who cannot take more holds it with guest_interpreter_hold().
 */
typedef struct {
    /* `is_earlier`: written before the execution began, behind the end of the one before it. */
    void (*output)(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier,
                   gpointer data);
    /* A RUNNER_RESULT, RUNNER_ERROR or RUNNER_CLEAR, which stays the caller's. */
    void (*message)(const RunnerMessage *message, gpointer data);
    /* Once: nothing more is heard, and the interpreter may be gone behind that. */
    void (*over)(gpointer data);
} GuestHearing;

typedef struct {
    const char *code;
    const char *dialect;            /* NULL: the runner's own language */
    const char *const *environment; /* NAME=value, for this execution; or NULL */
    guint64 timeout_ms;             /* 0: none */
    gboolean silent, no_history, is_exercise, with_colours, drains;
    const GuestHearing *hearing; /* NULL: nobody */
    gpointer hearing_data;
} GuestCode;

/*
 * Executes behind those that wait already. Cancelling interrupts it, and kills the runner when it
 * does not heed that. CLOCHE_ERROR_RUNNER_LOST when the runner died of it.
 */
void guest_interpreter_execute_async(GuestInterpreter *interpreter, const GuestCode *code,
                                     GCancellable *cancellable, GAsyncReadyCallback callback,
                                     gpointer data);
/* While it is held, the guest may send a window's size more and then waits; so does whatever is
 * executed next. */
void guest_interpreter_hold(GuestInterpreter *interpreter, gboolean is_held);
GuestExecution *guest_interpreter_execute_finish(GuestInterpreter *interpreter,
                                                 GAsyncResult *result, GError **error);
