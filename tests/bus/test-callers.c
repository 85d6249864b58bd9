/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-callers: calls end with their caller, and a caller cannot start too much at once. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

#define WAITING_MAX 64

static Fixture *fixture;
static GDBusConnection *bus;
static char *sandbox; /* of the template "python" */

/* --- a process that is watched through a FIFO: it writes a word, and holds it open --- */

typedef struct {
    char *path;
    int fd;
} Watched;

static Watched
watch(const char *name)
{
    Watched watched = {.path = fixture_add_fifo(fixture, name)};

    watched.fd = open(watched.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(watched.fd, >=, 0);
    return watched;
}

static void
watched_clear(Watched *watched)
{
    close(watched->fd);
    unlink(watched->path);
    g_free(watched->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Watched, watched_clear)

/* Waits for the next byte; returns 0 when all processes that held the FIFO open have ended. */
static char
next_byte(const Watched *watched)
{
    struct pollfd wait = {.fd = watched->fd, .events = POLLIN};
    char byte = 0;

    g_assert_cmpint(poll(&wait, 1, 30000), ==, 1);
    g_assert_cmpint(read(watched->fd, &byte, 1), >=, 0);
    return byte;
}

static char *
python_that_waits(const Watched *watched)
{
    return g_strdup_printf("import time\nwith open('%s', 'w') as f:\n    f.write('s')\n"
                           "    f.flush()\n    time.sleep(1000)",
                           watched->path);
}

static gsize
count_sandboxes(void)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    return g_variant_n_children(list);
}

/* The call of a caller that has disconnected. */
static void
assert_closed(Pending *pending)
{
    pending_wait(pending);
    g_assert_error(pending->error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

/* --- tests --- */

static void
test_leave_run(void)
{
    GDBusConnection *caller = fixture_connect(fixture, 0);
    g_auto(Watched) watched = watch("process");
    g_autofree char *words = g_strdup_printf(
        "exec 9>%s; setsid sleep 1000 & echo -n s >&9; exec sleep 1000", watched.path);
    g_autoptr(Pending) pending =
        call_start(caller, sandbox, "Run", "(['sh', '-c', %s], @a{sv} {})", words);

    g_assert_cmpint(next_byte(&watched), ==, 's');
    fixture_leave(caller);
    g_assert_cmpint(next_byte(&watched), ==, 0); /* both processes */
    assert_closed(pending);
    g_variant_unref(run_shell(bus, sandbox, "true"));
}

static void
test_leave_code(void)
{
    GDBusConnection *caller = fixture_connect(fixture, 0);
    g_auto(Watched) watched = watch("code");
    g_autofree char *code = python_that_waits(&watched);
    g_autoptr(GVariant) kept = call(bus, sandbox, "RunCode", "('x = 5', @a{sv} {})");
    g_autoptr(Pending) pending = call_start(caller, sandbox, "RunCode", "(%s, @a{sv} {})", code);
    g_autoptr(GVariant) next = NULL, execution = NULL;
    g_autofree char *out = NULL;

    g_assert_cmpint(next_byte(&watched), ==, 's');
    fixture_leave(caller);
    g_assert_cmpint(next_byte(&watched), ==, 0);
    assert_closed(pending);
    next = call(bus, sandbox, "RunCode", "('print(x)', @a{sv} {})");
    execution = g_variant_get_child_value(next, 0);
    out = dict_string(execution, "stdout");
    g_assert_cmpstr(out, ==, "5\n");
}

/* Code that waits is not started. */
static void
test_leave_code_that_waits(void)
{
    GDBusConnection *caller = fixture_connect(fixture, 0);
    GDBusConnection *first_caller = fixture_connect(fixture, 0);
    g_auto(Watched) watched = watch("first");
    g_autofree char *code = python_that_waits(&watched);
    g_autoptr(Pending) first =
        call_start(first_caller, sandbox, "RunCode", "(%s, @a{sv} {})", code);
    g_autoptr(Pending) second = NULL;
    g_autoptr(GVariant) next = NULL, execution = NULL;
    g_autofree char *out = NULL;

    g_assert_cmpint(next_byte(&watched), ==, 's');
    second = call_start(caller, sandbox, "RunCode", "('begun = 1', @a{sv} {})");
    /* The reply to a later call on the same connection shows that the service has the earlier one.
     */
    g_variant_unref(get_property(caller, MANAGER, "Version"));
    fixture_leave(caller);
    assert_closed(second);
    fixture_leave(first_caller);
    assert_closed(first);
    next = call(bus, sandbox, "RunCode", "('print(\"begun\" in globals())', @a{sv} {})");
    execution = g_variant_get_child_value(next, 0);
    out = dict_string(execution, "stdout");
    g_assert_cmpstr(out, ==, "False\n");
}

static void
test_leave_create(void)
{
    GDBusConnection *caller = fixture_connect(fixture, 0);
    g_autoptr(Pending) pending = NULL;

    fixture_hold(fixture);
    pending = call_start(caller, MANAGER, "CreateSandbox", NO_OPTIONS);
    wait_for_pool(bus, "minimal", "waiting", 1);
    fixture_leave(caller);
    assert_closed(pending);
    wait_for_pool(bus, "minimal", "waiting", 0);
    fixture_release(fixture);
    wait_for_pool(bus, "minimal", "starting", 0);
    g_assert_cmpint(count_sandboxes(), ==, 1);
    g_assert_cmpuint(pool_figure(bus, "minimal", "claimed"), ==, 0);
}

/* A creation with a key continues, because other callers may share it. */
static void
test_leave_create_with_key(void)
{
    GDBusConnection *caller = fixture_connect(fixture, 0);
    g_autoptr(Listener) listener = listener_new(bus);
    g_autoptr(Pending) pending = call_start(
        caller, MANAGER, "CreateSandbox", "({'template': <'python'>, 'idempotency-key': <'k'>},)");
    g_autoptr(GVariant) added = NULL, found = NULL;
    const char *id, *path, *again;

    wait_for_pool(bus, "python", "waiting", 1);
    fixture_leave(caller);
    assert_closed(pending);
    added = listener_wait(listener, MANAGER, "SandboxAdded");
    g_variant_get(added, "(&s&o)", &id, &path);
    found = call(bus, MANAGER, "CreateSandbox",
                 "({'template': <'python'>, 'idempotency-key': <'k'>},)");
    g_variant_get(found, "(&o)", &again);
    g_assert_cmpstr(path, ==, again);
    kill_sandbox(bus, path);
}

static void
test_leave_one_shot(void)
{
    GDBusConnection *caller = fixture_connect(fixture, 0);
    g_autoptr(Listener) listener = listener_new(bus);
    g_auto(Watched) watched = watch("one-shot");
    g_autofree char *code = python_that_waits(&watched);
    g_autoptr(Pending) pending =
        call_start(caller, MANAGER, "RunCode", "('python', %s, {'template': <'python'>})", code);
    g_autoptr(GVariant) removed = NULL;
    const char *reason;

    g_assert_cmpint(next_byte(&watched), ==, 's');
    fixture_leave(caller);
    g_assert_cmpint(next_byte(&watched), ==, 0);
    assert_closed(pending);
    removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    g_variant_get_child(removed, 2, "&s", &reason);
    g_assert_cmpstr(reason, ==, "caller-left");
    g_assert_cmpint(count_sandboxes(), ==, 1);
}

static void
test_too_many_executions(void)
{
    Pending *calls[1 + WAITING_MAX];
    g_autofree char *gate = fixture_add_fifo(fixture, "gate");
    g_autofree char *code = g_strdup_printf("n = 0; open('%s').read()", gate);

    calls[0] = call_start(bus, sandbox, "RunCode", "(%s, @a{sv} {})", code);
    for (guint i = 1; i <= WAITING_MAX; i++)
        calls[i] = call_start(bus, sandbox, "RunCode", "('n += 1; n', @a{sv} {})");
    call_fails(bus, sandbox, "RunCode", "Busy", "64 executions wait", "('1', @a{sv} {})");
    close(open(gate, O_WRONLY | O_CLOEXEC)); /* waits for the first to open it */
    for (guint i = 0; i <= WAITING_MAX; i++) {
        pending_wait(calls[i]);
        g_assert_no_error(calls[i]->error);
        if (i > 0) {
            g_autofree char *expected = g_strdup_printf("<'%u'>", i);
            g_autofree char *answer = g_variant_print(calls[i]->answer, FALSE);

            g_assert_nonnull(strstr(answer, expected)); /* in order */
        }
        pending_free(calls[i]);
    }
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.has_python = TRUE, .python_runners = "", .target = 0};
    g_autoptr(GVariant) created = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/leave/run", test_leave_run);
    g_test_add_func("/leave/code", test_leave_code);
    g_test_add_func("/leave/code-that-waits", test_leave_code_that_waits);
    g_test_add_func("/leave/create", test_leave_create);
    g_test_add_func("/leave/create-with-key", test_leave_create_with_key);
    g_test_add_func("/leave/one-shot", test_leave_one_shot);
    g_test_add_func("/too-much/executions", test_too_many_executions);
    fixture = fixture_new(&options);
    bus = fixture->bus;
    g_variant_unref(wait_for_template(bus, "python"));
    created = call(bus, MANAGER, "CreateSandbox", "({'template': <'python'>},)");
    g_variant_get(created, "(o)", &sandbox);
    status = g_test_run();
    g_free(sandbox);
    fixture_free(fixture);
    return status;
}
