/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * service: measures calls of org.cloche1, from before the call is written to after its reply is
 * read.
 *
 * Every round begins when the pool is full, no machine is being restored, and the machine of the
 * previous round has ended, so each claim finds a warm machine and an idle host. Proxies are not
 * used, because a proxy for a new sandbox would call the bus in the measured time.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define START_TIMEOUT_S 600 /* the template may have to be prepared */
#define SETTLE_TIMEOUT_S 120
#define LOOK_INTERVAL_US 5000 /* interval of polling the pool, which sends no signals */
#define WARM_EXECUTIONS 5
#define IDLE_S 20

typedef struct {
    GDBusConnection *bus;
    const char *template;
} Bench;

typedef struct {
    guint target, ready, starting, waiting;
    guint64 restored;
} Pool;

/* --- the pool --- */

static Pool
look_at_pool(const Bench *bench)
{
    g_autoptr(GVariant) reply =
        calls_do(bench->bus, MANAGER_PATH, "org.freedesktop.DBus.Properties", "Get",
                 g_variant_new("(ss)", MANAGER, "Pool"));
    g_autoptr(GVariant) pools = NULL, figures = NULL;
    Pool pool = {0};

    g_variant_get(reply, "(v)", &pools);
    figures = g_variant_lookup_value(pools, bench->template, G_VARIANT_TYPE_VARDICT);
    if (!figures || !g_variant_lookup(figures, "target", "u", &pool.target) ||
        !g_variant_lookup(figures, "ready", "u", &pool.ready) ||
        !g_variant_lookup(figures, "starting", "u", &pool.starting) ||
        !g_variant_lookup(figures, "waiting", "u", &pool.waiting) ||
        !g_variant_lookup(figures, "restored", "t", &pool.restored))
        bench_die("there is no pool of '%s'", bench->template);
    return pool;
}

static gboolean
is_full(const Pool *pool, guint64 restored)
{
    return pool->ready == pool->target && pool->starting == 0 && pool->waiting == 0;
}

static gboolean
has_restored(const Pool *pool, guint64 restored)
{
    return pool->restored > restored;
}

static gboolean
has_one_ready(const Pool *pool, guint64 restored)
{
    return pool->ready > 0;
}

static void
wait_for_pool(const Bench *bench, gboolean (*condition)(const Pool *, guint64), guint64 restored)
{
    double end = bench_now_ms() + SETTLE_TIMEOUT_S * 1000.0;

    for (;;) {
        Pool pool = look_at_pool(bench);

        if (condition(&pool, restored))
            return;
        if (bench_now_ms() > end)
            bench_die("the pool was not filled: %u of %u machines are ready", pool.ready,
                      pool.target);
        g_usleep(LOOK_INTERVAL_US);
    }
}

/* --- sandboxes --- */

/* If `figure` is NULL, there is no sample. */
static char *
create(const Bench *bench, const char *figure)
{
    GVariantBuilder options;
    g_autoptr(GVariant) reply = NULL;
    double begin;
    char *path;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "template", g_variant_new_string(bench->template));
    begin = bench_now_ms();
    reply = calls_do(bench->bus, MANAGER_PATH, MANAGER, "CreateSandbox",
                     g_variant_new("(a{sv})", &options));
    if (figure)
        bench_sample(figure, bench_now_ms() - begin);
    g_variant_get(reply, "(o)", &path);
    return path;
}

static void
run_code(const Bench *bench, const char *sandbox, const char *code, const char *expected)
{
    g_autoptr(GVariant) reply = calls_do(bench->bus, sandbox, SANDBOX, "RunCode",
                                         g_variant_new("(s@a{sv})", code, calls_no_options()));
    g_autoptr(GVariant) execution = g_variant_get_child_value(reply, 0);
    const char *status = "", *output = "";

    g_variant_lookup(execution, "status", "&s", &status);
    g_variant_lookup(execution, "stdout", "&s", &output);
    if (!g_str_equal(status, "ok") || !g_str_equal(output, expected))
        bench_die("'%s' ended with '%s' and printed '%s'", code, status, output);
}

static void
wait_for_end(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    if (poll(&p, 1, SETTLE_TIMEOUT_S * 1000) != 1)
        bench_die("the machine of a killed sandbox does not end");
    close(pidfd);
}

/* Kills the sandbox, and returns when its machine has ended and the pool is full again. */
static void
end(const Bench *bench, const char *sandbox)
{
    g_autofree char *name = g_strconcat("guest=cloche-", strrchr(sandbox, '/') + 1, NULL);
    g_autoptr(GArray) qemus = process_find_qemus(name);
    int pidfd;

    if (qemus->len != 1)
        bench_die("%s has %u machines", sandbox, qemus->len);
    pidfd = (int)syscall(SYS_pidfd_open, g_array_index(qemus, pid_t, 0), 0);
    if (pidfd < 0)
        bench_die("the machine of %s: %s", sandbox, g_strerror(errno));
    g_variant_unref(calls_do(bench->bus, sandbox, SANDBOX, "Kill", /* arguments= */ NULL));
    wait_for_end(pidfd);
    wait_for_pool(bench, is_full, 0);
}

static pid_t
service_pid(GDBusConnection *bus)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "GetConnectionUnixProcessID", g_variant_new("(s)", BUS_NAME), G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, /* timeout_msec= */ 10000, NULL, &error);
    guint32 pid;

    if (!reply)
        bench_die("%s", error->message);
    g_variant_get(reply, "(u)", &pid);
    return (pid_t)pid;
}

/* --- rounds --- */

static void
measure_run(const Bench *bench)
{
    double begin = bench_now_ms();
    g_autofree char *sandbox = create(bench, "create");

    calls_run_true(bench->bus, sandbox);
    bench_sample("create-run", bench_now_ms() - begin);
    end(bench, sandbox);
}

static void
measure_code(const Bench *bench)
{
    double begin = bench_now_ms();
    g_autofree char *sandbox = create(bench, "create");

    run_code(bench, sandbox, "print(1)", "1\n");
    bench_sample("create-code", bench_now_ms() - begin);
    for (guint i = 0; i < WARM_EXECUTIONS; i++) {
        begin = bench_now_ms();
        run_code(bench, sandbox, "1", "");
        bench_sample("code-warm", bench_now_ms() - begin);
    }
    end(bench, sandbox);
}

/* The sandbox is idle during the refill. */
static void
measure_refill(const Bench *bench)
{
    guint64 restored = look_at_pool(bench).restored;
    double begin = bench_now_ms();
    g_autofree char *sandbox = create(bench, "create");

    wait_for_pool(bench, has_restored, restored);
    bench_sample("refill", bench_now_ms() - begin);
    end(bench, sandbox);
}

void
service_measure_rounds(const char *template, guint rounds)
{
    g_autoptr(GDBusConnection) bus = calls_open_bus();
    const Bench bench = {bus, template};

    wait_for_pool(&bench, is_full, 0);
    for (guint i = 0; i < rounds; i++) {
        measure_run(&bench);
        measure_code(&bench);
        measure_refill(&bench);
    }
}

/* Creates a sandbox. The pool is full before and after that. */
static char *
create_quietly(const Bench *bench)
{
    char *sandbox;

    wait_for_pool(bench, is_full, 0);
    sandbox = create(bench, /* figure= */ NULL);
    wait_for_pool(bench, is_full, 0);
    return sandbox;
}

void
service_measure_inside(const char *template, guint rounds, guint mib)
{
    g_autoptr(GDBusConnection) bus = calls_open_bus();
    const Bench bench = {bus, template};
    g_autofree char *sandbox = create_quietly(&bench);

    inside_measure(bus, sandbox, rounds, mib);
    end(&bench, sandbox);
}

void
service_measure_code(const char *template, guint rounds, guint mib)
{
    g_autoptr(GDBusConnection) bus = calls_open_bus();
    const Bench bench = {bus, template};
    g_autofree char *sandbox = create_quietly(&bench);

    code_measure(bus, sandbox, service_pid(bus), rounds, mib);
    end(&bench, sandbox);
}

/* --- idle --- */

static void
measure_memory(GArray *qemus)
{
    for (guint i = 0; i < qemus->len; i++) {
        ProcessMemory memory = process_memory(g_array_index(qemus, pid_t, i));

        bench_sample("memory", memory.private_mib + memory.shared_mib);
        bench_sample("memory-private", memory.private_mib);
        bench_sample("memory-shared", memory.shared_mib);
    }
}

static void
measure_cpu(GArray *qemus, pid_t service)
{
    g_autofree double *before = g_new(double, qemus->len);
    double service_before = process_cpu_ms(service), begin = bench_now_ms(), percent;

    for (guint i = 0; i < qemus->len; i++)
        before[i] = process_cpu_ms(g_array_index(qemus, pid_t, i));
    g_usleep(IDLE_S * G_USEC_PER_SEC);
    percent = 100 / (bench_now_ms() - begin);
    for (guint i = 0; i < qemus->len; i++)
        bench_sample("idle-cpu",
                     (process_cpu_ms(g_array_index(qemus, pid_t, i)) - before[i]) * percent);
    bench_sample("idle-cpu-service", (process_cpu_ms(service) - service_before) * percent);
}

void
service_measure_idle(const char *template, const char *ram)
{
    g_autoptr(GDBusConnection) bus = calls_open_bus();
    const Bench bench = {bus, template};
    g_autofree char *mapped = g_strdup_printf("mem-path=%s/%s-", ram, template);
    g_autoptr(GArray) qemus = NULL;

    wait_for_pool(&bench, is_full, 0);
    qemus = process_find_qemus(mapped);
    if (qemus->len != look_at_pool(&bench).target)
        bench_die("%u machines run, and the pool has %u", qemus->len, look_at_pool(&bench).target);
    measure_memory(qemus);
    measure_cpu(qemus, service_pid(bus));
}

/* --- start --- */

static gboolean
template_is_ready(const Bench *bench)
{
    g_autoptr(GVariant) reply =
        calls_do(bench->bus, MANAGER_PATH, MANAGER, "ListTemplates", /* arguments= */ NULL);
    g_autoptr(GVariant) templates = g_variant_get_child_value(reply, 0);

    for (gsize i = 0; i < g_variant_n_children(templates); i++) {
        g_autoptr(GVariant) template = g_variant_get_child_value(templates, i);
        const char *name = "", *state = "", *error = "";

        g_variant_lookup(template, "name", "&s", &name);
        g_variant_lookup(template, "state", "&s", &state);
        g_variant_lookup(template, "error", "&s", &error);
        if (!g_str_equal(name, bench->template))
            continue;
        if (g_str_equal(state, "failed"))
            bench_die("template '%s': %s", name, error);
        return g_str_equal(state, "ready");
    }
    bench_die("template '%s' is not installed", bench->template);
}

static void
on_appeared(GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
    *(gboolean *)data = TRUE;
}

static void
on_changed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *parameters, gpointer data)
{
    *(gboolean *)data = TRUE;
}

static void
wait_until(gboolean *what)
{
    while (!*what)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    *what = FALSE;
}

static gboolean
on_timeout(gpointer data)
{
    bench_die("the service was not ready within %d s", START_TIMEOUT_S);
}

void
service_measure_start(const char *template)
{
    g_autoptr(GDBusConnection) bus = calls_open_bus();
    const Bench bench = {bus, template};
    gboolean is_there = FALSE, is_changed = FALSE;
    guint watch = g_bus_watch_name_on_connection(bus, BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_appeared, NULL, &is_there, NULL);
    guint changes = g_dbus_connection_signal_subscribe(
        bus, BUS_NAME, MANAGER, "TemplateChanged", MANAGER_PATH, template, G_DBUS_SIGNAL_FLAGS_NONE,
        on_changed, &is_changed, NULL);
    double began;

    g_timeout_add_seconds(START_TIMEOUT_S, on_timeout, NULL);
    wait_until(&is_there);
    began = process_began_ms(service_pid(bus));
    while (!template_is_ready(&bench))
        wait_until(&is_changed);
    bench_sample("start-template", bench_now_ms() - began);
    wait_for_pool(&bench, has_one_ready, 0);
    bench_sample("start-machine", bench_now_ms() - began);
    g_dbus_connection_signal_unsubscribe(bus, changes);
    g_bus_unwatch_name(watch);
}
