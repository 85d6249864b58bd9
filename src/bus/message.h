/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * message: the answers that the service sends, and the size of messages.
 *
 * dbus-daemon disconnects a sender whose message has more than 32 MiB, which would end the service
 * for all users. So no message of the service has more than half of that.
 */
#pragma once

#include <gio/gunixfdlist.h>

#define MESSAGE_SIZE_MAX (16u * 1024 * 1024)

/* What an answer needs of the call. */
typedef struct {
    const char *to; /* unique name; owned by the caller's Peer */
    guint32 serial; /* of the call */
    gboolean is_expected;
} MessageAddress;

MessageAddress message_address(const char *to, GDBusMessage *call);

/* `value`: the tuple of the answers, floating, or NULL for none. `fds`: NULL, or the descriptors
 * that `value` names by their index. */
GDBusMessage *message_answer(const MessageAddress *address, GVariant *value, GUnixFDList *fds);
GDBusMessage *message_error(const MessageAddress *address, const GError *error);

/*
 * Moves the descriptors of a message that has arrived to an array, which closes them by closer.h
 * when neither the message nor a caller of message_ref_fds() has a reference.
 */
void message_take_fds(GDBusMessage *message);
guint message_count_fds(GDBusMessage *message);
/* NULL: there are none. */
GArray *message_ref_fds(GDBusMessage *message);

/* Bytes of the message on the bus: exact where they may be more than MESSAGE_SIZE_MAX. */
gsize message_size(GDBusMessage *message);

/*
 * Returns the memory that a received value needs: GLib makes an object of each value that is not an
 * array of bytes or numbers, and a message of 32 MiB can have eight million of them. Stops to
 * count beyond `max`.
 */
gsize message_weight(GVariant *value, gsize max);
#define MESSAGE_VALUE_WEIGHT 160u
#define MESSAGE_WEIGHT 2048u /* of a message without arguments */

/*
 * A list that its caller can continue, or whose end a flag reports, stops before its message gets
 * too large. FALSE: the value, floating or not, has no room any more.
 */
typedef struct {
    gsize left; /* MESSAGE_LIST_MAX, or less */
} MessageRoom;
#define MESSAGE_LIST_MAX (MESSAGE_SIZE_MAX - 64u * 1024)
gboolean message_room_take(MessageRoom *room, GVariant *value);
