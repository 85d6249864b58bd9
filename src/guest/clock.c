/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock: the guest's time of day.
 *
 * The agent's answer is no request's: nobody waits for it, and its silence ends no sandbox that is
 * idle. It tells how long the frame was under way. What came late has set the clock back by that,
 * so it is sent again; so is one that was under way while the machine stood still.
 */
#include "link-private.h"
#include "util.h"

#define FRAME_SIZE 64u
#define LATE_US (100 * G_TIME_SPAN_MILLISECOND)
#define TRIES 3 /* a guest that is always late is as right as it can be */

static void
send_clock(GuestLink *link)
{
    guint8 frame[FRAME_SIZE];
    WireWriter w;

    link->clock_number = link_next_number(link);
    link->clock_sent_us = util_boottime_us();
    link->clock_tries++;
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u64(&w, (guint64)g_get_real_time() * 1000);
    link_send(link, frame, (gsize)wire_frame_end(&w, link->clock_number, WIRE_CLOCK, WIRE_STDIN));
}

void
guest_link_set_clock(GuestLink *link)
{
    link->clock_is_due = link->version == 0;
    if (link->dead || link->is_stalled || link->clock_number != 0 ||
        link->version < WIRE_VERSION_CLOCK)
        return;
    link->clock_tries = 0;
    send_clock(link);
}

void
clock_greeted(GuestLink *link)
{
    if (link->clock_is_due)
        guest_link_set_clock(link);
}

gboolean
clock_answered(GuestLink *link, const WireHeader *header, const guint8 *payload)
{
    gint64 took_us = util_boottime_us() - link->clock_sent_us;
    g_autoptr(GError) error = NULL;

    link->clock_number = 0;
    if (header->type == WIRE_ERROR) {
        error = stream_read_error(payload, header->length);
        if (error)
            g_debug("The clock of sandbox '%s' could not be set: %s", link->sandbox_id,
                    error->message);
        return error != NULL;
    }
    if (header->type != WIRE_OK || header->length > 0)
        return FALSE;
    if (took_us > LATE_US && link->clock_tries < TRIES)
        send_clock(link);
    return TRUE;
}
