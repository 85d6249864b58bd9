/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-end: how a process ended, for the caller and for people. */
#pragma once

/*
 * The status to end with as that program did, and a note of an end that was not its own doing.
 * how: as Wait() and Run() say it; number: an exit status, or a signal's number.
 */
int process_exit_status(const char *how, int number);
void process_note_end(const char *how, int number);
