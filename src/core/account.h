/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* account: charges users, and records refusals in the journal. */
#pragma once

#include "quota.h"

/* As quota_charge(). */
gboolean account_charge(Quota *quota, guint32 uid, const QuotaAmounts *what, GError **error);
