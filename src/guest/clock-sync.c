/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clock-sync: sets the guest's clock. */
#include "clock-sync.h"

#include "guest-error.h"
#include "util.h"

#define LATE_US (100 * G_TIME_SPAN_MILLISECOND)
#define TRIES_MAX 3

void
clock_sync_init(ClockSync *sync, guint32 (*send)(gpointer data), gpointer data)
{
    *sync = (ClockSync){.send = send, .data = data};
}

static void
send_once(ClockSync *sync)
{
    sync->sent_us = util_boottime_us();
    sync->tries++;
    sync->number = sync->send(sync->data);
}

void
clock_sync_begin(ClockSync *sync)
{
    if (sync->number != 0)
        return;
    sync->tries = 0;
    send_once(sync);
}

gboolean
clock_sync_expects(const ClockSync *sync, guint32 number)
{
    return sync->number != 0 && number == sync->number;
}

gboolean
clock_sync_answer(ClockSync *sync, const WireHeader *header, const guint8 *payload,
                  GError **ret_refusal)
{
    gint64 took_us = util_boottime_us() - sync->sent_us;

    sync->number = 0;
    if (header->type == WIRE_ERROR) {
        *ret_refusal = guest_error_read(payload, header->length);
        return *ret_refusal != NULL;
    }
    if (header->type != WIRE_OK || header->length > 0)
        return FALSE;
    if (took_us > LATE_US && sync->tries < TRIES_MAX)
        send_once(sync);
    return TRUE;
}
