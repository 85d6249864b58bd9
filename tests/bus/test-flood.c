/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-flood: while one user floods the service, the calls of another are answered.
 *
 * The times are printed and not judged. If the environment has FLOOD_SAMPLES, they are appended to
 * that file for tests/bench/report.py.
 */
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "fixture.h"

#define GREEDY_UID 1
#define CALLS 30
#define CREATES 3
#define GREEDY_CREATES 16

static Fixture *fixture;
static GDBusConnection *greedy, *other;

static void
report(const char *figure, double ms)
{
    const char *path = g_getenv("FLOOD_SAMPLES");
    FILE *file = path ? fopen(path, "a") : NULL;

    if (file) {
        fprintf(file, "%s\t%.3f\n", figure, ms);
        fclose(file);
    }
}

static int
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
print_median(const char *figure, double *ms, guint count)
{
    for (guint i = 0; i < count; i++)
        report(figure, ms[i]);
    qsort(ms, count, sizeof *ms, compare);
    g_test_message("%s: median %.2f ms, at most %.2f ms", figure, ms[count / 2], ms[count - 1]);
}

static double
now_ms(void)
{
    return (double)g_get_monotonic_time() / 1000;
}

/* --- GetQuota --- */

static void
measure_get_quota(const char *figure)
{
    double ms[CALLS];

    for (guint i = 0; i < CALLS; i++) {
        double begun = now_ms();

        g_variant_unref(call(other, MANAGER, "GetQuota", "()"));
        ms[i] = now_ms() - begun;
    }
    print_median(figure, ms, CALLS);
}

static void
test_idle(void)
{
    measure_get_quota("quota-idle");
}

static void
test_flood(gconstpointer kind)
{
    g_autoptr(GVariant) created =
        call(greedy, MANAGER, "CreateSandbox", "({'timeout': <uint64 3600>},)");
    g_autofree char *sandbox = NULL;
    g_autofree char *uid = g_strdup_printf("%d", GREEDY_UID);
    g_autofree char *figure = g_strconcat("quota-", kind, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) flooder = NULL;
    g_autoptr(GDataInputStream) out = NULL;
    g_autofree char *line = NULL;

    g_variant_get(created, "(o)", &sandbox);
    flooder = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, g_getenv("FLOODER"), kind,
                               fixture->dir, uid, sandbox, NULL);
    g_assert_no_error(error);
    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(flooder));
    line = g_data_input_stream_read_line(out, NULL, NULL, NULL);
    g_assert_cmpstr(line, ==, "flooding");
    measure_get_quota(figure);
    g_subprocess_force_exit(flooder);
    g_subprocess_wait(flooder, NULL, NULL);
    kill_sandbox(greedy, sandbox);
}

/* --- CreateSandbox --- */

static double
measure_create(void)
{
    double begun = now_ms();
    g_autofree char *sandbox = create(other);
    double ms = now_ms() - begun;

    kill_sandbox(other, sandbox);
    return ms;
}

static void
test_create_idle(void)
{
    double ms[CREATES];

    for (guint i = 0; i < CREATES; i++) {
        fixture_wait_for_machines(fixture, 0);
        ms[i] = measure_create();
    }
    print_median("create-idle", ms, CREATES);
}

static void
test_create_beside_others(void)
{
    double ms[CREATES];

    for (guint i = 0; i < CREATES; i++) {
        g_autoptr(GPtrArray) pending = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);

        fixture_wait_for_machines(fixture, 0);
        for (guint j = 0; j < GREEDY_CREATES; j++)
            g_ptr_array_add(pending, call_start(greedy, MANAGER, "CreateSandbox", NO_OPTIONS));
        g_variant_unref(call(greedy, MANAGER, "GetQuota", "()")); /* begins after those */
        ms[i] = measure_create();
        for (guint j = 0; j < GREEDY_CREATES; j++) {
            Pending *created = pending->pdata[j];
            const char *path;

            pending_wait(created);
            g_assert_no_error(created->error);
            g_variant_get(created->answer, "(&o)", &path);
            kill_sandbox(greedy, path);
        }
    }
    print_median("create-beside-16", ms, CREATES);
}

int
main(int argc, char **argv)
{
    static const char *const kinds[] = {
        "calls",        "set-timeout",          "values",
        "unread-bytes", "unread-introspection", "unread-descriptors",
        "stdin"};
    const FixtureOptions options = {.target = 0};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/flood/idle", test_idle);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path = g_strconcat("/flood/", kinds[i], NULL);

        g_test_add_data_func(path, kinds[i], test_flood);
    }
    g_test_add_func("/flood/create-idle", test_create_idle);
    g_test_add_func("/flood/create-beside-others", test_create_beside_others);
    fixture = fixture_new(&options);
    greedy = fixture_connect(fixture, GREEDY_UID);
    other = fixture_connect(fixture, OTHER_UID);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    status = g_test_run();
    fixture_leave(greedy);
    fixture_leave(other);
    fixture_free(fixture);
    return status;
}
