/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* execution: what one piece of code gave, within bounds. */
#pragma once

#include "output.h"
#include "runner.h"

/* Of one execution's results together; what comes beyond is thrown away, and a flag says so. */
#define GUEST_RESULTS_SIZE_MAX (16u * 1024 * 1024)
#define GUEST_RESULTS_MAX 1000u

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
    gboolean results_truncated;
    char *error_name, *error_value, *traceback; /* NULL: no error */
    RunnerCompleteness completeness; /* the answer to a check; of other code RUNNER_UNKNOWN */
    char *indent;                    /* NULL: none */
    guint32 count;
    gint64 duration_us;
} GuestExecution;

/* "ok", "error", "interrupted", "timed-out". */
const char *guest_execution_status_name(const GuestExecution *execution);

GuestExecution *guest_execution_new(void);
void guest_execution_free(GuestExecution *execution);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestExecution, guest_execution_free)

/* Takes up a RUNNER_RESULT, RUNNER_ERROR, RUNNER_CLEAR, RUNNER_COMPLETENESS or RUNNER_DONE. Takes
 * the message. */
void guest_execution_add(GuestExecution *execution, RunnerMessage *message);
