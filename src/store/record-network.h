/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record-network: a policy of a sandbox's network, in the key file of its record.
 *
 * A policy has no value of a secret, and so a record has none either.
 */
#pragma once

#include <glib.h>

#include "policy.h"

/* Writes a policy to the groups `name` and "`name`.Secret.0", ... */
void record_network_write(GKeyFile *file, const char *name, const NetPolicy *policy);
/* Returns the policy of these groups; NULL without an error if there is none, and with an error if
 * one of its values is invalid. */
NetPolicy *record_network_read(GKeyFile *file, const char *name, GError **error);
