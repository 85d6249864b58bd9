/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * large-frames: bounds what unfinished frames of a sandbox's runners take.
 *
 * A runner's frame may have 16 MiB, and the host holds it until it has arrived. So only some of a
 * sandbox's runners may have a frame under way that is larger than a window. The others get no
 * credit for more bytes until one of those has finished its frame or ended.
 */
#pragma once

#include <glib.h>

#include "wire.h"

/* Runners of a sandbox that may have a large frame under way. */
#define LARGE_FRAMES_MAX 2u
/* Frames up to this size need no permission. */
#define LARGE_FRAME_MIN WIRE_WINDOW

typedef struct {
    gboolean is_permitted, waits;
    GList link;                        /* in `waiting`, while it waits */
    void (*permitted)(gpointer owner); /* it may go on */
    gpointer owner;
} LargeFrame;

typedef struct {
    guint permitted;
    GQueue waiting; /* of LargeFrame */
} LargeFrames;

void large_frames_init(LargeFrames *frames);

void large_frame_init(LargeFrame *frame, void (*permitted)(gpointer owner), gpointer owner);
/* The runner has `unfinished` bytes of a frame. FALSE: it must wait; `permitted` is called when it
 * may go on. */
gboolean large_frame_grow(LargeFrames *frames, LargeFrame *frame, gsize unfinished);
/* The runner has ended. */
void large_frame_end(LargeFrames *frames, LargeFrame *frame);
