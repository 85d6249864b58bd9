/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* baseline: measures commands until they end, and a QEMU until its agent answers. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "wire.h"

#define BOOT_TIMEOUT_S 180

/* --- commands --- */

/* Signals that end this program are blocked while a command runs, so that no process of the command
 * is left. The command itself gets them at once. */
static void
hold_signals(sigset_t *before)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, before);
}

static void
release_signals(gpointer before)
{
    sigprocmask(SIG_SETMASK, before, /* oldset= */ NULL);
}

static void
run_once(const char *expected, char **argv)
{
    sigset_t before;
    g_autofree char *output = NULL, *errors = NULL;
    g_autoptr(GError) error = NULL;
    gboolean is_run;
    int status;

    hold_signals(&before);
    is_run = g_spawn_sync(/* cwd= */ NULL, argv, /* environment= */ NULL, G_SPAWN_SEARCH_PATH,
                          release_signals, &before, &output, &errors, &status, &error);
    release_signals(&before);
    if (!is_run || !g_spawn_check_wait_status(status, &error))
        bench_die("%s: %s\n%s", argv[0], error->message, errors ? errors : "");
    if (!g_str_equal(output, expected))
        bench_die("%s printed '%s'", argv[0], output);
}

void
baseline_measure_command(const char *figure, guint rounds, const char *output, char **argv)
{
    g_autofree char *expected = g_strcompress(output);

    run_once(expected, argv);
    for (guint i = 0; i < rounds; i++) {
        double begin = bench_now_ms();

        run_once(expected, argv);
        bench_sample(figure, bench_now_ms() - begin);
    }
}

void
baseline_measure_rate(const char *figure, guint rounds, guint mib, char **argv)
{
    for (guint i = 0; i < rounds; i++) {
        double begin = bench_now_ms();

        run_once("", argv);
        bench_sample(figure, mib * 1048.576 / (bench_now_ms() - begin));
    }
}

/* --- a machine that boots --- */

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = BOOT_TIMEOUT_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        bench_die("%s: too long for a socket", path);
    strcpy(address.sun_path, path);
    unlink(path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        bench_die("%s: %s", path, g_strerror(errno));
    return fd;
}

static void
die_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GPid
start_qemu(char **argv)
{
    g_autoptr(GError) error = NULL;
    GPid pid;

    if (!g_spawn_async(/* cwd= */ NULL, argv, /* environment= */ NULL,
                       G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL, &pid,
                       &error))
        bench_die("%s", error->message);
    return pid;
}

static void
send_all(int fd, const guint8 *data, gsize size)
{
    while (size > 0) {
        gssize n = send(fd, data, size, MSG_NOSIGNAL);

        if (n < 0)
            bench_die("the machine's channel: %s", g_strerror(errno));
        data += n;
        size -= (gsize)n;
    }
}

/* QEMU does not read the socket until the agent has opened its port, so the greeting can be sent
 * before. */
static void
greet(int fd)
{
    guint8 greeting[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE], chunk[4096];
    g_autofree guint8 *pad = g_malloc0(WIRE_PREAMBLE_PAD);
    g_autoptr(GByteArray) answer = g_byte_array_new();
    gsize keep;

    memcpy(greeting, wire_magic, WIRE_MAGIC_SIZE);
    for (gsize i = 0; i < WIRE_NONCE_SIZE; i++)
        greeting[WIRE_MAGIC_SIZE + i] = (guint8)g_random_int();
    send_all(fd, pad, WIRE_PREAMBLE_PAD);
    send_all(fd, greeting, sizeof(greeting));
    while (wire_find(answer->data, answer->len, greeting, sizeof(greeting), &keep) < 0) {
        gssize n = recv(fd, chunk, sizeof(chunk), 0);

        if (n <= 0)
            bench_die("the machine's agent gives no answer: %s",
                      n < 0 ? g_strerror(errno) : "QEMU has ended");
        g_byte_array_append(answer, chunk, (guint)n);
    }
}

static double
boot_once(int listener, char **argv)
{
    struct timeval patience = {.tv_sec = BOOT_TIMEOUT_S};
    double begin = bench_now_ms(), took;
    GPid pid = start_qemu(argv);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        bench_die("QEMU does not open the agent's channel: %s", g_strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    greet(fd);
    took = bench_now_ms() - begin;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fd);
    return took;
}

void
baseline_measure_boot(const char *figure, guint rounds, const char *socket, char **argv)
{
    int listener = listen_at(socket);

    for (guint i = 0; i < rounds; i++)
        bench_sample(figure, boot_once(listener, argv));
    close(listener);
    unlink(socket);
}
