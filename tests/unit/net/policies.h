/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* policies: parts of policies for tests. Each result belongs to the caller. */
#pragma once

#include "policy.h"

/* A list of one entry, and one that has the same entry `count` times. */
char **list_new(const char *entry);
char **repeat(const char *entry, guint count);
/* Replaces a list. */
void set_list(char ***list, char **value);

/* For the header Authorization of `host`, port 443. */
NetSecret *secret_new(const char *name, const char *host);
/* Mode internet, with the secret "key" of api.example, which is returned; NULL: without one. */
NetPolicy *policy_new(NetSecret **ret_secret);
