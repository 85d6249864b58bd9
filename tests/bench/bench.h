/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench: functions of bench-client, with which run.sh measures.
 *
 * Each sample is a line on standard output: a figure's key and a number in the unit that report.py
 * knows. A failed measurement or a wrong answer ends the program.
 */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>

#define BUS_NAME "org.cloche1"
#define MANAGER_PATH "/org/cloche1"
#define MANAGER "org.cloche1.Manager"
#define SANDBOX "org.cloche1.Sandbox"
#define PROCESS "org.cloche1.Process"

double bench_now_ms(void);
void bench_sample(const char *figure, double value);
void bench_die(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

/* --- cloched, on the session bus --- */

GDBusConnection *calls_open_bus(void);
GVariant *calls_do(GDBusConnection *bus, const char *path, const char *interface,
                   const char *method, GVariant *arguments);
/* Does the same with a descriptor, whose handle is 0 (-1: none), and returns the answer's
 * descriptors. */
GVariant *calls_do_with_fds(GDBusConnection *bus, const char *path, const char *interface,
                            const char *method, GVariant *arguments, int fd, GUnixFDList **ret_fds);
GVariant *calls_no_options(void);
void calls_run_true(GDBusConnection *bus, const char *sandbox);

/* Waits until the template is ready, and then until one of its machines is. Both samples are ms
 * since the service's process began. */
void service_measure_start(const char *template);
/* Measures claims, code and refills, this many rounds of each. */
void service_measure_rounds(const char *template, guint rounds);
/* Measures streams of this many MiB, and processes, in a sandbox, this many rounds of each. */
void service_measure_inside(const char *template, guint rounds, guint mib);
void inside_measure(GDBusConnection *bus, const char *sandbox, guint rounds, guint mib);
/* Measures code in a sandbox for this many rounds, and a stream of this many MiB of output. */
void service_measure_code(const char *template, guint rounds, guint mib);
void code_measure(GDBusConnection *bus, const char *sandbox, pid_t service, guint rounds,
                  guint mib);
/* Measures memory and processor time of idle machines of the pool; `ram` is the service's folder.
 */
void service_measure_idle(const char *template, const char *ram);

/* --- what it is compared with --- */

/* Measures the ms until the command has succeeded and printed `output`. The first run does not
 * count. */
void baseline_measure_command(const char *figure, guint rounds, const char *output, char **argv);
/* Measures the MB/s of a command that moves this many MiB. */
void baseline_measure_rate(const char *figure, guint rounds, guint mib, char **argv);
/* Measures the ms until the agent of a booting machine answers. `argv` is a QEMU that connects the
 * agent's channel to `socket`. */
void baseline_measure_boot(const char *figure, guint rounds, const char *socket, char **argv);

/* --- processes --- */

typedef struct {
    double private_mib,
        shared_mib; /* shared: a proportional share of the pages that other processes map, too */
} ProcessMemory;

/* Returns the pids (pid_t) of QEMUs that have an argument which contains `text`. */
GArray *process_find_qemus(const char *text);
ProcessMemory process_memory(pid_t pid);
/* Returns a value of /proc/PID/status in KiB. `key` includes the colon. */
double process_status_kib(pid_t pid, const char *key);
/* Returns the processor time of all its threads, including those that have ended. */
double process_cpu_ms(pid_t pid);
/* Returns its start time in ms of CLOCK_BOOTTIME, with a resolution of 10 ms. */
double process_began_ms(pid_t pid);
