/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lingering: a TCP socket whose last close blocks. */
#pragma once

/* Returns a socket with SO_LINGER and unsent data; nobody reads from *ret_peer. Its last close
 * blocks until *ret_peer is closed, or for two minutes. */
int lingering_open(int *ret_peer);
