/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-memory-parse: parsers of what the kernel and libvirt say about the memory of a machine. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Whether the page with this entry of a pagemap was changed: it is present or swapped out, and is
 * not the file's. */
gboolean memory_entry_is_changed(guint64 entry);

typedef struct {
    guint64 begin, end; /* addresses */
    guint64 offset;     /* in the file */
    gboolean is_private;
    dev_t device;
    ino_t inode;
} MemoryMapping;

/* Reads a line of /proc/PID/maps. FALSE: it is none of a file. */
gboolean memory_parse_mapping(const char *line, MemoryMapping *ret);
/* Whether the four uids in /proc/PID/status are `uid`. */
gboolean memory_parse_uids(const char *status, uid_t uid);
/* The path of the RAM file in libvirt's description of a machine: a new string, or NULL. */
char *memory_parse_ram(const char *xml);
