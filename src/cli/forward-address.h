/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forward-address: an address of this machine, and the port of a sandbox that it forwards to. */
#pragma once

#include <glib.h>

typedef struct {
    char *host; /* numeric */
    guint16 port, guest_port;
} ForwardAddress;

void forward_address_clear(ForwardAddress *forward);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ForwardAddress, forward_address_clear)

/*
 * Parses [HOST:]PORT[:GUESTPORT]; an IPv6 address is in brackets. PORT 0 is any free port. Errors
 * are of G_OPTION_ERROR.
 */
gboolean forward_address_parse(const char *word, ForwardAddress *ret_forward, GError **error);
