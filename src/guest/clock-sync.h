/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock-sync: sets the guest's clock.
 *
 * No caller waits for the agent's answer, and a missing answer does not end an idle sandbox. The
 * answer shows how long the frame was on its way. A frame that took more than 100 ms has set the
 * clock too late by that time, so it is sent again, at most three times in all. The same applies to
 * a frame that was on its way while the machine was stopped.
 */
#pragma once

#include <glib.h>

#include "wire.h"

typedef struct {
    guint32 (*send)(gpointer data);
    gpointer data;
    guint32 number; /* of the frame under way; 0: none */
    gint64 sent_us; /* on CLOCK_BOOTTIME */
    guint tries;
} ClockSync;

/* `send` sends a CLOCK frame with the time of day, and returns the frame's number. */
void clock_sync_init(ClockSync *sync, guint32 (*send)(gpointer data), gpointer data);
/* Sends a frame, unless one is under way. */
void clock_sync_begin(ClockSync *sync);
/* Whether a frame with this number answers the frame under way. */
gboolean clock_sync_expects(const ClockSync *sync, guint32 number);
/* Takes the answer. FALSE when it breaks the protocol. Sets *ret_refusal when the guest could not
 * set its clock. */
gboolean clock_sync_answer(ClockSync *sync, const WireHeader *header, const guint8 *payload,
                           GError **ret_refusal);
