/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * large-frames: bounds the memory of unfinished frames of runners.
 *
 * A runner's frame may have 16 MiB, and the host holds it until it has arrived. So only some of a
 * sandbox's runners, and of the runners of all sandboxes of a user, may have a frame under way that
 * is larger than a window. The others get no credit for more bytes until one of those has finished
 * its frame or ended. Sandboxes take turns: one that never finishes its frames keeps its own
 * slots, and leaves the other slots of its owner to the other sandboxes.
 */
#pragma once

#include "slots.h"
#include "wire.h"

/* Runners of each sandbox, and of all sandboxes of a user, that may have a large frame under way.
 */
#define LARGE_FRAMES_EACH 2u
#define LARGE_FRAMES_ALL 4u
/* Frames up to this size need no slot. */
#define LARGE_FRAME_MIN WIRE_WINDOW

typedef struct {
    Slots *slots; /* in which it has a slot or waits; NULL: it needs none */
    gpointer sandbox;
    gboolean is_permitted;
    void (*permitted)(gpointer owner); /* it has waited, and may go on */
    gpointer owner;
} LargeFrame;

/* The slots of a user, whose parties are the sandboxes and whose jobs are frames. */
Slots *large_frames_new(void);

void large_frame_init(LargeFrame *frame, void (*permitted)(gpointer owner), gpointer owner);
/* The runner has `unfinished` bytes of a frame. A frame that needs a slot takes it from `slots`. If
 * it has to wait for the slot, large_frame_waits() is TRUE until `permitted` is called. */
void large_frame_grow(LargeFrame *frame, Slots *slots, gpointer sandbox, gsize unfinished);
gboolean large_frame_waits(const LargeFrame *frame);
/* The runner has ended. */
void large_frame_end(LargeFrame *frame);
