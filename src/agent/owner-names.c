/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner-names: two tables, filled at the first use. */
#include "owner-names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 65536u

typedef struct {
    char *name;
    unsigned id;
} Entry;

typedef struct {
    Entry *entries;
    size_t count;
    int is_read;
} NameTable;

static NameTable users, groups;

static void
add(NameTable *table, const char *name, unsigned id)
{
    Entry *entries = reallocarray(table->entries, table->count + 1, sizeof *entries);

    if (!entries)
        return;
    table->entries = entries;
    entries[table->count].name = strdup(name);
    entries[table->count].id = id;
    table->count += entries[table->count].name != NULL;
}

static const NameTable *
read_users(void)
{
    FILE *file = users.is_read ? NULL : fopen("/etc/passwd", "re");

    users.is_read = 1;
    if (!file)
        return &users;
    for (struct passwd *entry; users.count < ENTRIES_MAX && (entry = fgetpwent(file));)
        add(&users, entry->pw_name, entry->pw_uid);
    fclose(file);
    return &users;
}

static const NameTable *
read_groups(void)
{
    FILE *file = groups.is_read ? NULL : fopen("/etc/group", "re");

    groups.is_read = 1;
    if (!file)
        return &groups;
    for (struct group *entry; groups.count < ENTRIES_MAX && (entry = fgetgrent(file));)
        add(&groups, entry->gr_name, entry->gr_gid);
    fclose(file);
    return &groups;
}

static const char *
name_in(const NameTable *table, unsigned id)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].id == id)
            return table->entries[i].name;
    return "";
}

const char *
names_user(uid_t uid)
{
    return name_in(read_users(), uid);
}

const char *
names_group(gid_t gid)
{
    return name_in(read_groups(), gid);
}

static int
parse_one(const NameTable *table, const char *text, unsigned *ret)
{
    char *end;

    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->entries[i].name, text) == 0) {
            *ret = table->entries[i].id;
            return 0;
        }
    if (!*text || text[strspn(text, "0123456789")])
        return -ENOENT;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || number >= NAMES_KEEP)
        return -EINVAL;
    *ret = (unsigned)number;
    return 0;
}

int
names_parse_owner(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
    char *copy = strdup(text), *colon = copy ? strchr(copy, ':') : NULL;
    unsigned uid = NAMES_KEEP, gid = NAMES_KEEP;
    int r = copy ? 0 : -ENOMEM;

    if (colon)
        *colon = '\0';
    if (r == 0 && (*copy || !colon))
        r = parse_one(read_users(), copy, &uid);
    if (r == 0 && colon)
        r = parse_one(read_groups(), colon + 1, &gid);
    free(copy);
    if (r < 0)
        return r;
    *ret_uid = uid;
    *ret_gid = gid;
    return 0;
}
