/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exchanges: what a guest may send, and when.
 *
 * Each number of a connection is an exchange: the greeting, a request, a PING, or a stream. One
 * table says for each stage of an exchange which frames the guest may send. Any other frame breaks
 * the protocol. So a guest sends nothing that the host has not asked for, and each function behind
 * this one sees frames in an order that the protocol allows.
 *
 * Frames of a stream that the host has closed may be on their way: its exchange continues until the
 * guest has answered something that was sent later.
 */
#pragma once

#include <glib.h>

#include "wire.h"

/* The greeting's number. */
#define EXCHANGE_GREETING_NUMBER 0u

typedef enum {
    EXCHANGE_OVER, /* the number is not in use */
    EXCHANGE_GREETING,
    EXCHANGE_REQUEST,
    EXCHANGE_PING,
    EXCHANGE_OPENING, /* START or ATTACH was sent */
    EXCHANGE_RUNNING,
    EXCHANGE_REAPED, /* its process has ended, and output is still to come */
    _EXCHANGE_MAX,
} ExchangeStage;

typedef struct {
    GHashTable *open; /* guint32 number → Exchange */
    GQueue closed;    /* of Exchange that the host has closed, the oldest first */
    guint due;        /* how many the guest owes something */
    guint32 last_number;
} Exchanges;

void exchanges_init(Exchanges *exchanges);
void exchanges_clear(Exchanges *exchanges);

/* A number that was not used in this connection. */
guint32 exchanges_next_number(Exchanges *exchanges);
/* The host sends the frame that begins an exchange: `stage` is the first one. `channels` is a bit
 * for each channel on which the guest may send DATA and EOF. Requests and streams are due. */
void exchanges_begin(Exchanges *exchanges, guint32 number, ExchangeStage stage, guint channels);
/* Whether the guest owes something, so that its silence counts. */
void exchanges_set_due(Exchanges *exchanges, guint32 number, gboolean is_due);
/* The host has closed the stream. Does nothing if the exchange is over. */
void exchanges_close(Exchanges *exchanges, guint32 number);
/* The guest has sent a frame. FALSE: it must not send it now. */
gboolean exchanges_receive(Exchanges *exchanges, const WireHeader *header);

/* Whether the guest owes anything. */
gboolean exchanges_are_due(const Exchanges *exchanges);
/* How many are not over. */
guint exchanges_count(const Exchanges *exchanges);
/* How many of these the host has closed. */
guint exchanges_count_closed(const Exchanges *exchanges);

/* The channels of a process that is started with these flags (START_…). */
guint exchanges_channels(guint32 start_flags);
