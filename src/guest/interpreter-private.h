/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interpreter-private: what the runner's life and the requests to it share. */
#pragma once

#include "interpreter.h"
#include "job.h"

struct GuestInterpreter {
    GuestLink *link;
    char *tag, *program, *kernel, *user, *cwd;
    char **environment;
    gboolean is_warm;
    GuestStream *stream; /* NULL: no runner */
    RunnerParser *parser;
    gboolean is_ready, is_attaching, is_syncing, is_restarting, is_stopping, is_gone;
    guint8 nonce[RUNNER_NONCE_SIZE];
    guint sync_timer, sync_interrupts, start_timer;
    GString *words;                       /* that it says before it is ready */
    GByteArray *earlier[WIRE_STDERR + 1]; /* by channel: output since the last execution */
    GPtrArray *opening;                   /* of GTask */
    guint32 last_number, count;
    GQueue waiting; /* of Job */
    Job *job;       /* under way */
    gboolean is_held;
    gsize owed[WIRE_CONTROL + 1]; /* credit, by channel, while it is held */
};

/* Starts a runner where there is none; whoever waits for it hears when that fails. */
void interpreter_start(GuestInterpreter *interpreter);

/* Output that was written since the last execution is not given to the next one. */
void interpreter_forget_earlier(GuestInterpreter *interpreter);

/* Sends the next request, unless one is under way; starts a runner for it. */
void interpreter_run_next(GuestInterpreter *interpreter);
