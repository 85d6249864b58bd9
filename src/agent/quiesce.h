/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * quiesce: before a snapshot, what is only in memory goes to the disk.
 *
 * The page cache stays: a restored machine runs on it at once. A child does the writing, because it
 * may take seconds and the agent answers meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* `owns_kernel`: the disks are the machine's own; otherwise nothing is written. */
void quiesce_open(bool owns_kernel);
/* Answers OK or ERROR, later. */
void quiesce_start(uint32_t stream);
/* The connection is over: nobody waits for the answer. */
void quiesce_forget(void);
/* A child was reaped. False when it was not the one that writes. */
bool quiesce_reaped(pid_t pid, int status);
