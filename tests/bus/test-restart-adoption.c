/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-restart-adoption: running sandboxes outlive the service, and a restarted service adopts them
 * for the same owners.
 *
 * Each test runs twice: with a service that is killed, and with one that is asked to stop.
 */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

static const FixtureOptions plain = {.target = 0};
/* One for all tests, because interpreters take most of their time. */
static Fixture *python;
static char *interpreter; /* a sandbox of it that tests share */

/* A call in progress ends with an error of the service if it stopped, or of the bus if it was
 * killed. */
static void
assert_cut_off(const GError *error, int signal)
{
    if (signal == SIGKILL)
        g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY);
    else
        assert_error(error, "ServiceStopping", "sandbox continues");
}

/* --- properties and resources --- */

static void
assert_same(GVariant *before, GVariant *after)
{
    g_autoptr(GVariantIter) iter = g_variant_iter_new(before);
    const char *key;
    GVariant *value;

    g_assert_cmpint(g_variant_n_children(after), ==, g_variant_n_children(before));
    while (g_variant_iter_loop(iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) now = g_variant_lookup_value(after, key, g_variant_get_type(value));

        g_assert_nonnull(now);
        if (g_str_equal(key, "Expires")) /* calculated from the current time */
            g_assert_cmpint(ABS((gint64)(g_variant_get_uint64(now) - g_variant_get_uint64(value))),
                            <, G_USEC_PER_SEC);
        else
            g_assert_cmpvariant(now, value);
    }
}

static void
test_properties(gconstpointer signal)
{
    static const char words[] =
        "({'name': <'näme; [x]'>, 'timeout': <uint64 1000>, 'idempotency-key': <'a key'>,"
        " 'metadata': <{'key;': 'value\\\\ n', 'empty': ''}>, 'environment': <{'COLOUR': 'a "
        "b=c'}>},)";
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    GDBusConnection *owner = fixture_connect(fixture, OTHER_UID);
    g_autoptr(GVariant) created = NULL, again = NULL, before = NULL, after = NULL;
    g_autofree char *out = NULL;
    const char *sandbox, *second;

    created = call(owner, MANAGER, "CreateSandbox", words);
    g_variant_get(created, "(&o)", &sandbox);
    before = get_all(owner, sandbox);
    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    after = get_all(owner, sandbox);
    assert_same(before, after);
    again = call(owner, MANAGER, "CreateSandbox", words);
    g_variant_get(again, "(&o)", &second);
    g_assert_cmpstr(second, ==, sandbox);
    call_fails(owner, MANAGER, "CreateSandbox", "InvalidArgument", "was used with other options",
               "({'idempotency-key': <'a key'>},)");
    out = run_output(owner, sandbox, "echo \"$COLOUR\"");
    g_assert_cmpstr(out, ==, "a b=c\n");
    fixture_leave(owner);
}

static char *
read_record(const Fixture *fixture, const char *sandbox)
{
    g_autofree char *path = g_build_filename(fixture->state, "sandboxes", id_of(sandbox), NULL);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* No record contains the environment. A record of an earlier version, which does, is replaced. */
static void
test_secrets(gconstpointer signal)
{
    static const char words[] =
        "({'idempotency-key': <'k'>, 'environment': <{'TOKEN': 'hunter2'}>},)";
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autoptr(GVariant) made = call(fixture->bus, MANAGER, "CreateSandbox", words);
    g_autofree char *first = NULL, *old = NULL, *second = NULL, *third = NULL, *path = NULL;
    const char *sandbox;

    g_variant_get(made, "(&o)", &sandbox);
    first = read_record(fixture, sandbox);
    g_assert_null(strstr(first, "hunter2"));
    fixture_end(fixture, GPOINTER_TO_INT(signal));
    path = g_build_filename(fixture->state, "sandboxes", id_of(sandbox), NULL);
    old = g_strconcat(first, "Request=python\\n\\nTOKEN=hunter2\n", NULL);
    g_assert_true(g_file_set_contents(path, old, -1, NULL));
    fixture_start(fixture);
    g_variant_unref(call(fixture->bus, sandbox, "SetTimeout", "(%t,)", (guint64)500));
    second = read_record(fixture, sandbox);
    g_assert_null(strstr(second, "hunter2"));
    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    third = read_record(fixture, sandbox);
    g_assert_cmpstr(third, ==, second);
}

/* The answer of SetTimeout() comes when the record has the new deadline: a kill right after it
 * loses nothing. */
static void
test_timeouts(gconstpointer signal)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus);
    Pending *calls[20];

    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++)
        calls[i] = call_start(fixture->bus, sandbox, "SetTimeout", "(%t,)", (guint64)(1000 + i));
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        pending_wait(calls[i]);
        g_assert_no_error(calls[i]->error);
        pending_free(calls[i]);
    }
    g_variant_unref(call(fixture->bus, sandbox, "SetTimeout", "(%t,)", (guint64)2000));
    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    g_autoptr(GVariant) expires = get_property(fixture->bus, sandbox, "Expires");
    gint64 left_us = (gint64)g_variant_get_uint64(expires) - g_get_real_time();

    g_assert_cmpint(left_us, >, 1500 * G_USEC_PER_SEC);
    g_assert_cmpint(left_us, <=, 2000 * G_USEC_PER_SEC);
}

/* The oldest sandbox is first, also among those that an earlier instance created. */
static void
test_order(gconstpointer signal)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GVariant) answer = NULL, list = NULL;

    for (guint i = 0; i < 3; i++)
        g_ptr_array_add(made, create(fixture->bus));
    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    for (guint i = 0; i < 2; i++)
        g_ptr_array_add(made, create(fixture->bus));
    answer = call(fixture->bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    list = g_variant_get_child_value(answer, 0);
    g_assert_cmpint(g_variant_n_children(list), ==, made->len);
    for (guint i = 0; i < made->len; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        const char *path;

        g_variant_get_child(entry, 0, "&o", &path);
        g_assert_cmpstr(path, ==, made->pdata[i]);
    }
}

static void
test_owners(gconstpointer signal)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    GDBusConnection *owner = fixture_connect(fixture, OTHER_UID);
    g_autofree char *of_owner = create(owner), *of_root = create(fixture->bus);

    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    call_fails(owner, of_root, "Kill", "NoSuchSandbox", "there is no sandbox", "()");
    kill_sandbox(owner, of_owner);
    kill_sandbox(fixture->bus, of_root);
    fixture_leave(owner);
}

/* Opens the only RAM file. */
static int
open_ram(Fixture *fixture)
{
    g_autoptr(GDir) dir = g_dir_open(fixture->ram, 0, NULL);
    g_autofree char *path = g_build_filename(fixture->ram, g_dir_read_name(dir), NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* Machines map the RAM file, and the next instance of the service uses the same file. */
static void
test_ram(gconstpointer signal)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *later = NULL;
    int fd = open_ram(fixture);
    struct stat status;

    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    g_assert_cmpint(fstat(fd, &status), ==, 0);
    g_assert_cmpuint(status.st_nlink, ==, 1); /* it was not removed */
    g_assert_cmpuint(fixture_count_files(fixture, fixture->ram, ""), ==, 1);
    close(fd);
    later = create(fixture->bus);
    kill_sandbox(fixture->bus, sandbox);
    kill_sandbox(fixture->bus, later);
    fixture_wait_for_counts(fixture, 0);

    /* A RAM file that no machine maps is removed. */
    fixture_end(fixture, SIGTERM);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->ram, ""), ==, 0);
    fixture_start(fixture);
}

/* No two machines run as the same user, also if different instances of the service started them. */
static void
test_uids(gconstpointer signal)
{
    const FixtureOptions options = {.config =
                                        "[Machines]\nGroup=nogroup\nUids=1900000000-1900000015\n"};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    guint32 uids[8];

    for (guint i = 0; i < G_N_ELEMENTS(uids); i++) {
        g_autofree char *sandbox = create(fixture->bus);

        uids[i] = fixture_find_uid(fixture, id_of(sandbox));
        g_assert_cmpuint(uids[i], >=, 1900000000);
        g_assert_cmpuint(uids[i], <=, 1900000015);
        for (guint j = 0; j < i; j++)
            g_assert_cmpuint(uids[i], !=, uids[j]);
        if (i == 3)
            fixture_restart(fixture, GPOINTER_TO_INT(signal));
    }
}

/* --- contents --- */

static void
test_files_and_processes(gconstpointer signal)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *before = NULL, *after = NULL;

    before =
        run_output(fixture->bus, sandbox,
                   "echo kept >/run/file; sleep 1000 >/dev/null 2>&1 & echo $! | tee /run/pid");
    g_assert_cmpint(atoi(before), >, 1);
    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    after =
        run_output(fixture->bus, sandbox, "cat /run/file; kill -0 $(cat /run/pid) && cat /run/pid");
    g_assert_true(g_str_has_prefix(after, "kept\n"));
    g_assert_cmpstr(after + strlen("kept\n"), ==, before);
}

static void
test_variables(gconstpointer signal)
{
    g_free(code_output(python->bus, interpreter, "n = 0"));
    for (int i = 0; i < 3; i++) {
        g_autofree char *out = code_output(python->bus, interpreter, "n += 1; print(n)");
        g_autofree char *expected = g_strdup_printf("%d\n", i + 1);

        g_assert_cmpstr(out, ==, expected);
        fixture_restart(python, GPOINTER_TO_INT(signal));
    }
}

/* Returns the output of the code in the first created context. */
static char *
context_output(const char *sandbox, const char *code)
{
    g_autoptr(GVariant) answer =
        call(python->bus, sandbox, "RunCode", "(%s, {'context': <'python-1'>})", code);
    g_autoptr(GVariant) execution = g_variant_get_child_value(answer, 0);

    return dict_string(execution, "stdout");
}

/* Created contexts keep their state, directory and environment. */
static void
test_contexts(gconstpointer signal)
{
    g_autofree char *sandbox = create(python->bus), *kept = NULL, *fresh = NULL;
    g_autoptr(GVariant) made = NULL, next = NULL;
    const char *id;

    made = call(python->bus, sandbox, "CreateContext",
                "({'cwd': <'/usr/bin'>, 'environment': <{'A': 'a b'}>},)");
    g_variant_get(made, "(&s)", &id);
    g_assert_cmpstr(id, ==, "python-1");
    g_free(context_output(sandbox, "import os; x = 5"));
    fixture_restart(python, GPOINTER_TO_INT(signal));

    kept = context_output(sandbox, "print(x, os.environ['A'], os.getcwd())");
    g_assert_cmpstr(kept, ==, "5 a b /usr/bin\n");
    g_variant_unref(call(python->bus, sandbox, "RestartContext", "('python-1',)"));
    fresh =
        context_output(sandbox, "import os; print('x' in globals(), os.environ['A'], os.getcwd())");
    g_assert_cmpstr(fresh, ==, "False a b /usr/bin\n");
    next = call(python->bus, sandbox, "CreateContext", "(@a{sv} {},)");
    g_variant_get(next, "(&s)", &id);
    g_assert_cmpstr(id, ==, "python-2");
    kill_sandbox(python->bus, sandbox);
}

/* Programs without the option keep end with their call. Their end is the end of the FIFO. */
static void
test_run_under_way(gconstpointer signal)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    g_autofree char *sandbox = create(fixture->bus), *fifo = fixture_add_fifo(fixture, "fifo");
    g_autofree char *words = g_strdup_printf("exec 3>%s; echo begun >&3; sleep 1000 & wait", fifo);
    g_autoptr(Pending) run =
        call_start(fixture->bus, sandbox, "Run", "(['sh', '-c', %s], @a{sv} {})", words);
    char text[16];
    int fd;

    g_dbus_connection_flush_sync(fixture->bus, NULL, NULL);
    fd = open(fifo, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(read(fd, text, sizeof text), ==, strlen("begun\n"));
    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    pending_wait(run);
    assert_cut_off(run->error, GPOINTER_TO_INT(signal));
    g_assert_cmpint(read(fd, text, sizeof text), ==, 0);
    close(fd);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

/* Starts code after a line that reports its beginning, and waits for that line. */
static Pending *
begin_code(const char *code)
{
    g_autofree char *fifo = fixture_add_fifo(python, "begun");
    g_autofree char *text =
        g_strdup_printf("kept = 'kept'\nopen('%s', 'w').close()\n%s", fifo, code);
    Pending *pending = call_start(python->bus, interpreter, "RunCode", "(%s, @a{sv} {})", text);

    g_dbus_connection_flush_sync(python->bus, NULL, NULL);
    close(open(fifo, O_RDONLY | O_CLOEXEC));
    unlink(fifo);
    return pending;
}

static void
test_code_under_way(gconstpointer signal)
{
    g_autofree char *out = NULL;
    g_autoptr(Pending) pending = begin_code("import time\ntime.sleep(1000)");

    fixture_restart(python, GPOINTER_TO_INT(signal));
    pending_wait(pending);
    assert_cut_off(pending->error, GPOINTER_TO_INT(signal));
    out = code_output(python->bus, interpreter, "print(kept)");
    g_assert_cmpstr(out, ==, "kept\n");
}

/* The connection ends in the middle of a message, with much output not read. */
static void
test_output_under_way(gconstpointer signal)
{
    g_autofree char *out = NULL;
    g_autoptr(Pending) pending =
        begin_code("from IPython.display import display\nwhile True:\n  display('x' * 50000)");

    fixture_restart(python, GPOINTER_TO_INT(signal));
    pending_wait(pending);
    out = code_output(python->bus, interpreter, "print(kept)");
    g_assert_cmpstr(out, ==, "kept\n");
}

/* An interpreter that does not react to interrupts is replaced for the next execution. */
static void
test_stubborn_code(gconstpointer signal)
{
    g_autofree char *out = NULL;
    g_autoptr(Pending) pending =
        begin_code("import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
                   "time.sleep(1000)");

    fixture_restart(python, GPOINTER_TO_INT(signal));
    pending_wait(pending);
    out = code_output(python->bus, interpreter, "print(globals().get('kept', 'new'))");
    g_assert_cmpstr(out, ==, "new\n");
}

/* --- resources that end with their call --- */

static void
test_one_shot_under_way(gconstpointer signal)
{
    g_autofree char *fifo = fixture_add_fifo(python, "one-shot");
    g_autofree char *code =
        g_strdup_printf("import time\nopen('%s', 'w').close()\ntime.sleep(1000)", fifo);
    g_autoptr(Pending) pending =
        call_start(python->bus, MANAGER, "RunCode", "('python', %s, @a{sv} {})", code);
    g_autoptr(GVariant) answer = NULL, list = NULL;

    g_dbus_connection_flush_sync(python->bus, NULL, NULL);
    close(open(fifo, O_RDONLY | O_CLOEXEC));
    unlink(fifo);
    fixture_restart(python, GPOINTER_TO_INT(signal));
    pending_wait(pending);
    g_assert_nonnull(pending->error);
    answer = call(python->bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    list = g_variant_get_child_value(answer, 0);
    g_assert_cmpint(g_variant_n_children(list), ==, 1); /* the interpreter */
    g_variant_unref(wait_for_template(python->bus, "python"));
    fixture_wait_for_machines(python, 1);
}

/* Pool machines are not adopted, because one of them may have been in the middle of a claim. */
static void
test_pool(gconstpointer signal)
{
    const FixtureOptions options = {.target = 3};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autofree char *sandbox = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_for_pool(fixture->bus, "minimal", "ready", 3);
    sandbox = create(fixture->bus);
    wait_for_pool(fixture->bus, "minimal", "ready", 3);
    fixture_restart(fixture, GPOINTER_TO_INT(signal));
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_for_pool(fixture->bus, "minimal", "ready", 3);
    g_assert_cmpuint(pool_figure(fixture->bus, "minimal", "restored"), ==, 3);
    fixture_assert_counts(fixture, 4);
}

/* --- processes that are kept --- */

/* Attaches to the process and returns its output up to the end. */
static char *
attach_and_read(GDBusConnection *bus, const char *process)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        bus, "org.cloche1", process, "org.cloche1.Process", "Attach", NULL, G_VARIANT_TYPE("(hhh)"),
        G_DBUS_CALL_FLAGS_NONE, /* timeout= */ 30000, NULL, &fds, NULL, &error);
    g_autoptr(GString) text = g_string_new(NULL);
    char bytes[256];
    gssize n;
    int in, out;

    g_assert_no_error(error);
    in = g_unix_fd_list_get(fds, 0, NULL);
    out = g_unix_fd_list_get(fds, 1, NULL);
    g_assert_cmpint(write(in, "go\n", 3), ==, 3);
    while ((n = read(out, bytes, sizeof(bytes))) > 0)
        g_string_append_len(text, bytes, n);
    close(in);
    close(out);
    return g_strdup(text->str);
}

/* The client that started it has closed its descriptors. */
static void
test_kept_process(gconstpointer signal)
{
    g_autoptr(Fixture) fixture = fixture_new(&plain);
    GDBusConnection *owner = fixture_connect(fixture, OTHER_UID);
    g_autofree char *sandbox = create(owner), *text = NULL;
    g_autoptr(GVariant) started = NULL, other = NULL, before = NULL, after = NULL, end = NULL;
    const char *process, *lost;
    int status;

    started = call(owner, sandbox, "Start",
                   "(['sh', '-c', 'echo before; read x; echo got $x; exit 9'], {'keep': <true>, "
                   "'tag': <'a b'>})");
    other = call(owner, sandbox, "Start", "(['sleep', '1000'], @a{sv} {})");
    g_variant_get(started, "(&ohhh)", &process, NULL, NULL, NULL);
    g_variant_get(other, "(&ohhh)", &lost, NULL, NULL, NULL);
    before = get_all(owner, process);
    fixture_restart(fixture, GPOINTER_TO_INT(signal));

    after = get_all(owner, process);
    for (gsize i = 0; i < g_variant_n_children(before); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(before, i);
        const char *key;
        g_autoptr(GVariant) value = NULL, now = NULL;

        g_variant_get(entry, "{&sv}", &key, &value);
        now = g_variant_lookup_value(after, key, NULL);
        if (g_str_equal(key, "Started")) /* reported by the agent, in milliseconds */
            g_assert_cmpint(ABS((gint64)(g_variant_get_uint64(now) - g_variant_get_uint64(value))),
                            <, G_USEC_PER_SEC);
        else
            g_assert_cmpvariant(now, value);
    }
    call_fails(owner, lost, "Kill", "NoSuchProcess", "has no process", "()");
    call_fails(fixture->bus, "/org/cloche1/process/nobodys_1", "Kill", "NoSuchSandbox", "", "()");
    text = attach_and_read(owner, process);
    g_assert_true(g_str_has_suffix(text, "got go\n"));
    end = call(owner, process, "Wait", "()");
    g_variant_get(end, "(i&s@a{sv})", &status, NULL, NULL);
    g_assert_cmpint(status, ==, 9);
    fixture_leave(owner);
}

static void
add(const char *name, GTestDataFunc test)
{
    static const struct {
        const char *name;
        int signal;
    } ways[] = {{"killed", SIGKILL}, {"stopped", SIGTERM}};

    for (gsize i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *path = g_strdup_printf("/restart-adoption/%s/%s", name, ways[i].name);

        g_test_add_data_func(path, GINT_TO_POINTER(ways[i].signal), test);
    }
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {
        .has_python = TRUE, .python_runners = "", .default_template = "python", .kvm = "0"};
    int status;

    g_test_init(&argc, &argv, NULL);
    add("properties", test_properties);
    add("secrets", test_secrets);
    add("timeouts", test_timeouts);
    add("order", test_order);
    add("owners", test_owners);
    add("uids", test_uids);
    add("ram", test_ram);
    add("files-and-processes", test_files_and_processes);
    add("run-under-way", test_run_under_way);
    add("pool", test_pool);
    add("variables", test_variables);
    add("contexts", test_contexts);
    add("code-under-way", test_code_under_way);
    add("output-under-way", test_output_under_way);
    add("kept-process", test_kept_process);
    add("stubborn-code", test_stubborn_code);
    add("one-shot-under-way", test_one_shot_under_way);
    python = fixture_new(&options);
    interpreter = create(python->bus);
    status = g_test_run();
    g_free(interpreter);
    fixture_free(python);
    return status;
}
