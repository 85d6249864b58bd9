/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link: one connection to one agent.
 *
 * All data from the guest is hostile. A frame that breaks the protocol ends the link, and `lost`
 * reports it; the link does not guess or repair anything. Everything runs in the thread's default
 * main context.
 */
#pragma once

#include <gio/gio.h>

#include "budget.h"
#include "slots.h"
#include "wire.h"

typedef struct GuestLink GuestLink;

typedef enum {
    GUEST_GONE,           /* the channel closed: the machine has ended */
    GUEST_HUNG,           /* no answer for GUEST_HUNG_S */
    GUEST_BROKE_PROTOCOL, /* the agent sent what the protocol does not allow */
} GuestLoss;

/* While an answer is due, a guest that has been silent for so long gets a PING. */
#define GUEST_QUIET_S 5
/* A guest that has been silent for so long is lost. */
#define GUEST_HUNG_S 20

/* Called once. The link neither sends nor receives any more. The receiver must call
 * guest_link_close() or guest_link_free(), which ends all streams and requests. */
typedef void (*GuestLost)(GuestLink *link, GuestLoss why, const char *message, gpointer data);

/* Takes `fd`, a non-blocking stream socket. A runner that does not stop is killed *grace_s seconds
 * after the first interrupt; the number may change, and must live as long as the link. */
GuestLink *guest_link_new(int fd, const guint *grace_s, GuestLost lost, gpointer data);
/* Closes the connection, unless it is closed. All streams and requests end with
 * CLOCHE_ERROR_GUEST_LOST and the message `why`. Later ones fail with CLOCHE_ERROR_GUEST_LOST.
 * `lost` is not called any more. */
void guest_link_close(GuestLink *link, const char *why);
/* Closes and frees it. NULL is fine. */
void guest_link_free(GuestLink *link, const char *why);
/* Closes and frees it for a sandbox that continues without this process: streams and requests end
 * with CLOCHE_ERROR_SERVICE_STOPPING. */
void guest_link_leave(GuestLink *link);
/* From now on, the unsent frames and the large frames of runners (large-frames.h) count for a user
 * who owns the sandbox. Before, each link has slots for large frames of its own, and nobody pays.
 */
void guest_link_set_owner(GuestLink *link, Budget *buffers, Slots *large_frames);
/* While the machine is stopped, silence does not count. */
void guest_link_set_stalled(GuestLink *link, gboolean is_stalled);

/* Sends the preamble and waits for the agent's HELLO. Must be called first, and once. */
void guest_link_greet_async(GuestLink *link, guint timeout_s, GAsyncReadyCallback callback,
                            gpointer data);
gboolean guest_link_greet_finish(GuestLink *link, GAsyncResult *result, GError **error);
/* The sandbox id in the agent's HELLO, "" before a claim. NULL before the agent has greeted. */
const char *guest_link_sandbox_id(const GuestLink *link);

/* Sets the guest's clock to the host's time: now, or when the agent has greeted. Does nothing while
 * the clock is being set, while the machine is stopped (call it when the machine continues), and
 * for agents of a version that does not know CLOCK. */
void guest_link_set_clock(GuestLink *link);

/*
 * Stops all processes of the sandbox, before the machine is stopped for a snapshot. Streams and
 * requests continue to work, see "Freezing" in wire.h. Each success needs a thaw, even of another
 * connection. Errors: CLOCHE_ERROR_BUSY, a process cannot be stopped now, and all continue;
 * CLOCHE_ERROR_UNSUPPORTED, the agent is too old, and nothing was sent.
 */
void guest_link_freeze_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data);
gboolean guest_link_freeze_finish(GuestLink *link, GAsyncResult *result, GError **error);
/*
 * Sets the guest's clock to the host's time, and lets the processes continue. It may be repeated:
 * if nothing is frozen, it only sets the clock. If the answer is late, the clock is behind by the
 * delay: guest_link_set_clock() corrects it. Errors: CLOCHE_ERROR_UNSUPPORTED, the agent is too old
 * to be frozen, and nothing was sent; others mean that the clock could not be set, or that the
 * guest was lost.
 */
void guest_link_thaw_async(GuestLink *link, GAsyncReadyCallback callback, gpointer data);
gboolean guest_link_thaw_finish(GuestLink *link, GAsyncResult *result, GError **error);
