/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-bucket: rates, bursts and quanta. */
#include "bucket.h"

#define SECOND ((gint64)G_USEC_PER_SEC)

static void
test_tokens(void)
{
    Bucket bucket;

    bucket_init(&bucket, /* rate= */ 10, /* burst= */ 3, /* now= */ SECOND);
    for (guint i = 0; i < 3; i++)
        g_assert_true(bucket_take(&bucket, SECOND));
    g_assert_false(bucket_take(&bucket, SECOND));
    g_assert_false(bucket_take(&bucket, SECOND + 99999));
    g_assert_true(bucket_take(&bucket, SECOND + 100000));
    g_assert_false(bucket_take(&bucket, SECOND + 100000));
    for (guint i = 0; i < 3; i++)
        g_assert_true(bucket_take(&bucket, 100 * SECOND));
    g_assert_false(bucket_take(&bucket, 100 * SECOND));
    g_assert_false(bucket_take(&bucket, 50 * SECOND)); /* a clock that goes back */
}

/* Time that gives less than a token is not lost, however often one asks. */
static void
test_fractions(void)
{
    Bucket bucket;
    guint taken = 0;

    bucket_init(&bucket, 3, 1, 0);
    g_assert_true(bucket_take(&bucket, 0));
    for (gint64 now = 0; now <= 10 * SECOND; now += 1000)
        taken += bucket_take(&bucket, now) ? 1 : 0;
    g_assert_cmpuint(taken, >=, 29);
    g_assert_cmpuint(taken, <=, 30);
}

static void
test_no_limit(void)
{
    Bucket bucket;

    bucket_init(&bucket, 0, 0, 0);
    for (guint i = 0; i < 1000; i++)
        g_assert_true(bucket_take(&bucket, 0));
    g_assert_cmpuint(bucket_allows(&bucket, 1 << 30, 0), ==, 1 << 30);
}

static void
test_quanta(void)
{
    Bucket bucket = {0};
    gint64 now = SECOND;

    bucket_set_bandwidth(&bucket, 100000, now);
    g_assert_cmpuint(bucket_allows(&bucket, G_MAXUINT32, now), ==, 4 * BUCKET_QUANTUM);
    bucket_spend(&bucket, 4 * BUCKET_QUANTUM);
    g_assert_cmpuint(bucket_allows(&bucket, 1, now), ==, 0);
    g_assert_cmpuint(bucket_allows(&bucket, 1, now + 10), ==, 1); /* all of it */
    g_assert_cmpuint(bucket_allows(&bucket, 32768, now + 10), ==, 0);
    g_assert_cmpint(bucket_next(&bucket), >, now + 160000);
    g_assert_cmpint(bucket_next(&bucket), <, now + 168000);
    now = bucket_next(&bucket);
    g_assert_cmpuint(bucket_allows(&bucket, BUCKET_QUANTUM - 1, now - 200), <, BUCKET_QUANTUM);
    g_assert_cmpuint(bucket_allows(&bucket, 32768, now), >=, BUCKET_QUANTUM);
}

/* A new bandwidth keeps what is left, but no more than its burst. */
static void
test_new_bandwidth(void)
{
    Bucket bucket = {0};

    bucket_set_bandwidth(&bucket, 100 * 1000 * 1000, 0);
    g_assert_cmpuint(bucket_allows(&bucket, G_MAXUINT32, SECOND), ==, 10 * 1000 * 1000);
    bucket_set_bandwidth(&bucket, 1000, SECOND);
    g_assert_cmpuint(bucket_allows(&bucket, G_MAXUINT32, SECOND), ==, 4 * BUCKET_QUANTUM);
    bucket_spend(&bucket, 4 * BUCKET_QUANTUM);
    bucket_set_bandwidth(&bucket, 1000, SECOND);
    g_assert_cmpuint(bucket_allows(&bucket, G_MAXUINT32, SECOND), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bucket/tokens", test_tokens);
    g_test_add_func("/bucket/fractions", test_fractions);
    g_test_add_func("/bucket/no-limit", test_no_limit);
    g_test_add_func("/bucket/quanta", test_quanta);
    g_test_add_func("/bucket/new-bandwidth", test_new_bandwidth);
    return g_test_run();
}
