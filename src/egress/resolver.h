/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolver: asks name servers for workers.
 *
 * It is the only part of cloche that talks to name servers, in a process of its own. It knows no
 * rules: workers ask only for names that theirs allow. It uses the name servers and the file of
 * hosts of this host, and no search domains: only the name that was asked for counts.
 *
 * Name servers that do not answer keep a query for seconds. So the queries of each user, and of all
 * users, are bounded, and users take turns (slots.h).
 */
#pragma once

#include <glib.h>

typedef struct Resolver Resolver;

Resolver *resolver_new(GError **error);
void resolver_free(Resolver *resolver);

/* Serves a worker: takes `fd`, a SOCK_SEQPACKET socket. */
void resolver_accept(Resolver *resolver, int fd);
