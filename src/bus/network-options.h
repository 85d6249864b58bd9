/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-options: reads the policy of a network from an a{sv} of a call. */
#pragma once

#include "call.h"

/* The keys of the a{sv}. */
extern const Option network_options[];

/* Reads `dict`, the a{sv} of a policy, into call->network. CLOCHE_ERROR_INVALID_ARGUMENT names the
 * key, and the entry. */
gboolean network_options_unpack(Call *call, GVariant *dict, GError **error);
void network_options_clear(NetworkRequest *network);
