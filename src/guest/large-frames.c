/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* large-frames: bounds what unfinished frames of a sandbox's runners take. */
#include "large-frames.h"

void
large_frames_init(LargeFrames *frames)
{
    frames->permitted = 0;
    g_queue_init(&frames->waiting);
}

void
large_frame_init(LargeFrame *frame, void (*permitted)(gpointer owner), gpointer owner)
{
    *frame = (LargeFrame){.permitted = permitted, .owner = owner};
    frame->link.data = frame;
}

static void
permit(LargeFrames *frames, LargeFrame *frame)
{
    frame->is_permitted = TRUE;
    frames->permitted++;
}

/* `permitted` may end other frames. */
static void
permit_next(LargeFrames *frames)
{
    GList *link;

    while (frames->permitted < LARGE_FRAMES_MAX &&
           (link = g_queue_pop_head_link(&frames->waiting))) {
        LargeFrame *frame = link->data;

        frame->waits = FALSE;
        permit(frames, frame);
        frame->permitted(frame->owner);
    }
}

static void
give_back(LargeFrames *frames, LargeFrame *frame)
{
    if (!frame->is_permitted)
        return;
    frame->is_permitted = FALSE;
    frames->permitted--;
    permit_next(frames);
}

gboolean
large_frame_grow(LargeFrames *frames, LargeFrame *frame, gsize unfinished)
{
    if (unfinished <= LARGE_FRAME_MIN)
        give_back(frames, frame);
    else if (!frame->is_permitted && frames->permitted < LARGE_FRAMES_MAX)
        permit(frames, frame);
    else if (!frame->is_permitted && !frame->waits) {
        frame->waits = TRUE;
        g_queue_push_tail_link(&frames->waiting, &frame->link);
    }
    return unfinished <= LARGE_FRAME_MIN || frame->is_permitted;
}

void
large_frame_end(LargeFrames *frames, LargeFrame *frame)
{
    if (frame->waits)
        g_queue_unlink(&frames->waiting, &frame->link);
    frame->waits = FALSE;
    give_back(frames, frame);
}
