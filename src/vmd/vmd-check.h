/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmd-check: what cloche-vm allows.
 *
 * cloched parses what guests and callers send, so an attacker may have taken it over. Each field of
 * a request is compared with the configuration, which only root can write, and each path is made
 * here, from keys that contain no slash.
 */
#pragma once

#include "vm-protocol.h"

typedef struct {
    char *state, *ram;            /* folders of the store */
    char *own;                    /* folder of cloche-vm */
    guint32 uid_first, uid_count; /* of machines; count 0: libvirt chooses the user */
    gid_t gid;                    /* of machines */
    guint64 vcpus_max, memory_max_mib;
    gboolean may_emulate;
    uid_t peer; /* cloched runs as it */
} VmdConfig;

/* The files of a machine that starts. */
typedef struct {
    char *kernel, *initrd, *disk, *ram;
} VmdPaths;

void vmd_paths_init(VmdPaths *paths, const VmdConfig *config, const VmRequest *request);
void vmd_paths_clear(VmdPaths *paths);
/* STATE/machines/ID/disk.qcow2 */
char *vmd_disk_path(const VmdConfig *config, const char *name);

/* Whether machines may run as `uid`. */
gboolean vmd_check_uid(const VmdConfig *config, uid_t uid, GError **error);
/* Whether a machine may be of this user and size, and its files are what they must be. */
gboolean vmd_check_start(const VmdConfig *config, const VmRequest *request, const VmdPaths *paths,
                         GError **error);
/* Whether the descriptor is that of a regular file of cloched, opened for reading or for writing
 * only (`mode`: O_RDONLY or O_WRONLY). */
gboolean vmd_check_fd(const VmdConfig *config, int fd, int mode, GError **error);
/* Whether `path`, which is below `folder`, is a regular file, without symbolic links below
 * `folder`. `owner` (uid_t)-1: it may be of any user. */
gboolean vmd_check_file(const char *folder, const char *path, uid_t owner, GError **error);
