/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quota: what the caller uses of what it may, and where permitted what all users do. */
#pragma once

#include "cli.h"

typedef struct {
    GVariant *own, *all; /* a{s(tt)} */
} Quota;

void quota_clear(Quota *quota);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Quota, quota_clear)

gboolean quota_read(Cli *cli, Quota *ret_quota, GError **error);
void quota_print(const Quota *quota);
