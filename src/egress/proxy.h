/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proxy: the address of the administrator's proxy. */
#pragma once

#include "worker-private.h"

/* Parses "http://HOST[:PORT][/]"; "": no proxy, then the host is NULL. IPv6 is in brackets. The
 * host "localhost" is allowed. CLOCHE_ERROR_INVALID_ARGUMENT. */
gboolean proxy_parse(const char *text, WorkerProxy *ret, GError **error);
