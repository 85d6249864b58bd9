/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hint: what a user can do about an error. */
#pragma once

#include "cli.h"

/* Returns a sentence, or NULL if the message needs none. */
char *hint_for_error(Cli *cli, const GError *error);
