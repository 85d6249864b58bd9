/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* large-frames: bounds the memory of unfinished frames of runners. */
#include "large-frames.h"

static void
permit(gpointer job)
{
    LargeFrame *frame = job;

    frame->is_permitted = TRUE;
    frame->permitted(frame->owner);
}

Slots *
large_frames_new(void)
{
    return slots_new(LARGE_FRAMES_EACH, LARGE_FRAMES_ALL, permit);
}

void
large_frame_init(LargeFrame *frame, void (*permitted)(gpointer owner), gpointer owner)
{
    *frame = (LargeFrame){.permitted = permitted, .owner = owner};
}

gboolean
large_frame_waits(const LargeFrame *frame)
{
    return frame->slots && !frame->is_permitted;
}

/* Keeps `slots`, because the sandbox may have another owner when the slot is returned. */
void
large_frame_grow(LargeFrame *frame, Slots *slots, gpointer sandbox, gsize unfinished)
{
    gboolean waited = large_frame_waits(frame);

    if (unfinished <= LARGE_FRAME_MIN) {
        large_frame_end(frame);
        if (waited)
            frame->permitted(frame->owner);
    } else if (!frame->slots) {
        frame->slots = slots_ref(slots);
        frame->sandbox = sandbox;
        frame->is_permitted = slots_take(slots, sandbox, frame);
    }
}

void
large_frame_end(LargeFrame *frame)
{
    Slots *slots = g_steal_pointer(&frame->slots);

    if (!slots)
        return;
    if (frame->is_permitted)
        slots_release(slots, frame->sandbox);
    else
        slots_remove(slots, frame->sandbox, frame);
    frame->is_permitted = FALSE;
    slots_unref(slots);
}
