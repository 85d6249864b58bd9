/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-memory: the pages of RAM that a machine has changed.
 *
 * A restored machine maps its template's RAM file privately, so a page that it has written belongs
 * to its QEMU and not to the file. /proc/PID/pagemap says which pages these are, and /proc/PID/mem
 * has their contents. Both are read while QEMU exists; a QEMU that was taken over can present
 * whatever it wants as its RAM, but nothing of another process.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct VmMemory VmMemory;

/*
 * Opens the memory of the process `pid`, which must run as `uid` and must map the file `ram`
 * completely and privately. CLOCHE_ERROR_UNSUPPORTED: this process may not read it, or the file is
 * shared. CLOCHE_ERROR_GUEST_LOST: there is no such process.
 */
VmMemory *memory_open(pid_t pid, uid_t uid, const char *ram, GError **error);
void memory_free(VmMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmMemory, memory_free)

typedef gboolean (*MemoryRun)(guint64 offset, guint64 size, gpointer data, GError **error);

/* Calls `add` for each run of pages that the machine has changed, in the order of their offsets in
 * RAM, until it returns FALSE. Pages that are changed meanwhile may be missing. */
gboolean memory_find_runs(const VmMemory *memory, MemoryRun add, gpointer data, GError **error);
/* A CaptureRead: reads RAM of the VmMemory `data`. CLOCHE_ERROR_GUEST_LOST: the process has ended.
 */
gboolean memory_read(guint64 offset, void *to, gsize size, gpointer data, GError **error);
