/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent: polkit's agent on the terminal, which asks for a password when polkit wants one. */
#pragma once

#include "cli.h"

/* Starts it where there is somebody to ask: on a terminal, for another user than root, on the
 * system bus. Without the program (package polkitd) nobody is asked. */
void agent_start(Cli *cli);
/* Ends it, if it was started. */
void agent_stop(Cli *cli);
