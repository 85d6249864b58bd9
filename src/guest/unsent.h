/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unsent: the frames for a guest that its socket has not taken yet.
 *
 * The first UNSENT_FREE bytes are not charged. They have room for the data of streams, which take
 * turns and whose data is charged to their operations. Bytes beyond UNSENT_FREE are charged to the
 * owner of the sandbox. They are frames that open streams, whose operations may have ended, and
 * small frames that streams and requests send at any time. The charge ends when no more than
 * UNSENT_FREE bytes are left.
 */
#pragma once

#include "budget.h"

/* Streams send data and credit while fewer bytes are unsent, so a new frame never waits long. */
#define UNSENT_AHEAD (64u * 1024)
/* A preamble and the frame that opens a stream. */
#define UNSENT_FREE (512u * 1024)
/* With more unsent bytes, new streams are refused: the guest takes nothing. */
#define UNSENT_MAX (8u * 1024 * 1024)
/* With more unsent bytes, the guest is lost: it makes the host send frames, and reads none. */
#define UNSENT_END (16u * 1024 * 1024)
/* With more bytes for which the owner's budget had no room, the guest is lost, too. */
#define UNSENT_UNPAID_END UNSENT_FREE

typedef struct {
    GByteArray *bytes;
    Budget *budget; /* NULL: nobody is charged */
    gsize charged;
} Unsent;

void unsent_init(Unsent *unsent);
void unsent_clear(Unsent *unsent);
/* From now on, this budget is charged; NULL: none. */
void unsent_set_budget(Unsent *unsent, Budget *budget);
/* The connection is over: forgets all bytes. */
void unsent_drop(Unsent *unsent);

gsize unsent_size(const Unsent *unsent);
/* Whether streams may send data and credit now. */
gboolean unsent_is_short(const Unsent *unsent);
/* Whether the guest is lost. */
gboolean unsent_is_excessive(const Unsent *unsent);
/* Whether a frame of `size` bytes that opens a stream may be added: CLOCHE_ERROR_BUSY or
 * CLOCHE_ERROR_QUOTA_EXCEEDED. */
gboolean unsent_check_room(const Unsent *unsent, gsize size, GError **error);

/* Sends a frame, or as much of it as the socket takes, and keeps the rest. */
void unsent_add(Unsent *unsent, int fd, const guint8 *frame, gsize size);
/* Sends as much as the socket takes. Returns 0 or -errno. */
int unsent_send(Unsent *unsent, int fd);
