/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bucket: limits a rate. */
#include "bucket.h"

#define BURST_MIN (4 * BUCKET_QUANTUM)

void
bucket_init(Bucket *bucket, guint64 rate, guint64 burst, gint64 now)
{
    *bucket = (Bucket){.rate = rate, .burst = burst, .level = burst, .at = now};
}

void
bucket_set_bandwidth(Bucket *bucket, guint64 rate, gint64 now)
{
    guint64 level = bucket->rate == 0 ? BURST_MIN : bucket->level;

    bucket_init(bucket, rate, MAX(rate / 10, BURST_MIN), now);
    bucket->level = MIN(level, bucket->burst);
}

/* Time that gives less than a token is kept for the next call. */
static void
fill(Bucket *bucket, gint64 now)
{
    guint64 passed = now > bucket->at ? (guint64)(now - bucket->at) : 0;
    double tokens = (double)passed * (double)bucket->rate / G_USEC_PER_SEC;

    if (tokens < 1)
        return;
    if (tokens >= (double)(bucket->burst - bucket->level)) {
        bucket->level = bucket->burst;
        bucket->at = now;
        return;
    }
    bucket->level += (guint64)tokens;
    bucket->at += (gint64)((double)(guint64)tokens * G_USEC_PER_SEC / (double)bucket->rate);
}

gboolean
bucket_take(Bucket *bucket, gint64 now)
{
    if (bucket->rate == 0)
        return TRUE;
    fill(bucket, now);
    if (bucket->level == 0)
        return FALSE;
    bucket->level--;
    return TRUE;
}

gsize
bucket_allows(Bucket *bucket, gsize wanted, gint64 now)
{
    if (bucket->rate == 0)
        return wanted;
    fill(bucket, now);
    return bucket->level < MIN(wanted, BUCKET_QUANTUM) ? 0 : MIN(wanted, bucket->level);
}

void
bucket_spend(Bucket *bucket, gsize bytes)
{
    bucket->level -= MIN(bytes, bucket->level);
}

gint64
bucket_next(const Bucket *bucket)
{
    guint64 missing = bucket->level < BUCKET_QUANTUM ? BUCKET_QUANTUM - bucket->level : 0;

    if (bucket->rate == 0 || missing == 0)
        return bucket->at;
    return bucket->at + (gint64)((double)missing * G_USEC_PER_SEC / (double)bucket->rate) + 1;
}
