/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * code: executions in warm contexts of one sandbox, compared with ipykernel in the same guest.
 *
 * A program in the guest uses ipykernel by jupyter_client, which waits for the reply and until the
 * kernel is idle again, as RunCode() does. The time of RunCode() includes the transfer from and to
 * the host; that of ipykernel does not.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "bench.h"

#define CELLS 100
#define KERNEL_START_S "300"

static const char ipykernel[] =
    "import sys, time\n"
    "from jupyter_client.manager import start_new_kernel\n"
    "manager, client = start_new_kernel(startup_timeout=" KERNEL_START_S
    ", kernel_name='python3')\n"
    "for number in range(int(sys.argv[1]) + 1):\n"
    "    begin = time.perf_counter()\n"
    "    reply = client.execute_interactive('1', output_hook=lambda message: None, timeout=60)\n"
    "    assert reply['content']['status'] == 'ok'\n"
    "    if number > 0:\n"
    "        print((time.perf_counter() - begin) * 1e3)\n"
    "manager.shutdown_kernel(now=True)\n";

static GVariant *
language_options(const char *language)
{
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "language", g_variant_new_string(language));
    return g_variant_builder_end(&options);
}

/* Returns the output of the code. */
static char *
run_code(GDBusConnection *bus, const char *sandbox, const char *language, const char *code)
{
    g_autoptr(GVariant) reply =
        calls_do(bus, sandbox, SANDBOX, "RunCode",
                 g_variant_new("(s@a{sv})", code, language_options(language)));
    g_autoptr(GVariant) execution = g_variant_get_child_value(reply, 0);
    const char *status = "", *output = "";

    g_variant_lookup(execution, "status", "&s", &status);
    g_variant_lookup(execution, "stdout", "&s", &output);
    if (!g_str_equal(status, "ok"))
        bench_die("'%s' in %s ended with '%s'", code, language, status);
    return g_strdup(output);
}

static void
measure_language(GDBusConnection *bus, const char *sandbox, const char *language, guint rounds)
{
    g_autofree char *figure = g_strconcat("code-", language, NULL);

    g_free(run_code(bus, sandbox, language, "1"));
    for (guint i = 0; i < rounds; i++) {
        double begin = bench_now_ms();

        g_free(run_code(bus, sandbox, language, "1"));
        bench_sample(figure, bench_now_ms() - begin);
    }
}

static void
measure_ipykernel(GDBusConnection *bus, const char *sandbox, guint rounds)
{
    g_autofree char *count = g_strdup_printf("%u", rounds);
    const char *argv[] = {"/usr/bin/python3", "-c", ipykernel, count, NULL};
    g_autoptr(GVariant) reply = calls_do(bus, sandbox, SANDBOX, "Run",
                                         g_variant_new("(^as@a{sv})", argv, calls_no_options()));
    g_auto(GStrv) lines = NULL;
    const char *output, *errors;
    int status;

    g_variant_get(reply, "(i&s&s@a{sv})", &status, &output, &errors, NULL);
    if (status != 0)
        bench_die("ipykernel: %s", errors);
    lines = g_strsplit(output, "\n", /* max_tokens= */ -1);
    for (guint i = 0; i < rounds; i++)
        bench_sample("code-ipykernel", g_ascii_strtod(lines[i], NULL));
}

/* --- memory --- */

/* Returns the memory of the interpreter in KiB. */
static double
runner_kib(GDBusConnection *bus, const char *sandbox)
{
    g_autofree char *kib =
        run_code(bus, sandbox, "python",
                 "print(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])");

    return g_ascii_strtod(kib, NULL);
}

static void
measure_growth(GDBusConnection *bus, const char *sandbox, pid_t service)
{
    double runner = runner_kib(bus, sandbox), kib = process_status_kib(service, "VmRSS:");

    for (guint i = 0; i < CELLS; i++)
        g_free(run_code(bus, sandbox, "python", "1"));
    bench_sample("growth-service", process_status_kib(service, "VmRSS:") - kib);
    bench_sample("growth-runner", runner_kib(bus, sandbox) - runner);
}

/* Adds the bytes of output in an event. Returns FALSE at the end of a successful execution. */
static gboolean
count_output(const char *line, gsize *output)
{
    g_autoptr(JsonNode) node = json_from_string(line, NULL);
    JsonObject *event = node ? json_node_get_object(node) : NULL;
    const char *type = event ? json_object_get_string_member(event, "type") : "";

    if (g_str_equal(type, "stdout"))
        *output += strlen(json_object_get_string_member(event, "text"));
    else if (!g_str_equal(type, "end") ||
             !g_str_equal(json_object_get_string_member(event, "status"), "ok"))
        bench_die("unexpected event of a stream: %s", line);
    return g_str_equal(type, "stdout");
}

static void
read_events(int fd, gsize size)
{
    g_autoptr(GInputStream) in = g_unix_input_stream_new(fd, /* close_fd= */ TRUE);
    g_autoptr(GDataInputStream) lines = g_data_input_stream_new(in);
    gsize output = 0;
    gboolean goes_on = TRUE;

    while (goes_on) {
        g_autofree char *line = g_data_input_stream_read_line(lines, NULL, NULL, NULL);

        if (!line)
            bench_die("a stream ended too early");
        goes_on = count_output(line, &output);
    }
    if (output != size)
        bench_die("received %zu bytes of output instead of %zu", output, size);
}

static void
measure_stream(GDBusConnection *bus, const char *sandbox, pid_t service, guint mib)
{
    gsize size = (gsize)mib << 20;
    g_autofree char *code =
        g_strdup_printf("for number in range(%zu): print('x' * 999)", size / 1000);
    double peak = process_status_kib(service, "VmHWM:"), runner = runner_kib(bus, sandbox);
    double begin = bench_now_ms();
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) reply = calls_do_with_fds(
        bus, sandbox, SANDBOX, "StreamCode",
        g_variant_new("(s@a{sv})", code, language_options("python")), /* fd= */ -1, &fds);

    read_events(g_unix_fd_list_get(fds, 0, /* error= */ NULL), size / 1000 * 1000);
    bench_sample("code-stream", (double)size / 1e3 / (bench_now_ms() - begin));
    bench_sample("stream-service", process_status_kib(service, "VmHWM:") - peak);
    bench_sample("stream-runner", runner_kib(bus, sandbox) - runner);
}

void
code_measure(GDBusConnection *bus, const char *sandbox, pid_t service, guint rounds, guint mib)
{
    measure_language(bus, sandbox, "python", rounds);
    measure_language(bus, sandbox, "javascript", rounds);
    measure_ipykernel(bus, sandbox, rounds);
    measure_growth(bus, sandbox, service);
    measure_stream(bus, sandbox, service, mib);
}
