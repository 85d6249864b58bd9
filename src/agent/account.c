/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* account: scans the two files, unless the user is the one that was remembered. */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define GROUPS_MAX 256u

static const char *const files[] = {"/etc/passwd", "/etc/group"};
#define FILES (sizeof files / sizeof *files)

static struct {
    char *user;
    Account account;
    struct stat states[FILES];
} memory;

static bool
is_decimal(const char *s)
{
    return *s && s[strspn(s, "0123456789")] == '\0';
}

/* A name of digits only is a uid, unless a user has this name. */
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
    FILE *file = fopen(files[0], "re");
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

    FILE *file = fopen(files[1], "re");
    if (!file)
        return 0;
    for (struct group *group; account->n_groups < GROUPS_MAX && (group = fgetgrent(file));)
        if (group->gr_gid != account->gid && has_member(group, account->name))
            account->groups[account->n_groups++] = group->gr_gid;
    fclose(file);
    return 0;
}

static int
read_account(const char *user, Account *ret_account)
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

/* Each change updates the ctime, which no program can set. */
static bool
is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void
read_states(struct stat states[FILES])
{
    memset(states, 0, FILES * sizeof *states);
    for (size_t i = 0; i < FILES; i++)
        (void)stat(files[i], &states[i]);
}

static bool
remembers(const char *user)
{
    struct stat now[FILES];

    if (!memory.user || strcmp(memory.user, user) != 0)
        return false;
    read_states(now);
    return is_same(&now[0], &memory.states[0]) && is_same(&now[1], &memory.states[1]);
}

static int
copy_account(const Account *from, Account *ret_account)
{
    Account account = *from;

    account.name = strdup(from->name);
    account.home = strdup(from->home);
    account.shell = strdup(from->shell);
    account.groups = calloc(GROUPS_MAX, sizeof *account.groups);
    if (!account.name || !account.home || !account.shell || !account.groups) {
        account_clear(&account);
        return -ENOMEM;
    }
    memcpy(account.groups, from->groups, from->n_groups * sizeof *account.groups);
    *ret_account = account;
    return 0;
}

int
account_find(const char *user, Account *ret_account)
{
    if (remembers(user))
        return copy_account(&memory.account, ret_account);
    return read_account(user, ret_account);
}

static void
forget(void)
{
    free(memory.user);
    account_clear(&memory.account);
    memory.user = NULL;
}

int
account_remember(const char *user)
{
    if (remembers(user))
        return 0;
    forget();
    read_states(memory.states);
    int r = read_account(user, &memory.account);
    memory.user = r == 0 ? strdup(user) : NULL;
    if (r == 0 && !memory.user) {
        forget();
        return -ENOMEM;
    }
    return r;
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
