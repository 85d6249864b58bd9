/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-capture: writes what a machine has changed, and lets it run again. */
#pragma once

#include "vm-private.h"

/* As vm.h says of machine_capture_async() and machine_release_async(). */
void libvirt_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
gboolean libvirt_capture_finish(Machine *machine, GAsyncResult *result, GError **error);
void libvirt_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
gboolean libvirt_release_finish(Machine *machine, GAsyncResult *result, GError **error);

/* The owner leaves the machine: it runs again if it was captured. */
void vm_capture_abandon(LibvirtMachine *machine);
