/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * terminfo: chooses a TERM that the guest's programs know.
 *
 * The client's terminal may be newer than the guest's database: xterm-ghostty is missing before
 * 2025. Programs that use terminfo do not start if their TERM has no entry.
 */
#pragma once

/* If the environment's TERM has no readable entry, sets TERM to xterm-256color, which current
 * terminals support. Does not change TERM if that has no entry either. 0 or -errno. */
int terminfo_check(void);
