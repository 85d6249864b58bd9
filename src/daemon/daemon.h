/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon: builds the service from its configuration, runs it on the bus, and stops it. */
#pragma once

#include "config.h"
#include "egress.h"
#include "vm.h"

/* Opens the Vm. Tests open a fake, and shorten times that have no setting. */
typedef Vm *(*DaemonOpenVm)(Config *config, GError **error);

/* Opens the connection to cloche-egress; NULL: sandboxes have no network. */
typedef Egress *(*DaemonOpenEgress)(const Config *config);

/* The whole of main(): returns the exit status. */
int daemon_main(int argc, char **argv, DaemonOpenVm open_vm, DaemonOpenEgress open_egress);
