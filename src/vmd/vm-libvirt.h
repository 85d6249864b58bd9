/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-libvirt: opens a Vm that uses libvirt. */
#pragma once

#include "vm.h"

/*
 * Opens `uri` (qemu:///system, or qemu:///embed?root=/absolute/dir). Blocks. The default
 * GMainContext must run, for libvirt's events. Restored machines read the stub of their kernel in
 * `boot_folder`, which QEMU's users must be able to search.
 */
Vm *libvirt_vm_open(const char *uri, const char *boot_folder, GError **error);
