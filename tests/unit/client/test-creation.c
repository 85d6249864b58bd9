/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-creation: a sandbox is created at once, or when its template has become ready. */
#include "creation.h"

#include "fake-service.h"

static char *
create(FakeService *fake, TemplateProgress progress, GCancellable *cancellable, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    creation_async(fake->manager, g_variant_new_parsed("{'template': <'python'>}"), /* fds= */ NULL,
                   progress, fake, cancellable, fake_service_on_reply, &reply);
    fake_service_await(&reply);
    return creation_finish(reply, error);
}

static void
test_ready(void)
{
    FakeService fake = {.state = "ready"};
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    fake_service_open(&fake);
    path = create(&fake, /* progress= */ NULL, /* cancellable= */ NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, CLIENT_SANDBOX_PATH "abc");
    g_assert_cmpuint(fake.lists, ==, 1);
    fake_service_close(&fake);
}

static void
become_ready(const char *name, const char *step, double fraction, gpointer fake)
{
    fake_service_change(fake, "ready");
}

static void
prepare_anew(gpointer data)
{
    FakeService *fake = data;

    if (fake->creations == 1)
        fake->state = "preparing";
}

static void
test_prepared_anew(void)
{
    FakeService fake = {.state = "ready", .on_create = prepare_anew, .refusals = 1};
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    fake_service_open(&fake);
    path = create(&fake, become_ready, /* cancellable= */ NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, CLIENT_SANDBOX_PATH "abc");
    g_assert_cmpuint(fake.creations, ==, 2);
    fake_service_close(&fake);
}

static void
test_busy(void)
{
    FakeService fake = {.state = "ready", .refusals = 1};
    g_autoptr(GError) error = NULL;

    fake_service_open(&fake);
    g_assert_null(create(&fake, /* progress= */ NULL, /* cancellable= */ NULL, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_assert_cmpuint(fake.creations, ==, 1);
    fake_service_close(&fake);
}

static GCancellable *to_cancel;

static void
cancel(gpointer fake)
{
    g_cancellable_cancel(to_cancel);
}

static void
test_cancelled_while_it_is_created(void)
{
    FakeService fake = {.state = "ready", .on_create = cancel};
    g_autoptr(GCancellable) cancellable = to_cancel = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    fake_service_open(&fake);
    path = create(&fake, /* progress= */ NULL, cancellable, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, CLIENT_SANDBOX_PATH "abc");
    fake_service_close(&fake);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client/creation/ready", test_ready);
    g_test_add_func("/client/creation/prepared-anew", test_prepared_anew);
    g_test_add_func("/client/creation/busy", test_busy);
    g_test_add_func("/client/creation/cancelled-while-it-is-created",
                    test_cancelled_while_it_is_created);
    return g_test_run();
}
