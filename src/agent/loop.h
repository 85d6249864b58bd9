/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop: one epoll set, edge-triggered throughout.
 *
 * A virtio port reports a hang-up for as long as the host is away, and a pipe reports one for as
 * long as nobody takes its last bytes: a level-triggered wait would spin on both. So an edge only
 * sets a mark at whoever owns the source, and the work is done, in turns, until a call says EAGAIN.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct Source Source;
typedef void (*SourceReady)(Source *source, uint32_t events);

/* Embedded in what it belongs to. */
struct Source {
    int fd; /* -1: closed */
    SourceReady ready;
};

#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)((char *)(pointer) - __builtin_offsetof(type, member)))

/* Opens the set; once. */
int loop_open(void);

/* Watches `fd`, which the source owns from now on, for EPOLL* `events`. On failure `fd` is closed.
 */
int source_open(Source *source, int fd, uint32_t events, SourceReady ready);

/* Stops watching and closes the descriptor. A closed source stays closed. */
void source_close(Source *source);

/* Waits for one event, if `block`, and delivers it. */
void loop_turn(bool block);
