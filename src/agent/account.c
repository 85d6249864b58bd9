/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* account: two files, read from their beginning each time. */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 256u

static bool
is_decimal(const char *s)
{
    return *s && s[strspn(s, "0123456789")] == '\0';
}

/* A name of digits only is a uid, unless somebody has that very name. */
static bool
is_asked_for(const struct passwd *entry, const char *user)
{
    if (strcmp(entry->pw_name, user) == 0)
        return true;
    return is_decimal(user) && strlen(user) <= 10 && strtoull(user, NULL, 10) == entry->pw_uid;
}

static int
copy_entry(const struct passwd *entry, Account *account)
{
    account->uid = entry->pw_uid;
    account->gid = entry->pw_gid;
    account->name = strdup(entry->pw_name);
    account->home = strdup(*entry->pw_dir ? entry->pw_dir : "/");
    account->shell = strdup(*entry->pw_shell ? entry->pw_shell : "/bin/sh");
    return account->name && account->home && account->shell ? 0 : -ENOMEM;
}

static int
read_passwd(const char *user, Account *account)
{
    FILE *file = fopen("/etc/passwd", "re");
    if (!file)
        return errno == ENOMEM ? -ENOMEM : -ENOENT;

    int r = -ENOENT;
    for (struct passwd *entry; r == -ENOENT && (entry = fgetpwent(file));)
        if (is_asked_for(entry, user))
            r = copy_entry(entry, account);
    fclose(file);
    return r;
}

static bool
has_member(const struct group *group, const char *name)
{
    for (char **member = group->gr_mem; *member; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

static int
read_groups(Account *account)
{
    account->groups = calloc(GROUPS_MAX, sizeof *account->groups);
    if (!account->groups)
        return -ENOMEM;
    account->groups[account->n_groups++] = account->gid;

    FILE *file = fopen("/etc/group", "re");
    if (!file)
        return 0;
    for (struct group *group; account->n_groups < GROUPS_MAX && (group = fgetgrent(file));)
        if (group->gr_gid != account->gid && has_member(group, account->name))
            account->groups[account->n_groups++] = group->gr_gid;
    fclose(file);
    return 0;
}

int
account_find(const char *user, Account *ret_account)
{
    Account account = {.uid = 0};

    int r = read_passwd(user, &account);
    if (r == 0)
        r = read_groups(&account);
    if (r < 0) {
        account_clear(&account);
        return r;
    }
    *ret_account = account;
    return 0;
}

void
account_clear(Account *account)
{
    free(account->name);
    free(account->home);
    free(account->shell);
    free(account->groups);
    *account = (Account){.uid = 0};
}
