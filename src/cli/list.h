/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: sandboxes that live. */
#pragma once

#include "cli.h"

/* All that match the filter of ListSandboxes(): each is an (oa{sv}). NULL with an error. */
GPtrArray *list_read(Cli *cli, GVariant *filter, GError **error);

/* Of a sandbox's properties: how many seconds ago it was created, and how many it has left. */
guint64 list_age(GVariant *properties);
guint64 list_rest(GVariant *properties);

/* Its owner's name, or the number of one that has none. */
char *list_owner(GVariant *properties);

/* Its metadata: "KEY=VALUE KEY=VALUE". */
char *list_metadata(GVariant *properties);

/* {"sandboxes": [...]} of an array as of list_read(): their properties, and the object path. */
void list_print_json(GPtrArray *sandboxes);
