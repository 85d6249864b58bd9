/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolver-link: the master's way to the resolver.
 *
 * The resolver is a service of its own, or, where cloche-egress is a child of cloched, a child of
 * the master.
 */
#pragma once

#include <glib.h>

typedef struct ResolverLink ResolverLink;

/* `path`: of the service's socket; NULL: starts a child. */
ResolverLink *resolver_link_new(const char *path);
void resolver_link_free(ResolverLink *link);

/* Returns a new connection for a worker of a sandbox of this user, or -1 with an error. */
int resolver_link_connect(ResolverLink *link, guint32 owner, GError **error);
