/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bucket: limits a rate. Tokens arrive at the rate, up to a burst, and what is done takes them.
 *
 * All functions are pure. Times are microseconds of a monotonic clock.
 */
#pragma once

#include <glib.h>

/* Bytes are only moved in pieces of this size, so that a low rate does not make tiny frames. */
#define BUCKET_QUANTUM (16u * 1024)

typedef struct {
    guint64 rate; /* tokens per second; 0: no limit */
    guint64 burst;
    guint64 level;
    gint64 at; /* when `level` was right */
} Bucket;

/* A bucket that is full. */
void bucket_init(Bucket *bucket, guint64 rate, guint64 burst, gint64 now);
/* For bytes: the burst is a tenth of a second's, at least four quanta. Keeps the level. */
void bucket_set_bandwidth(Bucket *bucket, guint64 rate, gint64 now);

/* Takes one token. FALSE: there is none. */
gboolean bucket_take(Bucket *bucket, gint64 now);

/* Returns how many of `wanted` bytes may be moved now: 0 until there is a quantum, or all of them.
 * bucket_spend() takes those that were moved. */
gsize bucket_allows(Bucket *bucket, gsize wanted, gint64 now);
void bucket_spend(Bucket *bucket, gsize bytes);
/* Returns when there is a quantum. */
gint64 bucket_next(const Bucket *bucket);
