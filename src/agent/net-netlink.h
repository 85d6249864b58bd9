/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-netlink: one rtnetlink request at a time, and its answer. Functions return 0 or -errno. */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_REQUEST_MAX 512u

typedef struct {
    struct nlmsghdr header;
    uint8_t body[NETLINK_REQUEST_MAX];
} NetlinkRequest;

/* Opens a socket that also receives the messages of these groups (RTMGRP_…). Returns its
 * descriptor. */
int netlink_open(uint32_t groups);

/* Begins a request with its fixed part. `flags`: NLM_F_*. */
void netlink_begin(NetlinkRequest *request, uint16_t type, uint16_t flags, const void *fixed,
                   size_t size);
void netlink_put(NetlinkRequest *request, uint16_t attribute, const void *data, size_t size);
void netlink_put_u32(NetlinkRequest *request, uint16_t attribute, uint32_t value);
/* Attributes that are put between these two calls are nested. */
size_t netlink_nest(NetlinkRequest *request, uint16_t attribute);
void netlink_nest_end(NetlinkRequest *request, size_t nest);

/* Sends the request and waits for its acknowledgement. Not for a socket with groups. */
int netlink_ask(int fd, NetlinkRequest *request);
/* Only sends it. */
int netlink_send(int fd, NetlinkRequest *request);
