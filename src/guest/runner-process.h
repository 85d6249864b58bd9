/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner-process: the life of a runner in the guest, from its start to its end.
 *
 * A runner outlives connections: it is found again by its tag. A new instance of the service does
 * not know what such a runner is doing. So the runner is interrupted and asked to report when it
 * is idle, and everything that it sends before that answer is discarded.
 */
#pragma once

#include "runner.h"
#include "stream.h"

/* A runner that is not ready after this time is killed. */
#define GUEST_RUNNER_START_S 300
/* The number of the request with which a runner reports that it is idle. */
#define RUNNER_SYNC_NUMBER 1u

typedef struct {
    const char *tag;                /* by which the agent knows it */
    const char *program;            /* a folder of src/runners */
    const char *kernel;             /* the kernel that the runner drives, or NULL */
    const char *user;               /* NULL: the claim's */
    const char *cwd;                /* NULL: the user's home */
    const char *const *environment; /* NAME=value; or NULL */
    gboolean is_warm;               /* a snapshot will be made when it is ready */
} GuestRunner;

typedef enum {
    LIFE_NONE = 1,   /* there is no runner */
    LIFE_STARTING,   /* it was started, and is not ready */
    LIFE_ATTACHING,  /* the agent looks for it; it is started if there is none */
    LIFE_FINDING,    /* the agent looks for it; it is to be adopted */
    LIFE_SYNCING,    /* it was found, and is to report that it is idle */
    LIFE_READY,      /* it takes requests */
    LIFE_RESTARTING, /* it was killed, and another is started when it has ended */
    LIFE_STOPPING,   /* it was killed */
    LIFE_CLOSED,     /* nothing happens any more */
    _LIFE_MAX,
} RunnerLife;

/* How a runner has ended, and what follows. */
typedef enum {
    RUNNER_END_REPLACED,     /* another one is being started in its place */
    RUNNER_END_STOPPED,      /* it was stopped, or could not be adopted */
    RUNNER_END_NOT_READY,    /* it could not be started, for the reason `error` */
    RUNNER_END_LOST,         /* it ended after it was ready: `how`, or the reason `error` */
    RUNNER_END_DISCONNECTED, /* the connection is over, for the reason `error` */
} RunnerEnd;

typedef struct {
    void (*ready)(gpointer data);
    /* A message of an execution; the receiver takes it. FALSE: the runner must not send it now. */
    gboolean (*message)(RunnerMessage *message, gpointer data);
    /* Output of a runner that is ready. */
    void (*output)(WireChannel channel, const guint8 *bytes, gsize size, gpointer data);
    void (*ended)(RunnerEnd why, const GuestExit *how, const GError *error, gpointer data);
} RunnerProcessEvents;

typedef struct RunnerProcess RunnerProcess;

RunnerProcess *runner_process_new(GuestLink *link, const GuestRunner *runner,
                                  const RunnerProcessEvents *events, gpointer data);
/* Detaches from the runner, which continues unless it was stopped. No event comes any more, and the
 * functions below do nothing. */
void runner_process_close(RunnerProcess *process);
/* Closes and frees it. */
void runner_process_free(RunnerProcess *process);

RunnerLife runner_process_life(const RunnerProcess *process);
/* The stream of a runner that is ready. */
GuestStream *runner_process_stream(const RunnerProcess *process);

/* Starts a runner, if there is none. */
void runner_process_start(RunnerProcess *process);
/* Finds the runner that is there, or starts one. There must be none yet. */
void runner_process_attach(RunnerProcess *process);
/* Finds the runner that is there, and waits until it is idle. There must be none yet. A runner that
 * is not found, or that does not become idle, has ended. */
void runner_process_adopt(RunnerProcess *process);
/* Kills the runner, and starts another. */
void runner_process_restart(RunnerProcess *process);
/* Kills the runner. */
void runner_process_stop(RunnerProcess *process);
/* While it is held, the guest gets no credit for what it sends. */
void runner_process_hold(RunnerProcess *process, gboolean is_held);
