/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-files: the files and the socket that libvirt keeps of a running machine. */
#pragma once

#include "vm-embed.h"

/* The process id of a machine's QEMU: libvirt has no call for it, but keeps a file. 0: there is no
 * such file. */
pid_t vm_read_pid(const Embed *embed, const char *name);
/* Whether there is a process with this id, of whichever user. */
gboolean vm_is_alive(pid_t pid);

/* Connects to a machine's channel: a new non-blocking descriptor, or -1 with an error, which is
 * CLOCHE_ERROR_BUSY if QEMU has not accepted earlier connections yet. */
int vm_connect_socket(const char *path, GError **error);

/* Removes what libvirt leaves of a machine that was destroyed: its socket (NULL: it has none), and
 * its log where the driver is embedded (elsewhere virtlogd removes logs). */
void vm_remove_files(const Embed *embed, const char *name, const char *socket);
