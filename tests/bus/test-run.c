/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-run: Run starts programs, passes their input and output, and reports their end. */
#include <string.h>

#include "client.h"
#include "fixture.h"

#define OUTPUT_MAX (4u * 1024 * 1024)

static Fixture *fixture;
static GDBusConnection *bus;
static char *sandbox;

typedef struct {
    GVariant *answer, *details;
    int status;
    const char *out, *err;
    char *how;
} Ran;

static void
ran_clear(Ran *ran)
{
    g_variant_unref(ran->answer);
    g_variant_unref(ran->details);
    g_free(ran->how);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ran, ran_clear)

/* Takes ownership of the reply of Run(). */
static Ran
ran(GVariant *answer)
{
    Ran result = {.answer = answer};

    g_variant_get(answer, "(i&s&s@a{sv})", &result.status, &result.out, &result.err,
                  &result.details);
    result.how = dict_string(result.details, "how");
    return result;
}

static gboolean
has_signal(const Ran *result)
{
    return g_variant_lookup(result->details, "signal", "u", NULL);
}

static void
test_end(void)
{
    g_auto(Ran) good = ran(run_shell(bus, sandbox, "echo out; echo err >&2"));
    g_auto(Ran) bad = ran(run_shell(bus, sandbox, "exit 42"));

    g_assert_cmpint(good.status, ==, 0);
    g_assert_cmpstr(good.out, ==, "out\n");
    g_assert_cmpstr(good.err, ==, "err\n");
    g_assert_cmpstr(good.how, ==, "exited");
    g_assert_false(has_signal(&good));
    g_assert_cmpuint(dict_number(good.details, "stdout-size"), ==, 4);
    g_assert_cmpuint(dict_number(good.details, "stderr-size"), ==, 4);
    g_assert_false(dict_boolean(good.details, "stdout-truncated"));
    g_assert_false(dict_boolean(good.details, "stderr-truncated"));
    g_assert_false(dict_boolean(good.details, "stdout-invalid"));
    g_assert_false(dict_boolean(good.details, "stderr-invalid"));
    g_assert_cmpuint(dict_number(good.details, "pid"), >, 1);
    g_assert_cmpint(bad.status, ==, 42);
    g_assert_cmpstr(bad.how, ==, "exited");
    g_assert_cmpstr(bad.out, ==, "");
}

static void
test_resources(void)
{
    g_auto(Ran) result =
        ran(run_shell(bus, sandbox, "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done"));
    guint64 used_us =
        dict_number(result.details, "user-us") + dict_number(result.details, "system-us");

    g_assert_cmpuint(used_us, >, 1000);
    g_assert_cmpuint(dict_number(result.details, "duration-us"), >=, used_us / 2);
    g_assert_cmpuint(dict_number(result.details, "duration-us"), <, 20 * G_USEC_PER_SEC);
    g_assert_cmpuint(dict_number(result.details, "peak-rss-kib"), >, 100);
}

static void
test_signal(void)
{
    g_auto(Ran) result = ran(run_shell(bus, sandbox, "kill -TERM $$"));

    g_assert_cmpint(result.status, ==, 128 + 15);
    g_assert_cmpstr(result.how, ==, "signaled");
    g_assert_cmpuint(dict_number(result.details, "signal"), ==, 15);
}

static void
test_timeout(void)
{
    gint64 begin_us = g_get_monotonic_time();
    /* A second process holds the output open: it must end as well. */
    g_auto(Ran) result = ran(call(bus, sandbox, "Run",
                                  "(['sh', '-c', 'echo before; setsid sleep 1000 & sleep 1000'],"
                                  " {'timeout': <uint64 1>})"));
    gint64 took_us = g_get_monotonic_time() - begin_us;

    g_assert_cmpint(result.status, ==, 128 + 9);
    g_assert_cmpstr(result.how, ==, "timed-out");
    g_assert_cmpuint(dict_number(result.details, "signal"), ==, 9);
    g_assert_cmpstr(result.out, ==, "before\n");
    g_assert_cmpint(took_us, >=, G_USEC_PER_SEC);
    g_assert_cmpint(took_us, <, 5 * G_USEC_PER_SEC);
}

static void
test_place(void)
{
    g_auto(Ran) home = ran(run_shell(bus, sandbox, "pwd"));
    g_auto(Ran) there = ran(call(bus, sandbox, "Run", "(['pwd'], {'cwd': <'/usr/bin'>})"));
    g_auto(Ran) empty = ran(call(bus, sandbox, "Run", "(['pwd'], {'cwd': <''>})"));

    g_assert_cmpstr(home.out, ==, "/root\n");
    g_assert_cmpstr(there.out, ==, "/usr/bin\n");
    g_assert_cmpstr(empty.out, ==, "/root\n");
}

static void
test_environment(void)
{
    g_auto(Ran) result = ran(call(bus, sandbox, "Run",
                                  "(['sh', '-c', 'echo \"$A|$B|$HOME|${PATH:+path}\"'],"
                                  " {'environment': <{'A': 'x=y z', 'B': 'ü'}>})"));
    g_auto(Ran) next = ran(run_shell(bus, sandbox, "echo \"${A-unset}\""));

    g_assert_cmpstr(result.out, ==, "x=y z|ü|/root|path\n");
    g_assert_cmpstr(next.out, ==, "unset\n");
}

static void
test_environment_of_the_sandbox(void)
{
    g_autoptr(GVariant) answer =
        call(bus, MANAGER, "CreateSandbox", "({'environment': <{'A': 'of all', 'B': 'too'}>},)");
    const char *own;

    g_variant_get(answer, "(&o)", &own);
    {
        g_auto(Ran) result = ran(call(bus, own, "Run",
                                      "(['sh', '-c', 'echo \"$A|$B\"'],"
                                      " {'environment': <{'A': 'of one'}>})"));
        g_assert_cmpstr(result.out, ==, "of one|too\n");
    }
    kill_sandbox(bus, own);
}

static void
test_user(void)
{
    g_auto(Ran) by_default = ran(run_shell(bus, sandbox, "id -u"));
    g_auto(Ran) by_name = ran(call(bus, sandbox, "Run", "(['id', '-u'], {'user': <'nobody'>})"));
    g_auto(Ran) by_number = ran(call(bus, sandbox, "Run", "(['id', '-u'], {'user': <'65534'>})"));

    g_assert_cmpstr(by_default.out, ==, "0\n");
    g_assert_cmpstr(by_name.out, ==, "65534\n");
    g_assert_cmpstr(by_number.out, ==, "65534\n");
}

static void
test_stdin(void)
{
    g_auto(Ran) text = ran(call(bus, sandbox, "Run", "(['cat'], {'stdin': <'grüß dich'>})"));
    g_auto(Ran) bytes = ran(
        call(bus, sandbox, "Run", "(['od', '-An', '-tx1'], {'stdin': <[byte 0x00, 0xff, 0x0a]>})"));
    g_auto(Ran) empty = ran(call(bus, sandbox, "Run", "(['wc', '-c'], {'stdin': <@ay []>})"));
    g_auto(Ran) none = ran(call(bus, sandbox, "Run", "(['wc', '-c'], @a{sv} {})"));

    g_assert_cmpstr(text.out, ==, "grüß dich");
    g_assert_cmpstr(bytes.out, ==, " 00 ff 0a\n");
    g_assert_cmpstr(empty.out, ==, "0\n");
    g_assert_cmpstr(none.out, ==, "0\n");
}

/* The input is much longer than the window, and the program reads all of it. */
static void
test_long_stdin(void)
{
    gsize size = 1024 * 1024;
    g_autofree guint8 *bytes = g_malloc(size);
    g_autofree char *sum = NULL, *expected = NULL;

    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)(i * 7 + (i >> 11));
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, size);
    expected = g_strconcat(sum, "  -\n", NULL);
    {
        GVariant *input = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, size, 1);
        g_auto(Ran) result =
            ran(call(bus, sandbox, "Run", "(['sha256sum'], {'stdin': <%*>})", input));

        g_assert_cmpstr(result.out, ==, expected);
    }
    call_fails(bus, sandbox, "Run", "InvalidArgument", "at most 1048576 bytes, not 1048577",
               "(['true'], {'stdin': <%*>})", g_variant_new_take_string(g_strnfill(size + 1, 'x')));
}

/* A program that ends without reading its input is not an error. */
static void
test_stdin_that_nobody_reads(void)
{
    char *text = g_strnfill(1024 * 1024, 'x');
    g_auto(Ran) result = ran(
        call(bus, sandbox, "Run", "(['true'], {'stdin': <%*>})", g_variant_new_take_string(text)));

    g_assert_cmpint(result.status, ==, 0);
}

static void
test_invalid_text(void)
{
    g_auto(Ran) result = ran(run_shell(bus, sandbox, "printf 'a\\377b'; printf '\\303\\274' >&2"));

    g_assert_cmpstr(result.out, ==, "a\357\277\275b");
    g_assert_cmpstr(result.err, ==, "ü");
    g_assert_true(dict_boolean(result.details, "stdout-invalid"));
    g_assert_false(dict_boolean(result.details, "stderr-invalid"));
    g_assert_cmpuint(dict_number(result.details, "stdout-size"), ==, 3);
}

static void
test_long_output(void)
{
    g_auto(Ran) most = ran(run_shell(bus, sandbox, "head -c 4194304 /dev/zero | tr '\\0' x"));
    g_auto(Ran) more = ran(run_shell(bus, sandbox, "head -c 10000000 /dev/zero | tr '\\0' y >&2"));

    g_assert_cmpuint(strlen(most.out), ==, OUTPUT_MAX);
    g_assert_false(dict_boolean(most.details, "stdout-truncated"));
    g_assert_cmpuint(strlen(more.err), ==, OUTPUT_MAX);
    g_assert_cmpuint(strspn(more.err, "y"), ==, OUTPUT_MAX);
    g_assert_true(dict_boolean(more.details, "stderr-truncated"));
    g_assert_false(dict_boolean(more.details, "stdout-truncated"));
    g_assert_cmpuint(dict_number(more.details, "stderr-size"), ==, 10000000);
}

/* Text that would be cut in the middle of a character is cut before it, and is not reported as
 * invalid. */
static void
test_cut_character(void)
{
    g_auto(Ran) result =
        ran(run_shell(bus, sandbox, "printf x; yes ü | tr -d '\\n' | head -c 4200000"));

    g_assert_true(dict_boolean(result.details, "stdout-truncated"));
    g_assert_false(dict_boolean(result.details, "stdout-invalid"));
    g_assert_cmpuint(strlen(result.out), ==, OUTPUT_MAX - 1);
    g_assert_true(g_utf8_validate(result.out, -1, NULL));
}

static void
test_errors(void)
{
    call_fails(bus, sandbox, "Run", "NoSuchProgram", "'no-such-program'",
               "(['no-such-program'], @a{sv} {})");
    call_fails(bus, sandbox, "Run", "NoSuchProgram", "'/no/such'", "(['/no/such'], @a{sv} {})");
    call_fails(bus, sandbox, "Run", "NoSuchDirectory", "'/no/such'",
               "(['true'], {'cwd': <'/no/such'>})");
    call_fails(bus, sandbox, "Run", "NoSuchDirectory", "'/etc/passwd'",
               "(['true'], {'cwd': <'/etc/passwd'>})");
    call_fails(bus, sandbox, "Run", "NoSuchUser", "'no-such-user'",
               "(['true'], {'user': <'no-such-user'>})");
    call_fails(bus, sandbox, "Run", "PermissionDenied", "'/etc/passwd'",
               "(['/etc/passwd'], @a{sv} {})");
    call_fails(bus, sandbox, "Run", "PermissionDenied", "'/root'",
               "(['true'], {'cwd': <'/root'>, 'user': <'nobody'>})");
}

static void
test_many_at_once(void)
{
    Pending *calls[32];

    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *words = g_strdup_printf("echo %u; sleep 0.1; exit %u", i, i);

        calls[i] = call_start(bus, sandbox, "Run", "(['sh', '-c', %s], @a{sv} {})", words);
    }
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *expected = g_strdup_printf("%u\n", i);

        pending_wait(calls[i]);
        g_assert_no_error(calls[i]->error);
        {
            g_auto(Ran) result = ran(g_variant_ref(calls[i]->answer));

            g_assert_cmpint(result.status, ==, (int)i);
            g_assert_cmpstr(result.out, ==, expected);
        }
        pending_free(calls[i]);
    }
}

/* Background processes continue, and do not delay the reply. */
static void
test_background(void)
{
    g_auto(Ran) first = ran(run_shell(bus, sandbox, "sleep 1000 >/dev/null 2>&1 & echo $!"));
    g_autofree char *words = g_strdup_printf("kill %s", first.out);
    g_auto(Ran) second = ran(run_shell(bus, sandbox, words));

    g_assert_cmpint(second.status, ==, 0);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 1};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/run/end", test_end);
    g_test_add_func("/run/resources", test_resources);
    g_test_add_func("/run/signal", test_signal);
    g_test_add_func("/run/timeout", test_timeout);
    g_test_add_func("/run/place", test_place);
    g_test_add_func("/run/environment", test_environment);
    g_test_add_func("/run/environment-of-the-sandbox", test_environment_of_the_sandbox);
    g_test_add_func("/run/user", test_user);
    g_test_add_func("/run/stdin", test_stdin);
    g_test_add_func("/run/long-stdin", test_long_stdin);
    g_test_add_func("/run/stdin-that-nobody-reads", test_stdin_that_nobody_reads);
    g_test_add_func("/run/invalid-text", test_invalid_text);
    g_test_add_func("/run/long-output", test_long_output);
    g_test_add_func("/run/cut-character", test_cut_character);
    g_test_add_func("/run/errors", test_errors);
    g_test_add_func("/run/many-at-once", test_many_at_once);
    g_test_add_func("/run/background", test_background);
    fixture = fixture_new(&options);
    bus = fixture->bus;
    sandbox = create(bus);
    status = g_test_run();
    g_free(sandbox);
    fixture_free(fixture);
    return status;
}
