/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-stub: the head of a kernel, for machines that never boot. */
#pragma once

#include <glib.h>

/* Writes the part of the Linux kernel `kernel` that QEMU reads before the guest boots to the new
 * file `path`. */
gboolean stub_write(const char *kernel, const char *path, GError **error);
