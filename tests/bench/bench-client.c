/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-client: one verb for each kind of measurement; run.sh is its only caller. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

double
bench_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

void
bench_sample(const char *figure, double value)
{
    printf("%s\t%.4f\n", figure, value);
    fflush(stdout);
}

void
bench_die(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("bench-client: %s\n", text);
    exit(1);
}

static guint
number(const char *text)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, 1, 100000, &value, NULL))
        bench_die("'%s' is no number", text);
    return (guint)value;
}

int
main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    if (g_str_equal(verb, "start") && argc == 3)
        service_measure_start(argv[2]);
    else if (g_str_equal(verb, "rounds") && argc == 4)
        service_measure_rounds(argv[2], number(argv[3]));
    else if (g_str_equal(verb, "inside") && argc == 5)
        service_measure_inside(argv[2], number(argv[3]), number(argv[4]));
    else if (g_str_equal(verb, "code") && argc == 5)
        service_measure_code(argv[2], number(argv[3]), number(argv[4]));
    else if (g_str_equal(verb, "idle") && argc == 4)
        service_measure_idle(argv[2], argv[3]);
    else if (g_str_equal(verb, "command") && argc > 5)
        baseline_measure_command(argv[2], number(argv[3]), argv[4], argv + 5);
    else if (g_str_equal(verb, "rate") && argc > 5)
        baseline_measure_rate(argv[2], number(argv[3]), number(argv[4]), argv + 5);
    else if (g_str_equal(verb, "boot") && argc > 5)
        baseline_measure_boot(argv[2], number(argv[3]), argv[4], argv + 5);
    else
        bench_die("use: start TEMPLATE | rounds TEMPLATE N | inside TEMPLATE N MIB | "
                  "code TEMPLATE N MIB | idle TEMPLATE RAM | command FIGURE N OUTPUT ARGV... | "
                  "rate FIGURE N MIB ARGV... | boot FIGURE N SOCKET ARGV...");
    return 0;
}
