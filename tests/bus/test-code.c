/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-code: RunCode returns the results and errors of Python code, and keeps its state. */
#include <string.h>

#include "client.h"
#include "fixture.h"

static Fixture *fixture;
static GDBusConnection *bus;
static char *sandbox;

/* Executes the code, with options as text, and returns the execution. */
static GVariant *
execute(const char *code, const char *options)
{
    g_autoptr(GVariant) answer = call(bus, sandbox, "RunCode", "(%s, %*)", code,
                                      g_variant_new_parsed(options ? options : "@a{sv} {}"));

    return g_variant_get_child_value(answer, 0);
}

static void
assert_text(GVariant *execution, const char *key, const char *expected)
{
    g_autofree char *text = dict_string(execution, key);

    g_assert_cmpstr(text, ==, expected);
}

static GVariant *
results_of(GVariant *execution)
{
    GVariant *results = g_variant_lookup_value(execution, "results", G_VARIANT_TYPE("aa{sv}"));

    g_assert_nonnull(results);
    return results;
}

/* Returns the data of the only result. */
static GVariant *
only_result(GVariant *execution, gboolean is_main)
{
    g_autoptr(GVariant) results = results_of(execution);
    g_autoptr(GVariant) result = NULL;

    g_assert_cmpint(g_variant_n_children(results), ==, 1);
    result = g_variant_get_child_value(results, 0);
    g_assert_cmpint(dict_boolean(result, "is-main-result"), ==, is_main);
    return g_variant_lookup_value(result, "data", G_VARIANT_TYPE_VARDICT);
}

static void
assert_prints(const char *code, const char *options, const char *expected)
{
    g_autoptr(GVariant) execution = execute(code, options);

    assert_text(execution, "status", "ok");
    assert_text(execution, "stdout", expected);
}

/* value: the beginning of the error's value. */
static void
assert_error_is(GVariant *execution, const char *name, const char *value, const char *in_traceback)
{
    g_autoptr(GVariant) error = g_variant_lookup_value(execution, "error", G_VARIANT_TYPE("a{ss}"));
    const char *text = NULL;

    g_assert_nonnull(error);
    g_assert_true(g_variant_lookup(error, "name", "&s", &text));
    g_assert_cmpstr(text, ==, name);
    g_assert_true(g_variant_lookup(error, "value", "&s", &text));
    g_assert_true(g_str_has_prefix(text, value));
    g_assert_true(g_variant_lookup(error, "traceback", "&s", &text));
    g_assert_nonnull(strstr(text, in_traceback));
}

/* --- results --- */

static void
test_print(void)
{
    g_autoptr(GVariant) execution = execute(
        "import sys, os\nprint('out')\nprint('err', file=sys.stderr)\nos.system('echo sub')", NULL);
    g_autoptr(GVariant) results = results_of(execution);

    assert_text(execution, "status", "ok");
    assert_text(execution, "stdout", "out\nsub\n");
    assert_text(execution, "stderr", "err\n");
    g_assert_cmpuint(dict_number(execution, "stdout-size"), ==, 8);
    g_assert_cmpuint(dict_number(execution, "stderr-size"), ==, 4);
    g_assert_false(dict_boolean(execution, "stdout-truncated"));
    g_assert_false(dict_boolean(execution, "stdout-invalid"));
    g_assert_false(dict_boolean(execution, "results-truncated"));
    g_assert_cmpuint(dict_number(execution, "duration-us"), >, 0);
    g_assert_cmpint(g_variant_n_children(results), ==, 1); /* the value that os.system() returned */
}

static void
test_value(void)
{
    g_autoptr(GVariant) first = execute("20 + 1", NULL), second = execute("21 * 2", NULL);
    g_autoptr(GVariant) data = only_result(second, TRUE);

    assert_text(data, "text/plain", "42");
    g_assert_cmpuint(dict_number(second, "execution-count"), ==,
                     dict_number(first, "execution-count") + 1);
}

static void
test_state(void)
{
    assert_prints("x = 'kept'", NULL, "");
    assert_prints("print(x)", NULL, "kept\n");
}

static void
test_display(void)
{
    g_autoptr(GVariant) execution =
        execute("from IPython.display import display, HTML, JSON\n"
                "display(HTML('<b>ä</b>'))\n"
                "display({'application/json': '{}', 'application/x-bytes': 'x'}, raw=True)",
                NULL);
    g_autoptr(GVariant) results = results_of(execution);
    g_autoptr(GVariant) first = NULL, data = NULL;

    g_assert_cmpint(g_variant_n_children(results), ==, 2);
    first = g_variant_get_child_value(results, 0);
    g_assert_false(dict_boolean(first, "is-main-result"));
    data = g_variant_lookup_value(first, "data", G_VARIANT_TYPE_VARDICT);
    assert_text(data, "text/html", "<b>ä</b>");
}

static guint32
big_endian(const guint8 *bytes)
{
    return (guint32)bytes[0] << 24 | (guint32)bytes[1] << 16 | (guint32)bytes[2] << 8 | bytes[3];
}

static void
test_figure(void)
{
    static const guint8 signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    g_autoptr(GVariant) execution =
        execute("import matplotlib.pyplot as plt\n"
                "plt.rcParams['savefig.bbox'] = 'standard'\n"
                "_ = plt.figure(figsize=(3, 2), dpi=100)\n_ = plt.plot([1, 2])",
                NULL);
    g_autoptr(GVariant) data = only_result(execution, FALSE);
    g_autoptr(GVariant) png = g_variant_lookup_value(data, "image/png", G_VARIANT_TYPE_BYTESTRING);
    gsize size;
    const guint8 *bytes;

    g_assert_nonnull(png);
    bytes = g_variant_get_fixed_array(png, &size, 1);
    g_assert_cmpuint(size, >, 500);
    g_assert_cmpmem(bytes, 8, signature, 8);
    g_assert_cmpmem(bytes + 12, 4, "IHDR", 4);
    /* About 300 by 200 pixels: space outside of the axes may be cut off. */
    g_assert_cmpuint(big_endian(bytes + 16), >=, 200);
    g_assert_cmpuint(big_endian(bytes + 16), <=, 320);
    g_assert_cmpuint(big_endian(bytes + 20), >=, 130);
    g_assert_cmpuint(big_endian(bytes + 20), <=, 220);
    g_assert_cmpmem(bytes + size - 8, 4, "IEND", 4);
}

static void
test_silent_and_history(void)
{
    g_autoptr(GVariant) before = execute("1", NULL);
    g_autoptr(GVariant) silent = execute("quiet = 2\nquiet", "{'silent': <true>}");
    g_autoptr(GVariant) results = results_of(silent);
    g_autoptr(GVariant) unkept = execute("'unkept'", "{'store-history': <false>}");
    g_autoptr(GVariant) data = only_result(unkept, TRUE);
    g_autoptr(GVariant) after = execute("quiet", NULL);

    g_assert_cmpint(g_variant_n_children(results), ==, 0);
    assert_text(data, "text/plain", "'unkept'");
    g_assert_cmpuint(dict_number(after, "execution-count"), ==,
                     dict_number(before, "execution-count") + 1);
}

static void
test_environment(void)
{
    assert_prints("import os; print(os.environ['A'])", "{'environment': <{'A': 'of one'}>}",
                  "of one\n");
    assert_prints("print(os.environ.get('A'))", NULL, "None\n");
}

static void
test_long_output(void)
{
    g_autoptr(GVariant) execution = execute("print('x' * 10_000_000, end='')", NULL);
    g_autofree char *out = dict_string(execution, "stdout");

    g_assert_cmpuint(strlen(out), ==, 4 * 1024 * 1024);
    g_assert_true(dict_boolean(execution, "stdout-truncated"));
    g_assert_cmpuint(dict_number(execution, "stdout-size"), ==, 10000000);
}

static void
test_long_code(void)
{
    gsize size = 1024 * 1024;
    g_autofree char *code = g_malloc(size + 1);

    memset(code, ' ', size);
    memcpy(code, "x = 5 #", 7);
    code[size] = '\0';
    assert_prints(code, NULL, "");
    assert_prints("print(x)", NULL, "5\n");
}

/* --- errors --- */

static void
test_error(void)
{
    g_autoptr(GVariant) raised = execute("print('before')\nraise ValueError('bad ü')", NULL);
    g_autoptr(GVariant) syntax = execute("1 +", NULL);

    assert_text(raised, "status", "error");
    assert_text(raised, "stdout", "before\n");
    assert_error_is(raised, "ValueError", "bad ü", "raise ValueError");
    assert_text(syntax, "status", "error");
    assert_error_is(syntax, "SyntaxError", "invalid syntax (<ipython-input", "1 +");
}

static void
test_timeout(void)
{
    g_autoptr(GVariant) execution = NULL;

    assert_prints("x = 'survives'", NULL, "");
    execution = execute("print('before', flush=True)\nimport time\ntime.sleep(1000)",
                        "{'timeout': <uint64 1>}");
    assert_text(execution, "status", "timed-out");
    assert_text(execution, "stdout", "before\n");
    g_assert_cmpuint(dict_number(execution, "duration-us"), >=, G_USEC_PER_SEC);
    g_assert_cmpuint(dict_number(execution, "duration-us"), <, 4 * G_USEC_PER_SEC);
    assert_prints("print(x)", NULL, "survives\n");
}

static void
test_timeout_that_is_ignored(void)
{
    g_autoptr(GVariant) execution = execute(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(1000)",
        "{'timeout': <uint64 1>}");

    assert_text(execution, "status", "timed-out");
    assert_error_is(execution, "TimeoutError",
                    "the code ran longer than its limit of 1 second; it ignored the interrupt "
                    "for 20 seconds, and its interpreter was killed: the interpreter's state is "
                    "lost",
                    "");
    assert_prints("print('x' in globals())", NULL, "False\n");
}

static void
test_runner_dies(void)
{
    assert_prints("x = 1", NULL, "");
    call_fails(bus, sandbox, "RunCode", "RunnerLost", "exit status 3",
               "('import os; os._exit(3)', @a{sv} {})");
    call_fails(bus, sandbox, "RunCode", "RunnerLost", "(killed by SIGKILL)",
               "('import os, signal; os.kill(os.getpid(), signal.SIGKILL)', @a{sv} {})");
    assert_prints("print('x' in globals())", NULL, "False\n");
}

static void
test_language(void)
{
    assert_prints("print('named')", "{'language': <'python'>}", "named\n");
    call_fails(bus, sandbox, "RunCode", "Unsupported", "no interpreter for 'ruby'; it has: python",
               "('1', {'language': <'ruby'>})");
}

/* --- one shot --- */

static gsize
count_sandboxes(void)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "ListSandboxes", NO_OPTIONS);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    return g_variant_n_children(list);
}

static void
test_one_shot(void)
{
    g_autoptr(Listener) listener = listener_new(bus);
    g_autoptr(GVariant) answer =
        call(bus, MANAGER, "RunCode",
             "('python', 'import os; print(os.environ[\"A\"]); 6 * 7', {'template': <'python'>,"
             " 'environment': <{'A': 'own'}>, 'metadata': <{'m': '1'}>, 'name': <'shot'>})");
    g_autoptr(GVariant) execution = g_variant_get_child_value(answer, 0);
    g_autoptr(GVariant) data = only_result(execution, TRUE);
    g_autoptr(GVariant) added = listener_wait(listener, MANAGER, "InterfacesAdded");
    g_autoptr(GVariant) removed = listener_wait(listener, MANAGER, "SandboxRemoved");
    const char *reason;

    assert_text(execution, "stdout", "own\n");
    assert_text(data, "text/plain", "42");
    g_variant_get_child(removed, 2, "&s", &reason);
    g_assert_cmpstr(reason, ==, "killed");
    g_assert_cmpint(count_sandboxes(), ==, 1);
}

static void
test_one_shot_that_fails(void)
{
    g_autoptr(GVariant) answer =
        call(bus, MANAGER, "RunCode", "('python', '1/0', {'template': <'python'>})");
    g_autoptr(GVariant) execution = g_variant_get_child_value(answer, 0);

    assert_text(execution, "status", "error");
    assert_error_is(execution, "ZeroDivisionError", "division by zero", "1/0");
    call_fails(bus, MANAGER, "RunCode", "Unsupported", "no interpreter for 'ruby'",
               "('ruby', '1', {'template': <'python'>})");
    g_assert_cmpint(count_sandboxes(), ==, 1);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.has_python = TRUE, .target = 0};
    g_autoptr(GVariant) template = NULL, created = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/code/print", test_print);
    g_test_add_func("/code/value", test_value);
    g_test_add_func("/code/state", test_state);
    g_test_add_func("/code/display", test_display);
    g_test_add_func("/code/figure", test_figure);
    g_test_add_func("/code/silent-and-history", test_silent_and_history);
    g_test_add_func("/code/environment", test_environment);
    g_test_add_func("/code/long-output", test_long_output);
    g_test_add_func("/code/long-code", test_long_code);
    g_test_add_func("/code/error", test_error);
    g_test_add_func("/code/timeout", test_timeout);
    g_test_add_func("/code/language", test_language);
    g_test_add_func("/code/one-shot", test_one_shot);
    g_test_add_func("/code/one-shot-that-fails", test_one_shot_that_fails);
    g_test_add_func("/code/timeout-ignored", test_timeout_that_is_ignored);
    g_test_add_func("/code/runner-dies", test_runner_dies);
    fixture = fixture_new(&options);
    bus = fixture->bus;
    template = wait_for_template(bus, "python");
    created = call(bus, MANAGER, "CreateSandbox", "({'template': <'python'>},)");
    g_variant_get(created, "(o)", &sandbox);
    status = g_test_run();
    g_free(sandbox);
    fixture_free(fixture);
    return status;
}
