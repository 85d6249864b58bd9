/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main: cloched on libvirt. */
#include "daemon.h"

static Vm *
open_libvirt(Config *config, GError **error)
{
    return vm_open(config->connection, error);
}

int
main(int argc, char **argv)
{
    return daemon_main(argc, argv, open_libvirt);
}
