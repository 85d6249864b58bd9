/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-freeze: processes of a real guest are frozen while its processors stop, and are told neither
 * the time nor the identity of before.
 *
 * The clock of an emulated guest stands still while its processors are stopped.
 */
#include <fcntl.h>
#include <string.h>

#include "claim.h"
#include "run.h"
#include "task.h"
#include "vm-guest.h"

#define STOPPED_S 2
#define PRINTS_TIME "while :; do echo $EPOCHREALTIME; done"
#define PRINTS_IDENTITY                                                                            \
    "cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/hostname; hostname; echo $NAME"

typedef struct {
    GuestLink *link;
    GuestStream *stream;
    GString *output;
    gsize wanted; /* bytes of output for which somebody waits */
    gboolean is_enough;
} Session;

/* --- requests --- */

static void
on_lost(GuestLink *link, GuestLoss why, const char *message, gpointer data)
{
    g_error("the guest was lost: %s", message);
}

/* A new connection over the same channel. */
static GuestLink *
connect_link(const Guest *guest)
{
    static const guint grace_s = 20;
    int fd = fcntl(guest->fd, F_DUPFD_CLOEXEC, 0);
    GuestLink *link = guest_link_new(fd, &grace_s, on_lost, NULL);
    Call call = {0};
    GError *error = NULL;

    guest_link_greet_async(link, /* timeout_s= */ 30, on_done, &call);
    wait_for(&call.done, "a greeting");
    guest_link_greet_finish(link, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    return link;
}

static void
finish(GuestLink *link, Call *call, const char *what,
       gboolean (*finish_call)(GuestLink *link, GAsyncResult *result, GError **error))
{
    GError *error = NULL;

    wait_for(&call->done, what);
    finish_call(link, call->result, &error);
    g_assert_no_error(error);
    g_object_unref(call->result);
}

static void
claim(GuestLink *link, const char *id, const char *hostname)
{
    g_autofree char *entry = g_strdup_printf("NAME=%s", id);
    const char *const environment[] = {entry, NULL};
    const GuestClaim request = {id, hostname, "root", environment};
    Call call = {0};

    guest_link_claim_async(link, &request, on_done, &call);
    finish(link, &call, "a claim", guest_link_claim_finish);
}

static void
freeze(GuestLink *link)
{
    gint64 begin = g_get_monotonic_time();
    Call call = {0};

    guest_link_freeze_async(link, on_done, &call);
    finish(link, &call, "a freeze", guest_link_freeze_finish);
    told("freeze", begin);
}

static void
thaw(GuestLink *link)
{
    gint64 begin = g_get_monotonic_time();
    Call call = {0};

    guest_link_thaw_async(link, on_done, &call);
    finish(link, &call, "a thaw", guest_link_thaw_finish);
    told("thaw", begin);
}

/* Runs the only task that is not frozen. */
static void
list_kept(GuestLink *link)
{
    static const char *const argv[] = {"kept", NULL};
    g_autoptr(GBytes) kept = NULL;
    Call call = {0};
    GError *error = NULL;

    guest_task_async(link, argv, "root", /* budget= */ NULL, /* cancellable= */ NULL, on_done,
                     &call);
    wait_for(&call.done, "the list of kept processes");
    kept = guest_task_finish(call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
}

static char *
run_shell(GuestLink *link, const char *script)
{
    const char *const argv[] = {"bash", "-c", script, NULL};
    const GuestStart start = {.argv = argv, .flags = START_NO_STDIN};
    g_autoptr(GuestRun) process = NULL;
    Call call = {0};
    GError *error = NULL;

    guest_run_async(link, &start, /* input= */ NULL, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, script);
    process = guest_run_finish(call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    g_assert_cmpuint(process->exit.status, ==, 0);
    return g_strndup((const char *)process->out.bytes->data, process->out.bytes->len);
}

/* --- a process that prints the time --- */

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    Session *session = data;

    g_string_append_len(session->output, (const char *)bytes, (gssize)size);
    guest_stream_credit(stream, channel, size);
    session->is_enough = session->output->len >= session->wanted;
}

static void
on_stream_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    g_error("the process ended: %s", error ? error->message : "by itself");
}

static const GuestStreamEvents stream_events = {on_started, on_received, on_stream_ended};

static void
wait_for_output(Session *session, gsize more)
{
    session->wanted = session->output->len + more;
    session->is_enough = FALSE;
    wait_for(&session->is_enough, "output");
}

static void
start_session(Session *session, const Guest *guest)
{
    static const char *const argv[] = {"bash", "-c", PRINTS_TIME, NULL};
    const GuestStart start = {.argv = argv, .flags = START_NO_STDIN};
    GError *error = NULL;

    *session = (Session){.link = connect_link(guest), .output = g_string_new(NULL)};
    claim(session->link, "first", "box-1");
    session->stream = guest_stream_start(session->link, &start, &stream_events, session, &error);
    g_assert_no_error(error);
    wait_for_output(session, 1000);
}

static void
end_session(Session *session)
{
    guest_stream_free(session->stream);
    guest_link_free(session->link, "the test is over");
    g_string_free(session->output, TRUE);
}

/* What was written before arrives, and then nothing. */
static void
wait_for_silence(Session *session)
{
    gsize before;

    do {
        before = session->output->len;
        for (guint i = 0; i < 3; i++)
            list_kept(session->link);
    } while (session->output->len != before);
}

static void
stop_for_a_while(Guest *guest)
{
    machine_hold(guest->machine, TRUE);
    wait_for(&guest->is_stalled, "a machine that stops");
    pass_time(STOPPED_S);
    guest->goes_on = FALSE;
    machine_hold(guest->machine, FALSE);
    wait_for(&guest->goes_on, "a machine that goes on");
}

/* The process may have read the clock before it was frozen, and print the time afterwards: this
 * concerns the first line at most. */
static void
assert_no_stale_time(const char *output, gint64 thawed_us)
{
    const char *line = strchr(output, '\n');
    gint64 now_us = g_get_real_time();
    guint count = 0;

    for (const char *end; (end = strchr(line + 1, '\n')); line = end, count++) {
        gint64 us = (gint64)(g_ascii_strtod(line + 1, NULL) * 1e6);

        g_assert_cmpint(us, >=, thawed_us);
        g_assert_cmpint(us, <, now_us + G_USEC_PER_SEC);
    }
    g_assert_cmpuint(count, >, 100);
}

static void
test_time(void)
{
    Guest guest;
    Session session;
    gsize before;
    gint64 thawed_us;

    guest_restore(&guest, "cloche-test-frozen", 0);
    start_session(&session, &guest);
    freeze(session.link);
    wait_for_silence(&session);
    before = session.output->len;
    stop_for_a_while(&guest);
    wait_for_silence(&session);
    g_assert_cmpuint(session.output->len, ==, before);
    thawed_us = g_get_real_time();
    thaw(session.link);
    wait_for_output(&session, 10000);
    assert_no_stale_time(session.output->str + before, thawed_us);
    end_session(&session);
    guest_destroy(&guest);
}

/* --- identity --- */

static void
test_identity(void)
{
    Guest guest;
    GuestLink *link;
    g_autofree char *first = NULL, *second = NULL;
    g_auto(GStrv) before = NULL, after = NULL;

    guest_restore(&guest, "cloche-test-reclaimed", 0);
    link = connect_link(&guest);
    claim(link, "first", "box-1");
    first = run_shell(link, PRINTS_IDENTITY);
    freeze(link);
    claim(link, "second", "box-2");
    guest_link_free(link, "the test connects again");

    link = connect_link(&guest);
    g_assert_cmpstr(guest_link_sandbox_id(link), ==, "second");
    thaw(link);
    second = run_shell(link, PRINTS_IDENTITY);
    before = g_strsplit(first, "\n", /* max_tokens= */ -1);
    after = g_strsplit(second, "\n", /* max_tokens= */ -1);
    g_assert_cmpuint(g_strv_length(before), ==, 6);
    g_assert_cmpuint(g_strv_length(after), ==, 6);
    for (guint i = 0; i < 5; i++)
        g_assert_cmpstr(before[i], !=, after[i]);
    g_assert_cmpstr(after[2], ==, "box-2");
    g_assert_cmpstr(after[3], ==, "box-2");
    g_assert_cmpstr(after[4], ==, "second");
    guest_link_free(link, "the test is over");
    guest_destroy(&guest);
}

void
add_tests_of_freezing(void)
{
    g_test_add_func("/vm/freeze/time", test_time);
    g_test_add_func("/vm/freeze/identity", test_identity);
}
