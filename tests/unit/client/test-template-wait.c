/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-template-wait: a client requests a template's state once at the start and once after each
 * change. */
#include "template-wait.h"

#include "fake-service.h"

typedef struct {
    FakeService *fake;
    const char *next[4]; /* states to change to, one after each report */
    guint reports;
} Progress;

static void
on_progress(const char *name, const char *step, double fraction, gpointer data)
{
    Progress *progress = data;
    const char *next = progress->next[progress->reports++];

    g_assert_cmpstr(name, ==, "python");
    g_assert_cmpstr(step, ==, "booting");
    g_assert_cmpfloat(fraction, ==, 0.5);
    if (next != NULL)
        fake_service_change(progress->fake, next);
}

static GVariant *
wait_for(FakeService *fake, Progress *progress, const char *name, GCancellable *cancellable,
         gboolean *ret_waited, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    template_wait_async(fake->manager, name, progress != NULL ? on_progress : NULL, progress,
                        cancellable, fake_service_on_reply, &reply);
    fake_service_await(&reply);
    return template_wait_finish(reply, ret_waited, error);
}

static void
assert_state(GVariant *template, const char *expected)
{
    const char *state = "";

    g_assert_nonnull(template);
    g_variant_lookup(template, "state", "&s", &state);
    g_assert_cmpstr(state, ==, expected);
}

static void
test_ready(void)
{
    FakeService fake = {.state = "ready"};
    g_autoptr(GVariant) template = NULL, none = NULL;
    g_autoptr(GError) error = NULL;
    gboolean has_waited;

    fake_service_open(&fake);
    template = wait_for(&fake, NULL, /* name= */ NULL, NULL, &has_waited, &error);
    g_assert_no_error(error);
    g_assert_false(has_waited);
    assert_state(template, "ready");
    none = wait_for(&fake, NULL, "nothing", NULL, &has_waited, &error);
    g_assert_no_error(error);
    g_assert_null(none);
    g_assert_cmpuint(fake.lists, ==, 2);
    fake_service_close(&fake);
}

static void
test_prepared(void)
{
    FakeService fake = {.state = "checking"};
    Progress progress = {.fake = &fake, .next = {"preparing", "preparing", "failed"}};
    g_autoptr(GVariant) template = NULL;
    g_autoptr(GError) error = NULL;
    gboolean has_waited;

    fake_service_open(&fake);
    template = wait_for(&fake, &progress, "python", NULL, &has_waited, &error);
    g_assert_no_error(error);
    g_assert_true(has_waited);
    assert_state(template, "failed");
    g_assert_cmpuint(progress.reports, ==, 3);
    g_assert_cmpuint(fake.lists, ==, 4);
    fake_service_close(&fake);
}

static void
become_ready(gpointer data)
{
    FakeService *fake = data;

    if (fake->lists == 1)
        fake_service_change(fake, "ready");
}

/* The template changes before the first answer arrives. */
static void
test_change_during_a_request(void)
{
    FakeService fake = {.state = "preparing", .on_list = become_ready};
    g_autoptr(GVariant) template = NULL;
    g_autoptr(GError) error = NULL;

    fake_service_open(&fake);
    template = wait_for(&fake, NULL, "python", NULL, NULL, &error);
    g_assert_no_error(error);
    assert_state(template, "ready");
    g_assert_cmpuint(fake.lists, ==, 2);
    fake_service_close(&fake);
}

static void
cancel(const char *name, const char *step, double fraction, gpointer cancellable)
{
    g_cancellable_cancel(cancellable);
}

static void
test_cancelled(void)
{
    FakeService fake = {.state = "preparing"};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GError) error = NULL;

    fake_service_open(&fake);
    template_wait_async(fake.manager, "python", cancel, cancellable, cancellable,
                        fake_service_on_reply, &reply);
    fake_service_await(&reply);
    g_assert_null(template_wait_finish(reply, /* ret_waited= */ NULL, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    fake_service_change(&fake, "ready"); /* the client has removed its handler */
    g_assert_true(g_dbus_connection_flush_sync(fake.connections[0], NULL, NULL));
    while (g_main_context_iteration(/* context= */ NULL, /* may_block= */ FALSE))
        ;
    g_assert_cmpuint(fake.lists, ==, 1);
    fake_service_close(&fake);
}

static void
leave(const char *name, const char *step, double fraction, gpointer connection)
{
    g_dbus_connection_close(connection, /* cancellable= */ NULL, /* callback= */ NULL,
                            /* data= */ NULL);
}

static void
test_service_that_goes_away(void)
{
    FakeService fake = {.state = "preparing"};
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GError) error = NULL;

    fake_service_open(&fake);
    template_wait_async(fake.manager, "python", leave, fake.connections[0],
                        /* cancellable= */ NULL, fake_service_on_reply, &reply);
    fake_service_await(&reply);
    g_assert_null(template_wait_finish(reply, /* ret_waited= */ NULL, &error));
    g_assert_true(client_service_was_lost(error));
    fake_service_close(&fake);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client/template-wait/ready", test_ready);
    g_test_add_func("/client/template-wait/prepared", test_prepared);
    g_test_add_func("/client/template-wait/change-during-a-request", test_change_during_a_request);
    g_test_add_func("/client/template-wait/cancelled", test_cancelled);
    g_test_add_func("/client/template-wait/service-that-goes-away", test_service_that_goes_away);
    return g_test_run();
}
