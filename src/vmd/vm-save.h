/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-save: writes a machine's device state to a file. */
#pragma once

#include "vm-private.h"

/* As vm.h says of machine_save_async(). */
void libvirt_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
gboolean libvirt_save_finish(Machine *machine, GAsyncResult *result, GError **error);
