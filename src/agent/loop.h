/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop: one epoll set, always edge-triggered.
 *
 * A virtio port reports a hang-up while the host is not connected, and a pipe while its last bytes
 * are unread. A level-triggered wait would return at once all the time. So an event only sets a
 * flag of the source's owner, and the owner then works in turns until a call returns EAGAIN.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct Source Source;
typedef void (*SourceReady)(Source *source, uint32_t events);

/* Embedded in the struct of its owner. */
struct Source {
    int fd; /* -1: closed */
    SourceReady ready;
};

#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)((char *)(pointer) - __builtin_offsetof(type, member)))

/* Opens the epoll set. Call it once. */
int loop_open(void);

/* Watches `fd` for EPOLL* `events`. The source owns `fd`. On failure `fd` is closed. */
int source_open(Source *source, int fd, uint32_t events, SourceReady ready);

/* Stops watching and closes the descriptor. A closed source stays closed. */
void source_close(Source *source);

/* Waits for one event, if `block`, and delivers it. */
void loop_turn(bool block);
