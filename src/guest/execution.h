/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* execution: a piece of code to be executed, and what it gave, within bounds. */
#pragma once

#include "output.h"
#include "runner.h"
#include "wire.h"

/* Bounds of all results of one execution, as they are sent to its caller; further results are
 * discarded, and a flag is set. */
#define GUEST_RESULTS_SIZE_MAX (16u * 1024 * 1024)
#define GUEST_RESULTS_MAX 1000u

/*
 * A listener of an execution: it gets output and results as they arrive, and the execution does not
 * collect them. It gets nothing after the execution was answered or cancelled. A listener that
 * cannot take more calls guest_interpreter_hold().
 */
typedef struct {
    /* `is_earlier`: written before this execution began, and after the previous one ended. */
    void (*output)(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier,
                   gpointer data);
    /* A RUNNER_RESULT, RUNNER_ERROR or RUNNER_CLEAR; the message remains the caller's. */
    void (*message)(const RunnerMessage *message, gpointer data);
    /* The last event, once. The interpreter may be freed after it. */
    void (*over)(gpointer data);
} GuestHearing;

typedef struct {
    const char *code;
    const char *dialect;            /* NULL: the runner's own language */
    const char *const *environment; /* NAME=value, for this execution; or NULL */
    guint64 timeout_ms;             /* 0: none */
    gboolean is_check;              /* it is not executed: the answer is whether it is complete */
    gboolean silent, no_history, is_exercise, with_colours, drains;
    Budget *budget;              /* of what the execution collects, or NULL */
    const GuestHearing *hearing; /* NULL: the execution collects everything */
    gpointer hearing_data;
} GuestCode;

typedef enum {
    GUEST_EXECUTION_OK,
    GUEST_EXECUTION_ERROR,
    GUEST_EXECUTION_INTERRUPTED,
    GUEST_EXECUTION_TIMED_OUT,
} GuestExecutionStatus;

typedef struct {
    GuestExecutionStatus status;
    GuestOutput out, err;
    GPtrArray *results; /* of RunnerMessage of the type RUNNER_RESULT */
    gsize results_size;
    Budget *budget; /* of the results, or NULL */
    gboolean results_truncated;
    char *error_name, *error_value, *traceback; /* NULL: no error */
    RunnerCompleteness completeness; /* the answer to a check; of other code RUNNER_UNKNOWN */
    char *indent;                    /* NULL: none */
    guint32 count;
    gint64 duration_us;
} GuestExecution;

/* "ok", "error", "interrupted", "timed-out". */
const char *guest_execution_status_name(const GuestExecution *execution);

/* "complete", "incomplete", "invalid", "unknown". */
const char *guest_execution_completeness_name(const GuestExecution *execution);

GuestExecution *guest_execution_new(void);
/* Before anything is added. Output and results for which the budget has no room are discarded, as
 * those beyond their own bounds. */
void guest_execution_set_budget(GuestExecution *execution, Budget *budget);
void guest_execution_free(GuestExecution *execution);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestExecution, guest_execution_free)

/* Adds a RUNNER_RESULT, RUNNER_ERROR, RUNNER_CLEAR, RUNNER_COMPLETENESS or RUNNER_DONE. Takes
 * the message. */
void guest_execution_add(GuestExecution *execution, RunnerMessage *message);
