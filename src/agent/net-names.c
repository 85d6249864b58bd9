/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-names: arrays, so that a search reads few bytes of each name.
 *
 * Searches are linear: there is one for each lookup and each connection, both of which cost much
 * more.
 */
#include "net-names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
    size_t max, count;
    uint32_t first, last; /* addresses */
    uint32_t next;        /* the address to try next */
    uint64_t clock;       /* counts uses */
    uint32_t *hashes, *addresses;
    uint64_t *used; /* the clock at the last use */
    uint32_t *users;
    char (*texts)[NET_NAME_MAX + 1];
} names;

int
net_names_open(size_t max, uint32_t first, uint32_t last)
{
    names.max = max;
    names.first = names.next = first;
    names.last = last;
    names.hashes = calloc(max, sizeof *names.hashes);
    names.addresses = calloc(max, sizeof *names.addresses);
    names.used = calloc(max, sizeof *names.used);
    names.users = calloc(max, sizeof *names.users);
    names.texts = calloc(max, sizeof *names.texts);
    if (names.hashes && names.addresses && names.used && names.users && names.texts)
        return 0;
    net_names_close();
    return -ENOMEM;
}

void
net_names_close(void)
{
    free(names.hashes);
    free(names.addresses);
    free(names.used);
    free(names.users);
    free(names.texts);
    memset(&names, 0, sizeof names);
}

/* FNV-1a */
static uint32_t
hash(const char *name)
{
    uint32_t value = 2166136261u;

    for (; *name; name++)
        value = (value ^ (uint8_t)*name) * 16777619u;
    return value;
}

static int
use(size_t index)
{
    names.used[index] = ++names.clock;
    return (int)index;
}

int
net_names_find(uint32_t address)
{
    for (size_t i = 0; i < names.count; i++)
        if (names.addresses[i] == address)
            return use(i);
    return -1;
}

/* The entry of the name that was not used for the longest time. */
static int
find_victim(void)
{
    int victim = -1;

    for (size_t i = 0; i < names.count; i++)
        if (names.users[i] == 0 && (victim < 0 || names.used[i] < names.used[victim]))
            victim = (int)i;
    return victim;
}

static bool
is_given(uint32_t address)
{
    for (size_t i = 0; i < names.count; i++)
        if (names.addresses[i] == address)
            return true;
    return false;
}

static uint32_t
take_address(void)
{
    uint32_t address;

    do {
        address = names.next;
        names.next = address == names.last ? names.first : address + 1;
    } while (is_given(address));
    return address;
}

static int
add(const char *name, uint32_t hashed)
{
    uint32_t address = take_address();
    int index = names.count < names.max ? (int)names.count++ : find_victim();

    if (index < 0)
        return -1;
    names.hashes[index] = hashed;
    names.addresses[index] = address;
    strncpy(names.texts[index], name, NET_NAME_MAX);
    return use((size_t)index);
}

int
net_names_give(const char *name)
{
    uint32_t hashed = hash(name);

    for (size_t i = 0; i < names.count; i++)
        if (names.hashes[i] == hashed && strcmp(names.texts[i], name) == 0)
            return use(i);
    return add(name, hashed);
}

bool
net_names_covers(uint32_t address)
{
    return address >= names.first - 1 && address <= names.last + 1;
}

const char *
net_names_text(int index)
{
    return names.texts[index];
}

uint32_t
net_names_address(int index)
{
    return names.addresses[index];
}

void
net_names_hold(int index)
{
    names.users[index]++;
}

void
net_names_release(int index)
{
    names.users[index]--;
}

/* Also overwrites what is left of each name, because a snapshot contains the memory. */
void
net_names_forget(void)
{
    memset(names.texts, 0, names.count * sizeof *names.texts);
    memset(names.hashes, 0, names.count * sizeof *names.hashes);
    memset(names.users, 0, names.count * sizeof *names.users);
    names.count = 0;
    names.next = names.first;
}
