/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* internal: messages between the master and a worker. */
#include "internal.h"

#include <string.h>

gboolean
internal_unpack(const void *packet, gsize size, gboolean has_fd, gboolean from_worker,
                EgressHead *ret_head, const guint8 **ret_payload)
{
    EgressHead head;

    if (size < sizeof head)
        return FALSE;
    memcpy(&head, packet, sizeof head);
    head.id[sizeof head.id - 1] = '\0';
    if (head.version != EGRESS_PROTOCOL_VERSION || head.length != size - sizeof head ||
        has_fd != (head.type == INTERNAL_RESOLVER) ||
        (from_worker ? head.type != INTERNAL_WANT_RESOLVER
                     : head.type < INTERNAL_VALUE || head.type > INTERNAL_DROP))
        return FALSE;
    *ret_head = head;
    *ret_payload = (const guint8 *)packet + sizeof head;
    return TRUE;
}
