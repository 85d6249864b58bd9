/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* freeze: the requests that stop the processes of a sandbox and let them continue. */
#include "error.h"
#include "link-private.h"

#define SMALL_FRAME 512u

/* FALSE: the callback gets an error. */
static gboolean
check_version(const GuestLink *link, GAsyncReadyCallback callback, gpointer data)
{
    if (link_version(link) >= WIRE_VERSION_FREEZE)
        return TRUE;
    g_task_report_new_error(NULL, callback, data, NULL, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                            "The sandbox's agent cannot stop processes: it speaks version %u of "
                            "the protocol, not %u",
                            link_version(link), WIRE_VERSION_FREEZE);
    return FALSE;
}

void
guest_link_freeze_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data)
{
    guint8 frame[SMALL_FRAME];
    WireWriter w;

    if (!check_version(link, callback, data))
        return;
    wire_frame_begin(&w, frame, sizeof(frame));
    link_send_request(link, &w, WIRE_FREEZE, callback, data);
}

gboolean
guest_link_freeze_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
guest_link_thaw_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data)
{
    guint8 frame[SMALL_FRAME];
    WireWriter w;

    if (!check_version(link, callback, data))
        return;
    wire_frame_begin(&w, frame, sizeof(frame));
    wire_put_u64(&w, (guint64)g_get_real_time() * 1000);
    link_send_request(link, &w, WIRE_THAW, callback, data);
}

gboolean
guest_link_thaw_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
