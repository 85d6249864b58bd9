/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-freeze: frozen processes execute nothing, and the agent serves the host meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "freeze.h"
#include "peer.h"

#define WRITES "while :; do echo line; done"
#define SLEEPS "exec sleep 1000"
#define ROUNDS 8 /* of a task that takes longer than WRITES needs for a line */

static void
freeze(Peer *peer)
{
    g_assert_true(peer_wait_end(peer, peer_freeze(peer))->is_ok);
}

static guint64
now_ns(void)
{
    return (guint64)g_get_real_time() * 1000;
}

static void
thaw(Peer *peer)
{
    g_assert_true(peer_wait_end(peer, peer_thaw(peer, now_ns()))->is_ok);
}

/* Runs the task that is not frozen, and returns its output. */
static char *
list_kept(Peer *peer)
{
    static const char *const argv[] = {"kept", NULL};
    const Answer *answer = peer_wait_end(peer, peer_start(peer, &(Start){START_BUILTIN}, argv));

    g_assert_cmpint(answer->error, ==, 0);
    g_assert_true(answer->has_exited);
    g_assert_cmpuint(answer->status, ==, 0);
    return answer_text(answer, WIRE_STDOUT);
}

/* Gives frozen processes the time to show that they are not. */
static void
pass_time(Peer *peer)
{
    for (guint i = 0; i < ROUNDS; i++)
        g_free(list_kept(peer));
}

static guint32
start_writer(Peer *peer, const Start *start)
{
    guint32 stream = peer_shell(peer, start, WRITES);

    peer_wait_data(peer, stream, WIRE_STDOUT, 1);
    return stream;
}

static void
assert_writes(Peer *peer, guint32 stream)
{
    peer_wait_data(peer, stream, WIRE_STDOUT,
                   peer_answer(peer, stream)->data[WIRE_STDOUT]->len + 100000);
}

/* What the process had written before arrives. */
static void
assert_silent(Peer *peer, guint32 stream)
{
    const GByteArray *data = peer_answer(peer, stream)->data[WIRE_STDOUT];
    guint length;

    pass_time(peer);
    length = data->len;
    pass_time(peer);
    g_assert_cmpuint(data->len, ==, length);
}

static void
kill_and_wait(Peer *peer, guint32 stream)
{
    const Answer *answer = peer_answer(peer, stream);

    peer_send(peer, stream, WIRE_KILL, 0, NULL, 0);
    while (!answer->has_exited)
        peer_step(peer);
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_SIGNAL);
    g_assert_cmpuint(answer->status, ==, SIGKILL);
}

static void
test_stops(Peer *peer)
{
    guint32 streams[] = {start_writer(peer, NULL), start_writer(peer, NULL)};

    freeze(peer);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
        assert_silent(peer, streams[i]);
    thaw(peer);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
        assert_writes(peer, streams[i]);
        kill_and_wait(peer, streams[i]);
    }
}

static void
test_descendants(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "setsid sh -c '" WRITES "' & exec sleep 1000");

    peer_wait_data(peer, stream, WIRE_STDOUT, 1);
    freeze(peer);
    assert_silent(peer, stream);
    thaw(peer);
    assert_writes(peer, stream);
    kill_and_wait(peer, stream);
}

/* Both programs and tasks wait; only one task does not. */
static void
test_start(Peer *peer)
{
    static const char *const stat_root[] = {"stat", "/", "0", NULL};
    guint32 streams[2];

    freeze(peer);
    streams[0] = peer_shell(peer, NULL, "echo line");
    streams[1] = peer_start(peer, &(Start){START_BUILTIN}, stat_root);
    pass_time(peer);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
        g_assert_cmpuint(peer_answer(peer, streams[i])->pid, ==, 0);
        g_assert_cmpint(peer_answer(peer, streams[i])->error, ==, 0);
    }
    thaw(peer);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
        const Answer *answer = peer_wait_end(peer, streams[i]);

        g_assert_true(answer->has_exited);
        g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
        g_assert_cmpuint(answer->status, ==, 0);
        g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, >, 0);
    }
}

static void
test_input(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "exec cat");
    const Answer *answer = peer_wait_started(peer, stream);

    freeze(peer);
    peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, "input", 5);
    peer_send(peer, stream, WIRE_EOF, WIRE_STDIN, NULL, 0);
    pass_time(peer);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 0);
    thaw(peer);
    peer_wait_end(peer, stream);
    g_assert_cmpmem(answer->data[WIRE_STDOUT]->data, answer->data[WIRE_STDOUT]->len, "input", 5);
}

static void
test_kill(Peer *peer)
{
    guint32 running = peer_shell(peer, NULL, SLEEPS), waiting;

    peer_wait_started(peer, running);
    freeze(peer);
    waiting = peer_shell(peer, NULL, SLEEPS);
    kill_and_wait(peer, running);
    kill_and_wait(peer, waiting);
    freeze(peer); /* the machine is still frozen */
}

/* The end of the test proves that nothing is left, although the machine is frozen. */
static void
test_close(Peer *peer)
{
    guint32 streams[] = {start_writer(peer, NULL), start_writer(peer, NULL)};

    freeze(peer);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
        peer_send(peer, streams[i], WIRE_CLOSE, 0, NULL, 0);
}

/* A signal waits if the process handles it. */
static void
test_signals(Peer *peer)
{
    guint32 ended = peer_shell(peer, NULL, SLEEPS), killed = peer_shell(peer, NULL, SLEEPS);
    guint32 handled = peer_shell(peer, NULL, "trap 'exit 7' TERM; " WRITES);

    peer_wait_started(peer, ended);
    peer_wait_started(peer, killed);
    peer_wait_data(peer, handled, WIRE_STDOUT, 1);
    freeze(peer);
    peer_send_u32(peer, handled, WIRE_SIGNAL, 0, SIGTERM);
    peer_send_u32(peer, ended, WIRE_SIGNAL, 0, SIGTERM);
    peer_send_u32(peer, killed, WIRE_SIGNAL, 0, SIGKILL);
    g_assert_cmpuint(peer_wait_end(peer, ended)->status, ==, SIGTERM);
    g_assert_cmpuint(peer_wait_end(peer, killed)->status, ==, SIGKILL);
    assert_silent(peer, handled);
    g_assert_false(peer_answer(peer, handled)->has_exited);
    thaw(peer);
    g_assert_cmpint(peer_wait_end(peer, handled)->how, ==, WIRE_EXIT_STATUS);
    g_assert_cmpuint(peer_wait_end(peer, handled)->status, ==, 7);
}

static void
test_timeout(Peer *peer)
{
    guint32 stream = peer_shell(peer, &(Start){.timeout_ms = 300}, SLEEPS);

    peer_wait_started(peer, stream);
    freeze(peer);
    g_assert_cmpint(peer_wait_end(peer, stream)->how, ==, WIRE_EXIT_TIMEOUT);
}

/* Streams are closed, and what remains is frozen until the new connection thaws it. */
static void
test_new_connection(Peer *peer)
{
    guint32 stream;

    start_writer(peer, &(Start){.flags = START_KEEP, .tag = "writer"});
    start_writer(peer, NULL);
    freeze(peer);
    peer_connect(peer);
    stream = peer_attach(peer, "writer");
    peer_wait_started(peer, stream);
    assert_silent(peer, stream);
    thaw(peer);
    assert_writes(peer, stream);
    kill_and_wait(peer, stream);
}

static void
assert_refused(const Answer *answer, int error, WireObject about, const char *name)
{
    g_assert_false(answer->is_ok);
    g_assert_cmpint(answer->error, ==, error);
    g_assert_cmpint(answer->about, ==, about);
    g_assert_cmpstr(answer->name, ==, name);
}

static void
test_repeated(Peer *peer)
{
    guint32 stream = start_writer(peer, NULL);

    thaw(peer);
    freeze(peer);
    freeze(peer);
    assert_silent(peer, stream);
    thaw(peer);
    assert_writes(peer, stream);
    thaw(peer);
    freeze(peer);
    assert_silent(peer, stream);
    thaw(peer);
    kill_and_wait(peer, stream);
}

/* This agent does not own the kernel, so it never changes the clock of this machine. */
static void
test_clock(Peer *peer)
{
    gint64 before_us = g_get_real_time();
    guint64 earliest_ns = (guint64)CLOCK_EARLIEST_S * 1000000000;
    guint32 stream = start_writer(peer, NULL);

    g_assert_true(peer_wait_end(peer, peer_thaw(peer, earliest_ns))->is_ok);
    assert_refused(peer_wait_end(peer, peer_thaw(peer, earliest_ns - 1000)), EINVAL,
                   WIRE_ABOUT_REQUEST, "clock");
    freeze(peer);
    g_assert_true(peer_wait_end(peer, peer_thaw(peer, earliest_ns))->is_ok);
    assert_writes(peer, stream);
    kill_and_wait(peer, stream);
    g_assert_cmpint(ABS(g_get_real_time() - before_us), <, 60 * G_USEC_PER_SEC);
}

/* The agent answers a malformed THAW and thaws nothing. */
static void
test_malformed(Peer *peer)
{
    guint32 writer = start_writer(peer, NULL);

    freeze(peer);
    for (gsize size = 0; size <= 9; size++) {
        guint32 stream = peer_new_stream(peer);

        if (size == 8)
            continue;
        peer_send(peer, stream, WIRE_THAW, 0, "123456789", size);
        assert_refused(peer_wait_end(peer, stream), EBADMSG, WIRE_ABOUT_REQUEST, "clock");
    }
    assert_silent(peer, writer);
    /* A FREEZE with a payload is no frame, so the agent waits for a new connection. */
    peer_send(peer, peer_new_stream(peer), WIRE_FREEZE, 0, "x", 1);
    peer_connect(peer);
    thaw(peer);
}

/* --- a process that cannot be frozen --- */

typedef struct {
    pid_t pid;
    guint32 companion; /* the stream whose cgroup contains it */
    gint64 begin_us;
    guint32 freeze;
} Stuck;

/* Calls only the kernel. Writes the number of a descriptor that reports the fault, and then waits
 * in the kernel, which no signal but SIGKILL ends. */
_Noreturn static void
get_stuck(int report_fd)
{
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC), zeros = open("/dev/zero", O_RDONLY);
    struct uffdio_api api = {.api = UFFD_API};
    gsize size = (gsize)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register range = {.range = {(gsize)page, size},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};

    if (fd < 0 || zeros < 0 || ioctl(fd, UFFDIO_API, &api) < 0 ||
        ioctl(fd, UFFDIO_REGISTER, &range) < 0 || write(report_fd, &fd, sizeof fd) != sizeof fd)
        _exit(1);
    _exit(read(zeros, page, 1) == 1 ? 2 : 3);
}

static void
wait_for_fault(pid_t pid, int report_fd)
{
    int number = -1;

    g_assert_cmpint(read(report_fd, &number, sizeof number), ==, sizeof number);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(poll(&wait, 1, 10000), ==, 1);
    close(fd);
    close(pidfd);
}

/* Puts the process into the only cgroup that there is. */
static void
join_cgroup(Peer *peer, pid_t pid)
{
    g_autofree char *operations = peer_operations(peer), *procs = NULL;
    g_autofree char *text = g_strdup_printf("%d", (int)pid);
    g_autoptr(GDir) directory = g_dir_open(operations, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(directory)) && *name != 'p')
        ;
    procs = g_build_filename(operations, name, "cgroup.procs", NULL);
    int fd = open(procs, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
    close(fd);
}

static Stuck
begin_stuck_freeze(Peer *peer)
{
    Stuck stuck = {.companion = start_writer(peer, NULL)};
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    stuck.pid = fork();
    if (stuck.pid == 0)
        get_stuck(ends[1]);
    close(ends[1]);
    wait_for_fault(stuck.pid, ends[0]);
    close(ends[0]);
    join_cgroup(peer, stuck.pid);
    stuck.begin_us = g_get_monotonic_time();
    stuck.freeze = peer_freeze(peer);
    return stuck;
}

static void
end_stuck(const Stuck *stuck)
{
    int status;

    kill(stuck->pid, SIGKILL);
    g_assert_cmpint(waitpid(stuck->pid, &status, 0), ==, stuck->pid);
    g_assert_true(WIFSIGNALED(status));
}

static void
test_too_slow(Peer *peer)
{
    Stuck stuck = begin_stuck_freeze(peer);

    assert_refused(peer_wait_end(peer, stuck.freeze), EBUSY, WIRE_ABOUT_SYSTEM, "freeze");
    g_assert_cmpint(g_get_monotonic_time() - stuck.begin_us, >=, FREEZE_TIMEOUT_MS * 1000);
    assert_writes(peer, stuck.companion);
    end_stuck(&stuck);
    /* Now it is possible. */
    freeze(peer);
    assert_silent(peer, stuck.companion);
    kill_and_wait(peer, stuck.companion);
}

/* Whether the freeze was given up because the host is slow: the test begins again then. */
static gboolean
was_given_up(Peer *peer, const Stuck *stuck)
{
    if (peer_wait_end(peer, stuck->freeze)->is_ok)
        return FALSE;
    g_assert_cmpint(g_get_monotonic_time() - stuck->begin_us, >=, FREEZE_TIMEOUT_MS * 1000);
    kill_and_wait(peer, stuck->companion);
    return TRUE;
}

/* The process ends before the time is over, so the freeze is complete then. */
static void
test_soon_enough(Peer *peer)
{
    Stuck stuck;

    do {
        stuck = begin_stuck_freeze(peer);
        peer_ping(peer);
        g_assert_false(peer_answer(peer, stuck.freeze)->is_ok);
        end_stuck(&stuck);
    } while (was_given_up(peer, &stuck));
    assert_silent(peer, stuck.companion);
    kill_and_wait(peer, stuck.companion);
}

static void
test_two_at_once(Peer *peer)
{
    Stuck stuck;

    do {
        stuck = begin_stuck_freeze(peer);
        assert_refused(peer_wait_end(peer, peer_freeze(peer)), EBUSY, WIRE_ABOUT_SYSTEM, "freeze");
        end_stuck(&stuck);
    } while (was_given_up(peer, &stuck));
    kill_and_wait(peer, stuck.companion);
}

static void
test_thaw_before(Peer *peer)
{
    Stuck stuck = begin_stuck_freeze(peer);
    guint32 stream = peer_thaw(peer, now_ns());

    assert_refused(peer_wait_end(peer, stuck.freeze), EBUSY, WIRE_ABOUT_SYSTEM, "freeze");
    g_assert_true(peer_wait_end(peer, stream)->is_ok);
    assert_writes(peer, stuck.companion);
    end_stuck(&stuck);
    kill_and_wait(peer, stuck.companion);
}

/* Nobody knows of it, so nobody would end it. */
static void
test_new_connection_before(Peer *peer)
{
    Stuck stuck = begin_stuck_freeze(peer);
    guint32 stream;

    peer_connect(peer);
    stream = start_writer(peer, NULL);
    end_stuck(&stuck);
    assert_writes(peer, stream);
    kill_and_wait(peer, stream);
}

int
main(int argc, char **argv)
{
    static const PeerTest tests[] = {
        {"stops", test_stops},
        {"descendants", test_descendants},
        {"start", test_start},
        {"input", test_input},
        {"kill", test_kill},
        {"close", test_close},
        {"signals", test_signals},
        {"timeout", test_timeout},
        {"new-connection", test_new_connection},
        {"repeated", test_repeated},
        {"clock", test_clock},
        {"malformed", test_malformed},
        {"too-slow", test_too_slow},
        {"soon-enough", test_soon_enough},
        {"two-at-once", test_two_at_once},
        {"thaw-before", test_thaw_before},
        {"new-connection-before", test_new_connection_before},
    };

    g_test_init(&argc, &argv, NULL);
    peer_add_tests("freeze", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
