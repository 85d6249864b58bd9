/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* claim: requests to the agent that concern its whole machine. */
#pragma once

#include "link.h"

typedef struct {
    const char *id;                 /* [a-z0-9]{1,64} */
    const char *hostname;           /* at most 63 characters */
    const char *user;               /* the default user for processes that name none */
    const char *const *environment; /* NAME=value */
} GuestClaim;

/* Claims the machine: gives it id and host name, new randomness, and the host's time. */
void guest_link_claim_async(GuestLink *link, const GuestClaim *claim, GAsyncReadyCallback callback,
                            gpointer data);
gboolean guest_link_claim_finish(GuestLink *link, GAsyncResult *result, GError **error);

/* Requests that the agent prepares for a snapshot. */
void guest_link_quiesce_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data);
gboolean guest_link_quiesce_finish(GuestLink *link, GAsyncResult *result, GError **error);

/*
 * Programs of the guest trust these certificates in addition to those of the image, instead of
 * those of an earlier call. `pem`: at most WIRE_CERTIFICATES_MAX bytes with a newline at the end;
 * "" takes them back. CLOCHE_ERROR_UNSUPPORTED: the agent is too old; nothing was sent.
 */
void guest_link_trust_async(GuestLink *link, const char *pem, GAsyncReadyCallback callback,
                            gpointer data);
gboolean guest_link_trust_finish(GuestLink *link, GAsyncResult *result, GError **error);
