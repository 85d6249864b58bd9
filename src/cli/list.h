/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: sandboxes that live. */
#pragma once

#include "cli.h"

/* All that match the filter of ListSandboxes(): each is an (oa{sv}). NULL with an error. */
GPtrArray *list_read(Cli *cli, GVariant *filter, GError **error);
