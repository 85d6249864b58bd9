/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-gate: the header of a message that is too large, as any user can write it. */
#include <stddef.h>
#include <stdint.h>

#include "gate-header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GDBusMessage) answer = NULL;
    g_autofree guint8 *blob = NULL;
    GateSize found;
    gsize length;

    if (size < GATE_HEADER_FIXED || !gate_header_size(data, &found) || found.header > size)
        return 0;
    answer = gate_header_refuse(data, found.header, 1000);
    if (!answer)
        return 0;
    g_assert_true(g_dbus_is_unique_name(g_dbus_message_get_destination(answer)));
    g_dbus_message_set_serial(answer, 1);
    blob = g_dbus_message_to_blob(answer, &length, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
    g_assert_nonnull(blob);
    return 0;
}
