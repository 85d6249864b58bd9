/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network: calls about the network of a sandbox, for several verbs. */
#pragma once

#include "cli.h"

/* Returns the property Network, an a{sv}. */
GVariant *network_read(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* Returns the figures of GetTraffic(), an a{st}. */
GVariant *network_figures(Cli *cli, ClocheSandbox *sandbox, GError **error);

/* Shows connections until the network is switched off, the sandbox ends, or a signal arrives.
 * Returns the exit status. (network-log.c) */
int network_log(Cli *cli, ClocheSandbox *sandbox);
