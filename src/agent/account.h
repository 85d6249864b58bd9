/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * account: a user of the guest, from /etc/passwd and /etc/group.
 *
 * getpwnam() is not used: the agent is linked statically, and a static libc has no NSS. After the
 * claim, users of the guest may change the files, so only children read them then.
 */
#pragma once

#include <sys/types.h>

typedef struct {
    uid_t uid;
    gid_t gid;
    char *name, *home, *shell;
    gid_t *groups; /* includes gid */
    size_t n_groups;
} Account;

/* Finds a user by name or by decimal uid. 0, -ENOENT or -ENOMEM. */
int account_find(const char *user, Account *ret_account);
/* The same, before the claim: keeps the result for account_find() in the agent's children, as long
 * as neither file changes. Reading the files takes milliseconds under emulation. */
int account_remember(const char *user);
void account_clear(Account *account);
