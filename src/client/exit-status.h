/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exit-status: how a process of a sandbox ended, as one number that a shell would give. */
#pragma once

/* The exit status for a process that was killed when its timeout expired, as of timeout(1). */
#define EXIT_STATUS_TIMED_OUT 124

/*
 * how, number: as Wait() and Run() report the end; number is an exit status or the number of a
 * signal. Returns the exit status, or 128 plus the signal's number, or EXIT_STATUS_TIMED_OUT.
 */
int exit_status_from(const char *how, int number);
