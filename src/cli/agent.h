/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent: polkit's agent on the terminal, which asks for a password if polkit requires one. */
#pragma once

#include "cli.h"

/* Starts the agent on a terminal, for users other than root on the system bus. Does nothing if the
 * program (package polkitd) is not installed. */
void agent_start(Cli *cli);
/* Ends the agent if it was started. */
void agent_stop(Cli *cli);
