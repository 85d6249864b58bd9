/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench: what run.sh measures with.
 *
 * Each sample is a line on standard output, a figure's key and a number; report.py knows the units.
 * What cannot be measured, or answers something wrong, ends the program.
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
/* The same, with a descriptor (-1: none), whose handle is 0, and with those of the answer. */
GVariant *calls_do_with_fds(GDBusConnection *bus, const char *path, const char *interface,
                            const char *method, GVariant *arguments, int fd, GUnixFDList **ret_fds);
GVariant *calls_no_options(void);
void calls_run_true(GDBusConnection *bus, const char *sandbox);

/* Waits until the service comes up and the template is ready: ms since its process began, and the
 * same until a machine of it is. */
void service_measure_start(const char *template);
/* Claims, code, refills: so many rounds of each. */
void service_measure_rounds(const char *template, guint rounds);
/* Streams of so many MiB, and processes, in a sandbox: so many rounds. */
void service_measure_inside(const char *template, guint rounds, guint mib);
void inside_measure(GDBusConnection *bus, const char *sandbox, guint rounds, guint mib);
/* Code in a sandbox: so many rounds, and a stream of so many MiB of output. */
void service_measure_code(const char *template, guint rounds, guint mib);
void code_measure(GDBusConnection *bus, const char *sandbox, pid_t service, guint rounds,
                  guint mib);
/* Memory and processor time of the machines that wait in the pool; `ram` is the service's folder.
 */
void service_measure_idle(const char *template, const char *ram);

/* --- what it is compared with --- */

/* ms until such a command has ended well and printed `output`. The first one does not count. */
void baseline_measure_command(const char *figure, guint rounds, const char *output, char **argv);
/* The same in MB/s, the command moving so many MiB. */
void baseline_measure_rate(const char *figure, guint rounds, guint mib, char **argv);
/* ms until the agent answers in a machine that boots: `argv` is a QEMU whose channel of the agent
 * is a client of `socket`. */
void baseline_measure_boot(const char *figure, guint rounds, const char *socket, char **argv);

/* --- processes --- */

typedef struct {
    double private_mib, shared_mib; /* shared: a fair part of what others map too */
} ProcessMemory;

/* The QEMUs of which one argument contains `text`: an array of pid_t. */
GArray *process_find_qemus(const char *text);
ProcessMemory process_memory(pid_t pid);
/* A line of /proc/PID/status in KiB, `key` with its colon. */
double process_status_kib(pid_t pid, const char *key);
/* Of all its threads, those that ended too. */
double process_cpu_ms(pid_t pid);
/* Since when it has been there, in ms of CLOCK_BOOTTIME; exact to 10 ms. */
double process_began_ms(pid_t pid);
