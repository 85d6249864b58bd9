/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job: one request to a runner, from who asks to the answer.
 *
 * It is an execution, or a reseed, which has no task.
 */
#pragma once

#include "interpreter.h"

#define JOB_INTERRUPT_EVERY_S 1

typedef struct {
    GuestInterpreter *owner;
    GTask *task; /* NULL: nobody waits for it (any more) */
    GBytes *frame;
    guint32 number;
    guint64 timeout_ms;
    GuestStream *stream; /* that it was sent on; NULL: it waits */
    gint64 started_us;
    guint timer;
    guint interrupts; /* since it was to stop */
    gboolean timed_out, was_interrupted;
    gboolean was_killed; /* for not heeding that */
    gboolean has_error;  /* the caller has, or will have, an error of the code */
    gulong cancel_handler;
    GuestExecution *execution;
    const GuestHearing *hearing; /* NULL: `execution` collects */
    gpointer hearing_data;
} Job;

/* Takes `frame`. */
Job *job_new(GuestInterpreter *owner, guint32 number, GBytes *frame);
void job_free(Job *job);
/* Its task is answered by somebody else. */
void job_forget_caller(Job *job);
/* Its timeout counts from now on. */
void job_send(Job *job, GuestStream *stream);
/* And, when that is not heeded, again, and in the end its runner is killed. */
void job_interrupt(Job *job);
/* What was written between the last execution and this one, by channel. */
void job_give_earlier(Job *job, GByteArray *const *earlier);
void job_add_output(Job *job, WireChannel channel, const guint8 *bytes, gsize size);
/* Takes the message. */
void job_add_message(Job *job, RunnerMessage *message);
/* Answers its caller and frees it. `error` NULL: with the execution. The caller may free the
 * interpreter. */
void job_finish(Job *job, const GError *error);
/* The same for one whose runner died of `how`, or was lost for the reason `error`. */
void job_lose(Job *job, const GuestExit *how, const GError *error);

/* Interrupts once more and counts that; FALSE: it was killed, since that was enough. */
gboolean job_insist(GuestStream *stream, guint *interrupts);
