/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inside: streams and processes of one sandbox.
 *
 * The data are not zeros, because zeros could be transferred faster. The time of a stream ends when
 * its last byte has arrived, for writes in the guest.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define BLOCK (1024u * 1024)
#define RUNS 20     /* runs of a small command during each stream */
#define AT_ONCE 100 /* processes */

typedef struct {
    GDBusConnection *bus;
    const char *sandbox;
    gsize size; /* of each stream */
    int data;   /* a file with this much data */
} Inside;

typedef struct {
    char *path;
    int in, out;
} Process;

/* --- streams --- */

static guint8 *
make_block(void)
{
    guint8 *block = g_malloc(BLOCK);

    for (gsize i = 0; i < BLOCK; i++)
        block[i] = (guint8)g_random_int();
    return block;
}

static gboolean
write_block(int fd, const guint8 *block)
{
    for (gsize done = 0; done < BLOCK;) {
        gssize n = write(fd, block + done, BLOCK - done);

        if (n < 0 && errno == EPIPE)
            return FALSE;
        if (n < 0)
            bench_die("a stream: %s", g_strerror(errno));
        done += (gsize)n;
    }
    return TRUE;
}

/* Reads until the end, and closes the descriptor. */
static gsize
drain(int fd)
{
    g_autofree guint8 *block = g_malloc(BLOCK);
    gsize size = 0;
    gssize n;

    while ((n = read(fd, block, BLOCK)) > 0)
        size += (gsize)n;
    if (n < 0)
        bench_die("a stream: %s", g_strerror(errno));
    close(fd);
    return size;
}

static void
sample_rate(const Inside *inside, const char *figure, gsize moved, double begin_ms)
{
    if (moved != inside->size)
        bench_die("%s: received %zu bytes instead of %zu", figure, moved, inside->size);
    bench_sample(figure, (double)moved / 1e3 / (bench_now_ms() - begin_ms));
}

static void
open_data(Inside *inside)
{
    g_autofree guint8 *block = make_block();

    inside->data = memfd_create("data", MFD_CLOEXEC);
    if (inside->data < 0)
        bench_die("memory for data: %s", g_strerror(errno));
    for (gsize done = 0; done < inside->size; done += BLOCK)
        write_block(inside->data, block);
}

/* --- files --- */

static void
measure_write_file(const Inside *inside)
{
    double begin = bench_now_ms();
    g_autoptr(GVariant) reply = NULL;
    guint64 written;

    lseek(inside->data, 0, SEEK_SET);
    reply = calls_do_with_fds(inside->bus, inside->sandbox, SANDBOX, "WriteFile",
                              g_variant_new("(sh@a{sv})", "data", 0, calls_no_options()),
                              inside->data, /* ret_fds= */ NULL);
    g_variant_get(reply, "(t)", &written);
    sample_rate(inside, "write-file", written, begin);
}

static void
measure_read_file(const Inside *inside)
{
    double begin = bench_now_ms();
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) reply = calls_do_with_fds(
        inside->bus, inside->sandbox, SANDBOX, "ReadFile",
        g_variant_new("(s@a{sv})", "data", calls_no_options()), /* fd= */ -1, &fds);
    gsize size = drain(g_unix_fd_list_get(fds, 0, /* error= */ NULL));

    sample_rate(inside, "read-file", size, begin);
}

/* --- processes --- */

static Process
take_process(GVariant *reply, GUnixFDList *fds)
{
    Process process = {.in = g_unix_fd_list_get(fds, 0, /* error= */ NULL),
                       .out = g_unix_fd_list_get(fds, 1, /* error= */ NULL)};

    g_variant_get_child(reply, 0, "o", &process.path);
    return process;
}

/* If `script` is NULL, the program is true. */
static GVariant *
start_arguments(const char *script)
{
    const char *shell[] = {"sh", "-c", script, NULL}, *nothing[] = {"true", NULL};

    return g_variant_new("(^as@a{sv})", script ? shell : nothing, calls_no_options());
}

static Process
start(const Inside *inside, const char *script)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) reply =
        calls_do_with_fds(inside->bus, inside->sandbox, SANDBOX, "Start", start_arguments(script),
                          /* fd= */ -1, &fds);

    return take_process(reply, fds);
}

static void
check_end(GVariant *reply)
{
    int status;

    g_variant_get_child(reply, 0, "i", &status);
    if (status != 0)
        bench_die("a process ended with %d", status);
}

static void
wait_for(const Inside *inside, Process *process)
{
    g_autoptr(GVariant) reply = calls_do(inside->bus, process->path, PROCESS, "Wait", NULL);

    check_end(reply);
    g_clear_pointer(&process->path, g_free);
}

static void
close_both(const Process *process)
{
    close(process->in);
    close(process->out);
}

static void
measure_process_up(const Inside *inside)
{
    g_autofree guint8 *block = make_block();
    double begin = bench_now_ms();
    Process process = start(inside, "cat >/dev/null");
    gsize size = 0;

    while (size < inside->size && write_block(process.in, block))
        size += BLOCK;
    close_both(&process);
    wait_for(inside, &process);
    sample_rate(inside, "process-up", size, begin);
}

static void
measure_process_down(const Inside *inside)
{
    double begin = bench_now_ms();
    Process process = start(inside, "cat data");
    gsize size;

    close(process.in);
    size = drain(process.out);
    wait_for(inside, &process);
    sample_rate(inside, "process-down", size, begin);
}

static void
measure_start_wait(const Inside *inside)
{
    double begin = bench_now_ms();
    Process process = start(inside, NULL);

    wait_for(inside, &process);
    bench_sample("start-wait", bench_now_ms() - begin);
    close_both(&process);
}

/* --- many at once --- */

static void
on_waited(GObject *bus, GAsyncResult *result, gpointer left)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);

    if (!reply)
        bench_die("Wait: %s", error->message);
    check_end(reply);
    *(guint *)left -= 1;
}

static void
on_started(GObject *bus, GAsyncResult *result, gpointer left)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish(
        G_DBUS_CONNECTION(bus), &fds, result, &error);
    g_autofree char *path = NULL;

    if (!reply)
        bench_die("Start: %s", error->message);
    g_variant_get_child(reply, 0, "o", &path);
    g_dbus_connection_call(G_DBUS_CONNECTION(bus), BUS_NAME, path, PROCESS, "Wait", NULL, NULL,
                           G_DBUS_CALL_FLAGS_NONE, /* timeout_msec= */ 60000,
                           /* cancellable= */ NULL, on_waited, left);
}

static void
measure_at_once(const Inside *inside)
{
    double begin = bench_now_ms();
    guint left = AT_ONCE;

    for (guint i = 0; i < AT_ONCE; i++)
        g_dbus_connection_call_with_unix_fd_list(
            inside->bus, BUS_NAME, inside->sandbox, SANDBOX, "Start", start_arguments(NULL), NULL,
            G_DBUS_CALL_FLAGS_NONE, /* timeout_msec= */ 60000, /* fds= */ NULL,
            /* cancellable= */ NULL, on_started, &left);
    while (left > 0)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    bench_sample("processes-100", bench_now_ms() - begin);
}

/* --- a small command beside a stream --- */

static gpointer
feed_for_ever(gpointer fd)
{
    g_autofree guint8 *block = make_block();

    while (write_block(GPOINTER_TO_INT(fd), block))
        ;
    close(GPOINTER_TO_INT(fd));
    return NULL;
}

static gpointer
drain_for_ever(gpointer fd)
{
    drain(GPOINTER_TO_INT(fd));
    return NULL;
}

static void
sample_runs(const Inside *inside, const char *figure)
{
    for (guint i = 0; i < RUNS; i++) {
        double begin = bench_now_ms();

        calls_run_true(inside->bus, inside->sandbox);
        bench_sample(figure, bench_now_ms() - begin);
    }
}

static void
measure_beside(const Inside *inside, const char *figure, gboolean is_up)
{
    Process process = start(inside, is_up ? "cat >/dev/null" : "exec cat /dev/zero");
    GThread *thread = g_thread_new("stream", is_up ? feed_for_ever : drain_for_ever,
                                   GINT_TO_POINTER(is_up ? process.in : process.out));

    sample_runs(inside, figure);
    g_variant_unref(calls_do(inside->bus, process.path, PROCESS, "Kill", NULL));
    g_thread_join(thread);
    close(is_up ? process.out : process.in);
    g_free(process.path);
}

void
inside_measure(GDBusConnection *bus, const char *sandbox, guint rounds, guint mib)
{
    Inside inside = {bus, sandbox, (gsize)mib * BLOCK, .data = -1};

    open_data(&inside);
    sample_runs(&inside, "run-idle");
    for (guint i = 0; i < rounds; i++) {
        measure_write_file(&inside);
        measure_read_file(&inside);
        measure_process_up(&inside);
        measure_process_down(&inside);
        measure_start_wait(&inside);
        measure_at_once(&inside);
    }
    measure_beside(&inside, "run-beside-up", /* is_up= */ TRUE);
    measure_beside(&inside, "run-beside-down", /* is_up= */ FALSE);
    close(inside.data);
}
