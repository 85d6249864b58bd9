/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: the existing sandboxes, for several verbs. */
#pragma once

#include "cli.h"

/* Returns all sandboxes that match the filter of ListSandboxes(), as (oa{sv}). NULL with an error.
 */
GPtrArray *list_read(Cli *cli, GVariant *filter, GError **error);

/* Seconds since a sandbox with these properties was created, and until it ends. */
guint64 list_age(GVariant *properties);
guint64 list_rest(GVariant *properties);

/* Returns the owner's name, or the uid if it has no name. */
char *list_owner(GVariant *properties);

/* Returns the metadata: "KEY=VALUE KEY=VALUE". */
char *list_metadata(GVariant *properties);

/* Prints {"sandboxes": [...]}: the properties and object paths of an array as of list_read(). */
void list_print_json(GPtrArray *sandboxes);
