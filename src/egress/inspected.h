/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inspected: the hosts whose requests are inspected, and the authority for them. */
#pragma once

#include "authority.h"
#include "egress-protocol.h"

/* Sets *ret to an authority that permits all hosts of which a setting inspects requests: `now`, if
 * it does, or a new one; NULL: there are no such hosts. FALSE: it could not be made. */
gboolean inspected_make(const EgressSetting *setting, Authority *now, Authority **ret,
                        GError **error);
