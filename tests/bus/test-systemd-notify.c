/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-systemd-notify: the service reports readiness, status and reloads to systemd. */
#include <signal.h>
#include <string.h>

#include "client.h"
#include "fixture.h"

/* Until the line has this in it. */
static void
wait_for_status(Fixture *fixture, const char *text)
{
    while (!fixture->status || !strstr(fixture->status, text)) {
        fixture->has_status = FALSE;
        wait_until(&fixture->has_status);
    }
}

static void
test_status(void)
{
    const FixtureOptions options = {.target = 0, .has_other = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = NULL;

    wait_for_status(fixture, "template minimal: ready");
    wait_for_status(fixture, "template other: ready");
    g_assert_true(g_str_has_prefix(fixture->status, "0 sandboxes, emulated; "));
    sandbox = create(fixture->bus);
    wait_for_status(fixture, "1 sandbox, emulated; ");
    kill_sandbox(fixture->bus, sandbox);
    wait_for_status(fixture, "0 sandboxes, emulated; ");
}

/* When it is known what there is, not when all of it is made. */
static void
test_ready(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);

    wait_until(&fixture->is_ready);
    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_hold(fixture);
    fixture_start(fixture);
    wait_until(&fixture->is_ready);
    wait_for_status(fixture, "%)");
    fixture_release(fixture);
    wait_for_status(fixture, "template minimal: ready");
}

/* The next life of the service is not ready before it has its sandboxes. */
static void
test_ready_again(void)
{
    const FixtureOptions options = {.target = 0};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = create(fixture->bus);

    fixture_end(fixture, SIGKILL);
    g_clear_pointer(&fixture->status, g_free);
    fixture_launch(fixture);
    wait_until(&fixture->is_ready);
    g_assert_true(g_str_has_prefix(fixture->status, "1 sandbox, emulated; "));
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

static void
test_reload(void)
{
    const FixtureOptions options = {.target = 1, .has_other = TRUE, .has_log = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autoptr(GVariant) name = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    g_variant_unref(wait_for_template(fixture->bus, "other"));
    fixture_configure(fixture, "[Pool]\nTarget=2\n[Templates]\nDefault=other\n");
    fixture_reload(fixture);
    wait_for_pool(fixture->bus, "minimal", "ready", 2);
    name = get_property(fixture->bus, MANAGER, "DefaultTemplate");
    g_assert_cmpstr(g_variant_get_string(name, NULL), ==, "other");

    fixture_configure(fixture, "[Pool]\nTarget=0\n");
    fixture_reload(fixture);
    wait_for_pool(fixture->bus, "minimal", "ready", 0);
    wait_for_pool(fixture->bus, "other", "ready", 0);
    g_assert_false(fixture_log_has(fixture, "50-test.conf"));
}

/* What was being started for the old target. */
static void
test_reload_while_starting(void)
{
    const FixtureOptions options = {.target = 1};
    g_autoptr(Fixture) fixture = fixture_new(&options);

    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    fixture_hold(fixture);
    fixture_configure(fixture, "[Pool]\nTarget=2\n");
    fixture_reload(fixture);
    wait_for_pool(fixture->bus, "minimal", "starting", 1);
    fixture_configure(fixture, "[Pool]\nTarget=0\n");
    fixture_reload(fixture);
    fixture_release(fixture);
    wait_for_pool(fixture->bus, "minimal", "starting", 0);
    g_assert_cmpuint(pool_figure(fixture->bus, "minimal", "ready"), ==, 0);
    fixture_wait_for_machines(fixture, 0);
}

static void
test_bad_reload(void)
{
    const FixtureOptions options = {.target = 1, .has_log = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    fixture_configure(fixture, "[Pool]\nTarget=2\nColour=blue\n");
    fixture_reload(fixture);
    g_assert_true(fixture_log_has(fixture, "50-test.conf:3"));
    g_assert_cmpuint(pool_figure(fixture->bus, "minimal", "target"), ==, 1);

    /* What cannot be changed while it runs. */
    fixture_configure(fixture, "[Machines]\nAllowEmulation=no\n");
    fixture_reload(fixture);
    g_assert_true(fixture_log_has(fixture, "AllowEmulation"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/systemd-notify/status", test_status);
    g_test_add_func("/systemd-notify/ready", test_ready);
    g_test_add_func("/systemd-notify/ready-again", test_ready_again);
    g_test_add_func("/systemd-notify/reload", test_reload);
    g_test_add_func("/systemd-notify/reload-while-starting", test_reload_while_starting);
    g_test_add_func("/systemd-notify/bad-reload", test_bad_reload);
    return g_test_run();
}
