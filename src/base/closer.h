/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * closer: closes descriptors that others have passed.
 *
 * The last close of a file may block for as long as its owner wants: that of a TCP socket with
 * SO_LINGER, or of a socket in whose queue somebody has put such a socket. The kernel does not wait
 * when a thread that exits closes it.
 */
#pragma once

#include <glib.h>

#define CLOSER_RECEIVED_MAX 253u /* descriptors that the kernel permits in one message */

/* Call it before the process has descriptors of others. (Otherwise the first closer_close() does
 * so.) */
void closer_init(void);
/* Closes `fd` soon, in a thread. From any thread. */
void closer_close(int fd);
/*
 * Receives bytes as recv() does, without waiting. Descriptors that come with them are closed, and
 * it returns -1 with EPROTO: without this, recv() itself would close them.
 */
gssize closer_receive(int socket, void *bytes, gsize size);
