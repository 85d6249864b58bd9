/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * account: a user of the guest, from /etc/passwd and /etc/group.
 *
 * Not by getpwnam(): the agent is linked statically, and a static libc has no NSS. The files belong
 * to the guest's users after the claim, so only children read them then.
 */
#pragma once

#include <sys/types.h>

typedef struct {
    uid_t uid;
    gid_t gid;
    char *name, *home, *shell;
    gid_t *groups; /* with gid among them */
    size_t n_groups;
} Account;

/* Looks for a name, or a decimal uid. -ENOENT; -ENOMEM. */
int account_find(const char *user, Account *ret_account);
/* The same, before there is any user: what is found is kept for account_find() in the agent's
 * copies, for as long as neither file changes. To read the files takes milliseconds under
 * emulation. */
int account_remember(const char *user);
void account_clear(Account *account);
