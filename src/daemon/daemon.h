/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon: from a config and something that runs machines to a service on the bus, and back to
 * nothing. */
#pragma once

#include "config.h"
#include "vm.h"

/* Opens what runs machines; tests open a fake. */
typedef Vm *(*DaemonOpenVm)(const Config *config, GError **error);

/* All of main(): returns the exit status. */
int daemon_main(int argc, char **argv, DaemonOpenVm open_vm);
