/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-peer: the other end of a client's socket: the service cloche-vm, or a child. */
#pragma once

#include "service-peer.h"
#include "vm.h"

ServicePeer *vm_peer_new(const VmAccess *access);
/* Waits for the message that says that cloche-vm is ready. Blocks. */
gboolean vm_peer_wait(int fd, GError **error);
