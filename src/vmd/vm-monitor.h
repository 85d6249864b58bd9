/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-monitor: the few commands of QEMU's monitor that libvirt has no call for.
 *
 * All functions that take a domain block, so call them in worker threads.
 */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

/* Stops the vCPUs and writes the state of all devices, not of RAM, to `fd`, a regular file. */
gboolean monitor_save(virDomainPtr domain, int fd, GError **error);

/* Loads the state that monitor_save() wrote into a domain that was started paused with "-incoming
 * defer". */
gboolean monitor_load(virDomainPtr domain, int fd, GCancellable *cancellable, GError **error);

/*
 * The device state of a machine that goes on: monitor_add_devices_file() passes `fd`, which must be
 * open for writing only, while the machine runs. When its processors are stopped,
 * monitor_save_devices() writes the state of all devices to it, without RAM.
 * monitor_remove_devices_file() makes QEMU close it.
 */
gboolean monitor_add_devices_file(virDomainPtr domain, int fd, GError **error);
gboolean monitor_save_devices(virDomainPtr domain, GError **error);
void monitor_remove_devices_file(virDomainPtr domain);

/* --- answers of the monitor, pure --- */

/* TRUE when `reply` says that the command succeeded; otherwise sets `error` with QEMU's reason. */
gboolean monitor_parse_reply(const char *reply, GError **error);

typedef enum {
    MIGRATION_RUNNING,
    MIGRATION_COMPLETED,
    MIGRATION_FAILED, /* `error` is set */
} MigrationState;

/* Reads the answer to query-migrate. */
MigrationState monitor_parse_migration(const char *reply, GError **error);
