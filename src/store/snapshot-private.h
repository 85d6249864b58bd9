/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-private: snapshot.conf, which snapshot-conf.c writes and reads. */
#pragma once

#include "snapshot.h"

#define SNAPSHOT_CONF "snapshot.conf"

GKeyFile *snapshot_fill_conf(const Snapshot *snapshot);
/* Checks each value: CLOCHE_ERROR_TEMPLATE_DAMAGED. */
gboolean snapshot_read_conf(Snapshot *snapshot, GKeyFile *conf, GError **error);
