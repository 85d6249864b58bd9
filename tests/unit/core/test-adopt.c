/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-adopt: the record decides whether a restarted service may adopt its sandbox. */
#include "adopt.h"
#include "sandbox.h"

#define BOOT "5e3bd1f0-8b7e-4f4c-9f3e-0a4a4a1d2c3b"
#define NOW_US (G_GINT64_CONSTANT(1000) * G_USEC_PER_SEC)

static void
assert_judged(const Record *record, EndReason expected, const char *expected_detail)
{
    const char *detail = "not set";

    g_assert_cmpint(adopt_judge(record, BOOT, NOW_US, &detail), ==, expected);
    g_assert_cmpstr(detail, ==, expected_detail);
}

static Record
good_record(void)
{
    return (Record){.boot_id = (char *)BOOT, .deadline_us = NOW_US + 1};
}

/* A sandbox has expired when its deadline equals the current time. */
static void
test_deadline(void)
{
    Record record = good_record();

    assert_judged(&record, END_NOT_YET, NULL);
    record.deadline_us = NOW_US;
    assert_judged(&record, END_TIMED_OUT, NULL);
    record.deadline_us = 0;
    assert_judged(&record, END_TIMED_OUT, NULL);
}

/* A deadline of another boot, or of a host without a boot id, has no meaning. */
static void
test_boot(void)
{
    Record record = good_record();

    record.boot_id = (char *)"5e3bd1f0-8b7e-4f4c-9f3e-0a4a4a1d2c3c";
    assert_judged(&record, END_MACHINE_LOST, "the host was rebooted");
    record.boot_id = (char *)"";
    assert_judged(&record, END_MACHINE_LOST, "the host was rebooted");
    record.deadline_us = 0;
    assert_judged(&record, END_MACHINE_LOST, "the host was rebooted");
}

static void
test_one_shot(void)
{
    Record record = good_record();

    record.is_one_shot = TRUE;
    assert_judged(&record, END_CALLER_LEFT, "its caller can no longer get the result");
    record.deadline_us = NOW_US;
    assert_judged(&record, END_TIMED_OUT, NULL);
}

/* A machine in whose adoption the service died again and again. Its deadline comes first. */
static void
test_deaths(void)
{
    Record record = good_record();

    record.deaths = 15;
    assert_judged(&record, END_NOT_YET, NULL);
    record.deaths = 16;
    assert_judged(&record, END_PROTOCOL_ERROR,
                  "the service died again and again while it adopted this machine");
    record.deadline_us = NOW_US;
    assert_judged(&record, END_TIMED_OUT, NULL);
}

/* A deadline that pauses has passed while no service ran: the pause has begun then. */
static void
test_expired(void)
{
    Record record = good_record();

    record.pauses_on_timeout = TRUE;
    adopt_expire(&record, NOW_US, 10);
    g_assert_cmpint(record.paused_since_us, ==, 0);
    g_assert_cmpint(record.deadline_us, ==, NOW_US + 1);
    record.deadline_us = NOW_US;
    adopt_expire(&record, NOW_US, 10);
    g_assert_cmpint(record.paused_since_us, ==, NOW_US);
    g_assert_cmpint(record.deadline_us, ==, NOW_US + 10 * G_USEC_PER_SEC);
    assert_judged(&record, END_NOT_YET, NULL);

    /* That of a pause ends it. */
    record.deadline_us = NOW_US;
    adopt_expire(&record, NOW_US, 10);
    assert_judged(&record, END_TIMED_OUT, NULL);

    record.paused_since_us = 0;
    record.deadline_us = NOW_US - 10 * G_USEC_PER_SEC;
    adopt_expire(&record, NOW_US, 10);
    assert_judged(&record, END_TIMED_OUT, NULL);
    record = good_record();
    record.deadline_us = NOW_US;
    adopt_expire(&record, NOW_US, 10);
    g_assert_cmpint(record.paused_since_us, ==, 0);
    assert_judged(&record, END_TIMED_OUT, NULL);
}

/* Where a pause has no limit, its end can still be computed. */
static void
test_expired_without_limit(void)
{
    Record record = good_record();

    record.pauses_on_timeout = TRUE;
    record.deadline_us = NOW_US;
    adopt_expire(&record, NOW_US, G_MAXUINT64);
    g_assert_cmpint(record.deadline_us, ==,
                    NOW_US + (gint64)SANDBOX_TIMEOUT_MAX_S * G_USEC_PER_SEC);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/adopt/deadline", test_deadline);
    g_test_add_func("/adopt/boot", test_boot);
    g_test_add_func("/adopt/expired", test_expired);
    g_test_add_func("/adopt/expired-without-limit", test_expired_without_limit);
    g_test_add_func("/adopt/one-shot", test_one_shot);
    g_test_add_func("/adopt/deaths", test_deaths);
    return g_test_run();
}
