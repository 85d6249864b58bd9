/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config: cloched.conf, and the defaults of its settings.
 *
 *   [Machines]    Connection=  Group=  Uids=  AllowEmulation=
 *   [Pool]        Target=
 *   [Limits]      Sandboxes=  MemoryMiB=  VCpus=  DiskMiB=  Processes=  Creates=
 *                 Connections=  TrafficMiB=  Snapshots=  SnapshotMiB=  LifetimeSec=
 *                 PausedSec=
 *   [UserLimits]  Sandboxes=  MemoryMiB=  VCpus=  DiskMiB=  Processes=  Creates=
 *                 Connections=  TrafficMiB=  Snapshots=  SnapshotMiB=  DiskUsePercent=
 *   [Network]     Mode=  Allow=  Deny=  Bandwidth=  Connections=  TrafficMiB=  Proxy=
 *   [Templates]   Default=
 *   [Folders]     State=  Run=  Ram=
 */
#pragma once

#include <glib.h>

#include "core.h"

typedef struct {
    char *path; /* that was read; NULL: the system's files, or none */
    gboolean user_mode;
    char *connection;        /* URI of libvirt */
    char *state, *run, *ram; /* folders */
    char *group;             /* of the machines' users; NULL: libvirt chooses user and group */
    char *default_template;
    char *proxy;
    CoreConfig core;
} Config;

/* Reads `path`. NULL: cloched.conf of /etc/cloche, /run/cloche and the package (conf-file.h), or,
 * for a service of one user, only the defaults. An error names file, line, section and key. */
Config *config_load(const char *path, gboolean user_mode, GError **error);
/* The same for cloched.conf of other folders. */
Config *config_load_from(const char *const *folders, GError **error);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* The first setting, as "[Section] Key", that differs and that a running service cannot change;
 * NULL: there is none. */
const char *config_find_fixed(const Config *now, const Config *fresh);
