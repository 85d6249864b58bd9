/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon: from a config and something that runs machines to a service on the bus, and back to
 * nothing. */
#pragma once

#include "config.h"
#include "vm.h"

/* Opens what runs machines; tests open a fake, and shorten times that nobody can configure. */
typedef Vm *(*DaemonOpenVm)(Config *config, GError **error);

/* All of main(): returns the exit status. */
int daemon_main(int argc, char **argv, DaemonOpenVm open_vm);
