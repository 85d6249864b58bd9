/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config: cloched.conf, and what holds where it says nothing. */
#pragma once

#include <glib.h>

#include "core.h"

typedef struct {
    char *connection;        /* libvirt's URI */
    char *state, *run, *ram; /* folders */
    char *group;             /* of QEMU's user; NULL: leave groups alone */
    char *default_template;
    CoreConfig core;
} Config;

/* `path` NULL: the defaults alone. A file that is not there is an error, which names file, section
 * and key as all do. */
Config *config_load(const char *path, gboolean user_mode, GError **error);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)
