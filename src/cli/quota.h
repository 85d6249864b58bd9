/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quota: the caller's use of its limits and, if permitted, the use of all users together. */
#pragma once

#include "cli.h"

typedef struct {
    GVariant *own, *all; /* a{s(tt)} */
} QuotaReply;

void quota_clear(QuotaReply *quota);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(QuotaReply, quota_clear)

gboolean quota_read(Cli *cli, QuotaReply *ret_quota, GError **error);
void quota_print(const QuotaReply *quota);
