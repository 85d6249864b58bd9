/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-names: the synthetic addresses by which programs of the guest connect to names.
 *
 * Each name has an address of its own. When the table is full, the name that was not used for the
 * longest time loses its address, unless a connection uses it. Addresses are given in turn, so an
 * address that was lost belongs to nobody for a long time: a program that still uses it is refused
 * instead of being connected to another name.
 *
 * Names are lower case, without a dot at the end. No function but net_names_open() allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

#define NET_NAMES_MAX 4096u
/* 198.18.0.0/15, which is for benchmarks of networks, but for its first and last address. In host
 * order, as all addresses here. */
#define NET_NAMES_FIRST 0xC6120001u
#define NET_NAMES_LAST 0xC613FFFEu

/* Gives addresses from `first` to `last` to at most `max` names; there must be more addresses than
 * names. 0 or -ENOMEM. */
int net_names_open(size_t max, uint32_t first, uint32_t last);
void net_names_close(void);

/* The index of the name in the table, with a new address if it had none. -1 if connections use all
 * names. */
int net_names_give(const char *name);
/* The index of the name that has this address, or -1. */
int net_names_find(uint32_t address);
/* Whether the address is one of those that names get. */
bool net_names_covers(uint32_t address);

const char *net_names_text(int index);
uint32_t net_names_address(int index);

/* A connection begins or ends to use the name. */
void net_names_hold(int index);
void net_names_release(int index);

/* Forgets all names. No connection may use one. */
void net_names_forget(void);
