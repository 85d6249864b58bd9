/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * task: one of the agent's own tasks (src/agent/builtin.h) in a child of the test, without an
 * agent.
 *
 * It needs no root. Every wait fails the test after ten seconds.
 */
#pragma once

#include <glib.h>

#include "child.h"

typedef struct {
    pid_t pid;
    int output_fd, report_fd;
    GByteArray *output;
} Task;

/* Starts the task. `unprivileged`: as the user nobody, if the test runs as root. */
Task *task_start(const char *const *argv, gboolean unprivileged);
/* Kills the task if it still runs. */
void task_free(Task *task);

/* Waits until the task is ready. TRUE; or FALSE with the error that it reported. */
gboolean task_wait_ready(Task *task, ChildError *ret_error);
/* Reads until the output has at least `size` bytes. */
void task_wait_output(Task *task, gsize size);
/* Waits until the task has ended by itself, reads all of its output, and returns its exit status.
 */
int task_wait_end(Task *task);

/* Stops the task and waits until it has stopped; continues it. */
void task_stop(Task *task);
void task_continue(Task *task);
