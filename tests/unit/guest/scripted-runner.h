/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scripted-runner: an interpreter whose agent and runner are played by a test. */
#pragma once

#include "interpreter.h"
#include "runner-process.h"
#include "scripted-agent.h"

#define RUNNER_REQUEST_RESEED 1

typedef struct {
    ScriptedAgent agent;
    GuestInterpreter *interpreter;
    guint32 stream; /* the runner's */
    gboolean is_started;
    GString *answers; /* "LABEL=ok:OUTPUT" or "LABEL=ERROR", a line each, in order */
    GString *heard;   /* by the listener */
    gboolean frees_in_answer, closes_link_in_answer;
    const char *executed_in_answer; /* by the next answer; NULL: nothing is */
    gboolean breaks_protocol;       /* the agent does; otherwise the link must not be lost */
} Fixture;

/* Writes what it hears to f->heard. */
extern const GuestHearing listener;

void execute_with(Fixture *f, const char *label, const GuestHearing *hearing,
                  GCancellable *cancellable);
void execute(Fixture *f, const char *label);
void open_runner(Fixture *f);
void restart(Fixture *f, const char *label);
/* Waits until all answers have come, and forgets them. */
void expect_answers(Fixture *f, const char *answers);
void expect_state(Fixture *f, GuestInterpreterState state);
void wait_for_state(Fixture *f, GuestInterpreterState state);
void expect_start(Fixture *f);
void expect_attach(Fixture *f);
void expect_kill(Fixture *f);
void send_started(Fixture *f);
/* The runner has ended; or the agent could not start or find it. */
void send_exited(Fixture *f);
void send_output(Fixture *f, const char *text);
void send_ready(Fixture *f);
void send_done(Fixture *f, guint32 number);
/* The end of code that failed, without its error. */
void send_failed(Fixture *f, guint32 number);
/* The ends of two executions in one frame of the agent. */
void send_dones(Fixture *f, guint32 first, guint32 second);
/* Waits for a request of this type; its number. */
guint32 expect_request(Fixture *f, guint8 type);
/* Waits for the request to execute `code`; its number. */
guint32 expect_execute(Fixture *f, const char *code);
/* Waits for the request to synchronize, and answers it. */
void answer_sync(Fixture *f);
void expect_nothing(Fixture *f);
void set_up(Fixture *f, gconstpointer data);
void tear_down(Fixture *f, gconstpointer data);
/* Brings a new interpreter into a state. In LIFE_RESTARTING a caller waits for the restart. */
void bring_to(Fixture *f, RunnerLife life);
void become_ready(Fixture *f);
