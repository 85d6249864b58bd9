/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* claim: requests to the agent that concern its whole machine. */
#include "claim.h"

#include <string.h>

#include "error.h"
#include "link-private.h"
#include "util.h"

#define SMALL_FRAME 512u

void
guest_link_claim_async(GuestLink *link, const GuestClaim *claim, GAsyncReadyCallback callback,
                       gpointer data)
{
    g_autofree guint8 *frame = g_malloc(WIRE_FRAME_MAX);
    guint8 machine_id[16], entropy[64];
    WireWriter w;

    util_random(machine_id, sizeof(machine_id));
    util_random(entropy, sizeof(entropy));
    wire_frame_begin(&w, frame, WIRE_FRAME_MAX);
    wire_put_string(&w, claim->id);
    wire_put_string(&w, claim->hostname);
    wire_put_bytes(&w, machine_id, sizeof(machine_id));
    wire_put_bytes(&w, entropy, sizeof(entropy));
    wire_put_u64(&w, (guint64)g_get_real_time() * 1000);
    wire_put_string(&w, claim->user);
    wire_put_strv(&w, claim->environment);
    link_send_request(link, &w, WIRE_CLAIM, callback, data);
}

gboolean
guest_link_claim_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
guest_link_quiesce_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data)
{
    guint8 frame[SMALL_FRAME];
    WireWriter w;

    wire_frame_begin(&w, frame, sizeof(frame));
    link_send_request(link, &w, WIRE_QUIESCE, callback, data);
}

gboolean
guest_link_quiesce_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
guest_link_trust_async(GuestLink *link, const char *pem, GAsyncReadyCallback callback,
                       gpointer data)
{
    g_autofree guint8 *frame = NULL;
    gsize size = strlen(pem);
    WireWriter w;

    /* An agent that has not greeted yet, because its machine is paused, answers later. */
    if (link_version(link) != 0 && link_version(link) < WIRE_VERSION_TRUST) {
        g_task_report_new_error(NULL, callback, data, NULL, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                                "The sandbox's agent cannot add certificates: it speaks version %u "
                                "of the protocol, not %u",
                                link_version(link), WIRE_VERSION_TRUST);
        return;
    }
    if (size > WIRE_CERTIFICATES_MAX) {
        g_task_report_new_error(
            NULL, callback, data, NULL, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
            "The certificates have %zu bytes, not at most %u", size, WIRE_CERTIFICATES_MAX);
        return;
    }
    frame = g_malloc(SMALL_FRAME + size);
    wire_frame_begin(&w, frame, SMALL_FRAME + size);
    wire_put_string(&w, pem);
    link_send_request(link, &w, WIRE_TRUST, callback, data);
}

gboolean
guest_link_trust_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
