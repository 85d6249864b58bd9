/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* execution: what one piece of code gave, within bounds. */
#include "execution.h"

#include <string.h>

#include "guest-text.h"

/* More than an entry of a result takes in a message beside its strings: lengths, types, padding. */
#define ENTRY_SIZE 64u
/* The same for the flags of a result. */
#define RESULT_SIZE 256u

const char *
guest_execution_status_name(const GuestExecution *execution)
{
    static const char *const names[] = {
        [GUEST_EXECUTION_OK] = "ok",
        [GUEST_EXECUTION_ERROR] = "error",
        [GUEST_EXECUTION_INTERRUPTED] = "interrupted",
        [GUEST_EXECUTION_TIMED_OUT] = "timed-out",
    };

    return names[execution->status];
}

const char *
guest_execution_completeness_name(const GuestExecution *execution)
{
    static const char *const names[] = {
        [RUNNER_COMPLETE] = "complete",
        [RUNNER_INCOMPLETE] = "incomplete",
        [RUNNER_INVALID] = "invalid",
        [RUNNER_UNKNOWN] = "unknown",
    };

    return names[execution->completeness];
}

GuestExecution *
guest_execution_new(void)
{
    GuestExecution *execution = g_new0(GuestExecution, 1);

    guest_output_init(&execution->out);
    guest_output_init(&execution->err);
    execution->completeness = RUNNER_UNKNOWN;
    execution->results = g_ptr_array_new_with_free_func((GDestroyNotify)runner_message_free);
    return execution;
}

void
guest_execution_set_budget(GuestExecution *execution, Budget *budget)
{
    guest_output_set_budget(&execution->out, budget);
    guest_output_set_budget(&execution->err, budget);
    execution->budget = budget ? budget_ref(budget) : NULL;
}

void
guest_execution_free(GuestExecution *execution)
{
    if (!execution)
        return;
    guest_output_clear(&execution->out);
    guest_output_clear(&execution->err);
    g_ptr_array_unref(execution->results);
    budget_give_back(execution->budget, execution->results_size);
    budget_unref(execution->budget);
    g_free(execution->error_name);
    g_free(execution->error_value);
    g_free(execution->traceback);
    g_free(execution->indent);
    g_free(execution);
}

static gsize
part_size(const RunnerPart *part)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data(part->data, &size);

    if (guest_text_is_mime_type(part->mime_type))
        size = guest_text_size(bytes, size);
    return ENTRY_SIZE + strlen(part->mime_type) + size;
}

/* At least as much as the result takes in the answer. */
static gsize
result_size(const RunnerMessage *message)
{
    gsize size = RESULT_SIZE + strlen(message->result.display_id);

    for (guint i = 0; i < message->result.n_parts; i++)
        size += part_size(&message->result.parts[i]);
    for (guint i = 0; i < message->result.n_saved; i++)
        size += ENTRY_SIZE + strlen(message->result.saved[i].mime_type) +
                strlen(message->result.saved[i].path);
    return size;
}

static void
add_result(GuestExecution *execution, RunnerMessage *message)
{
    gsize size = result_size(message);

    if (execution->results->len >= GUEST_RESULTS_MAX ||
        execution->results_size + size > GUEST_RESULTS_SIZE_MAX ||
        !budget_take(execution->budget, size)) {
        execution->results_truncated = TRUE;
        runner_message_free(message);
        return;
    }
    execution->results_size += size;
    g_ptr_array_add(execution->results, message);
}

/* The last error counts: the host adds its own after the runner's. */
static void
set_error(GuestExecution *execution, RunnerMessage *message)
{
    g_free(execution->error_name);
    g_free(execution->error_value);
    g_free(execution->traceback);
    execution->error_name = g_steal_pointer(&message->error.name);
    execution->error_value = g_steal_pointer(&message->error.value);
    execution->traceback = g_steal_pointer(&message->error.traceback);
}

void
guest_execution_add(GuestExecution *execution, RunnerMessage *message)
{
    static const GuestExecutionStatus statuses[_RUNNER_STATUS_MAX] = {
        [RUNNER_OK] = GUEST_EXECUTION_OK,
        [RUNNER_FAILED] = GUEST_EXECUTION_ERROR,
        [RUNNER_INTERRUPTED] = GUEST_EXECUTION_INTERRUPTED,
    };

    switch (message->type) {
    case RUNNER_RESULT:
        add_result(execution, message);
        return;
    case RUNNER_ERROR:
        set_error(execution, message);
        break;
    case RUNNER_COMPLETENESS:
        execution->completeness = message->completeness.status;
        g_free(execution->indent);
        execution->indent = g_steal_pointer(&message->completeness.indent);
        break;
    case RUNNER_DONE:
        execution->status = statuses[message->done.status];
        if (execution->status == GUEST_EXECUTION_OK && execution->error_name)
            execution->status = GUEST_EXECUTION_ERROR; /* of a hostile or faulty runner */
        execution->count = message->done.count;
        break;
    case RUNNER_CLEAR: /* the answer keeps what was shown */
    case RUNNER_READY:
    case RUNNER_SYNCED:
        break;
    }
    runner_message_free(message);
}
