/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status-sandbox: "cloche status ID...", where the service's own status is status.c. */
#pragma once

#include "cli.h"

/* Shows the sandboxes that cli->words name; one that cannot be shown does not hide the others. */
int status_of_sandboxes(Cli *cli);
