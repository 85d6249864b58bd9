/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status-sandbox: "cloche status ID...". */
#pragma once

#include "cli.h"

/* Shows the sandboxes that cli->arguments name, and continues after an error. */
int status_of_sandboxes(Cli *cli);
