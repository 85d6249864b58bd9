/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-stub: a kernel for machines that never boot. */
#pragma once

#include <glib.h>

/* Writes to the new file `path` what QEMU wants of the Linux kernel `kernel` before it boots it. */
gboolean stub_write(const char *kernel, const char *path, GError **error);
