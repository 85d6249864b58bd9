/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * terminfo: a TERM that the guest's programs know.
 *
 * The terminal is the client's, and newer than the guest's database may be: xterm-ghostty is in no
 * database before 2025. Programs that use one do not start with a TERM that it lacks.
 */
#pragma once

/* Where the environment's TERM names no entry that can be read, sets TERM to xterm-256color, which
 * today's terminals follow. Leaves it where that is not known either. 0 or -errno. */
int terminfo_check(void);
