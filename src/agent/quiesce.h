/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * quiesce: before a snapshot, writes unsaved data to the disk, and empties the tables of the
 * network.
 *
 * The page cache is kept, so a restored machine can use it at once. A child of the
 * agent does both, because this may take seconds, during which the agent must answer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* `owns_kernel`: the agent may sync the disks; otherwise nothing is written to disks. */
void quiesce_open(bool owns_kernel);
/* Answers with OK or ERROR when the child has ended. */
void quiesce_start(uint32_t stream);
/* Sends no answer, because the connection has ended. */
void quiesce_forget(void);
/* A child was reaped. False if it is not the one that writes. */
bool quiesce_reaped(pid_t pid, int status);
