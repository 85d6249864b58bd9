/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-peer: the other end of a client's socket: the service cloche-vm, or a child. */
#pragma once

#include "vm.h"

typedef struct VmPeer VmPeer;

VmPeer *vm_peer_new(const VmAccess *access);
void vm_peer_free(VmPeer *peer);

/* Connects to the service, or starts the child: a new socket, or -1 with an error. An earlier child
 * must have ended. */
int vm_peer_connect(VmPeer *peer, GError **error);
/* Waits for the message that says that cloche-vm is ready. Blocks. */
gboolean vm_peer_wait(int fd, GError **error);
