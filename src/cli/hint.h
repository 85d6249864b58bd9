/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hint: what to do about an error, and what it is called in --json.
 */
#pragma once

#include "cli.h"

/* A sentence; NULL when the message says it all. */
char *hint_for_error(Cli *cli, const GError *error);

/* The service's name for it; for other errors one that tells the case ("ServiceNotRunning"). */
const char *hint_error_name(const GError *error);
