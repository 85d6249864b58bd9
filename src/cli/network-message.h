/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-message: whether error output of a program says that it could not reach a host. */
#pragma once

#include <glib.h>

typedef enum {
    NETWORK_MESSAGE_NONE,
    /* A connection was refused or reset, as by a server. */
    NETWORK_MESSAGE_POSSIBLE,
    /* A name was not found, or a network or a host cannot be reached. */
    NETWORK_MESSAGE_CERTAIN,
} NetworkMessage;

/* Returns the strongest that a line of the text says. Lines about the loopback do not count. */
NetworkMessage network_message_find(const char *text, gsize size);
