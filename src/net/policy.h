/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy: what network a sandbox may have, as its creator, its template or the administrator states
 * it.
 *
 * A policy contains no value of a secret, only where values go.
 */
#pragma once

#include "target.h"
#include "wire.h"

/* Limits of one policy. */
#define NET_ENTRIES_MAX 256u /* of each list */
#define NET_SECRETS_MAX 16u
#define NET_SECRET_VALUE_MAX 8192u /* bytes */
#define NET_SECRET_TEXT_MAX 256u   /* bytes of a name, a header, a format, a path */
#define NET_METHODS_MAX 16u
#define NET_PATHS_MAX 64u
#define NET_CONNECTIONS_MAX 256u    /* at once */
#define NET_POLICY_MAX (40u * 1024) /* bytes of a policy as net_policy_put() writes it */
/* Bytes of a policy, or of several, in a message. */
#define NET_POLICY_SIZE_MAX (128u * 1024)

typedef enum {
    NET_OFF,
    NET_RESTRICTED, /* what `allow` says */
    NET_INTERNET,   /* all that is public */
    _NET_MODE_MAX,
} NetMode;

const char *net_mode_name(NetMode mode);
gboolean net_mode_parse(const char *name, NetMode *ret);

/* A header that requests to one host get outside the guest. */
typedef struct {
    char *name; /* ${secret.NAME} in a header's value is replaced; "": the header is added */
    char *host; /* canonical */
    guint16 port;
    char *header;
    char *format;   /* "Bearer %s": exactly one %s, which becomes the value */
    char **methods; /* only requests with these; empty: all */
    char **paths;   /* only paths that begin with one of these; empty: all */
} NetSecret;

NetSecret *net_secret_copy(const NetSecret *secret);
void net_secret_free(NetSecret *secret);

typedef struct {
    NetMode mode;
    char **allow, **deny; /* entries of target.h, those of `deny` without a protocol; never NULL */
    gboolean has_private; /* private addresses that a network in `allow` contains */
    guint64 bandwidth;    /* bytes per second in each direction; 0: no limit */
    guint64 connections;  /* at once, at most NET_CONNECTIONS_MAX; 0: that many */
    guint64 traffic;      /* bytes in both directions, then nothing goes on; 0: no limit */
    GPtrArray *secrets;   /* of NetSecret; never NULL */
} NetPolicy;

/* An empty policy: NET_OFF. */
NetPolicy *net_policy_new(void);
NetPolicy *net_policy_copy(const NetPolicy *policy);
void net_policy_free(NetPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetPolicy, net_policy_free)

/* Checks bounds, entries and secrets. CLOCHE_ERROR_INVALID_ARGUMENT names the option ("allow",
 * "deny", "connections", "secrets") and the entry. */
gboolean net_policy_check(const NetPolicy *policy, GError **error);
/* Whether the policy cannot be carried out without polkit's consent to private addresses. */
gboolean net_policy_wants_private(const NetPolicy *policy);

/* Fields of a message. The reader's result is well-formed but not checked; NULL: it is malformed,
 * or exceeds the limits above. */
void net_policy_put(WireWriter *w, const NetPolicy *policy);
NetPolicy *net_policy_get(WireReader *r);
