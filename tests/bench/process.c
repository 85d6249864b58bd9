/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process: reads facts about a process from /proc. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static char *
read_proc(pid_t pid, const char *file, gsize *ret_size)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file);
    char *text;

    return g_file_get_contents(path, &text, ret_size, NULL) ? text : NULL;
}

static char *
require_proc(pid_t pid, const char *file)
{
    char *text = read_proc(pid, file, NULL);

    if (!text)
        bench_die("process %d has ended", (int)pid);
    return text;
}

static gboolean
is_qemu_with(pid_t pid, const char *text)
{
    gsize size = 0;
    g_autofree char *words = read_proc(pid, "cmdline", &size);

    return words && strstr(words, "qemu-system") && memmem(words, size, text, strlen(text));
}

GArray *
process_find_qemus(const char *text)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir))) {
        pid_t pid = (pid_t)atoi(entry);

        if (pid > 0 && is_qemu_with(pid, text))
            g_array_append_val(pids, pid);
    }
    return pids;
}

static double
line_kib(const char *text, const char *key)
{
    const char *line = strstr(text, key);

    if (!line)
        bench_die("the kernel does not report %s of a process", key);
    return g_ascii_strtod(line + strlen(key), NULL);
}

double
process_status_kib(pid_t pid, const char *key)
{
    g_autofree char *text = require_proc(pid, "status");

    return line_kib(text, key);
}

ProcessMemory
process_memory(pid_t pid)
{
    g_autofree char *text = require_proc(pid, "smaps_rollup");
    double private_kib = line_kib(text, "\nPrivate_Clean:") + line_kib(text, "\nPrivate_Dirty:");

    return (ProcessMemory){private_kib / 1024, (line_kib(text, "\nPss:") - private_kib) / 1024};
}

double
process_cpu_ms(pid_t pid)
{
    struct timespec ts;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
        bench_die("process %d has ended", (int)pid);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

double
process_began_ms(pid_t pid)
{
    g_autofree char *text = require_proc(pid, "stat");
    /* After the name, which may contain any characters, starttime is the 20th field. */
    g_auto(GStrv) words = g_strsplit(strrchr(text, ')') + 2, " ", /* max_tokens= */ -1);

    return g_ascii_strtod(words[19], NULL) * 1000 / (double)sysconf(_SC_CLK_TCK);
}
