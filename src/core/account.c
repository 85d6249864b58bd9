/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* account: charges users, and records refusals in the journal. */
#include "account.h"

#include "journal.h"

gboolean
account_charge(Quota *quota, guint32 uid, const QuotaAmounts *what, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (quota_charge(quota, uid, what, &cause))
        return TRUE;
    journal_refused(uid, cause->message);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}
