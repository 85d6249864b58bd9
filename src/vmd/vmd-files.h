/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmd-files: the files of cloche-vm.
 *
 *   OWN/agent/NAME     the socket of a machine's channel
 *   OWN/boot/NAME      the stub of a kernel, while a machine is being restored
 *   OWN/console/NAME   the console of a machine that boots
 *   OWN/net/NAME       the socket of a machine's port for connections
 *
 * libvirtd makes sockets and consoles as root. In a folder of cloched, an attacker who has taken
 * over cloched could replace the folder by a link to any other one. So they are here.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Makes the folders. `has_users`: machines run as other users than this process. */
gboolean vmd_files_open(const char *own, gboolean has_users, GError **error);
char *vmd_files_path(const char *own, const char *folder, const char *name);
/* Makes the console file of a machine of this user. */
gboolean vmd_files_make_console(const char *own, const char *name, uid_t uid, GError **error);
/* Removes all files of a machine. */
void vmd_files_remove(const char *own, const char *name);
/* Removes the files of all machines with this prefix for which `is_kept` is FALSE. */
void vmd_files_sweep(const char *own, const char *prefix,
                     gboolean (*is_kept)(const char *name, gpointer data), gpointer data);
