/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-process: programs start, end or fail to start, and no process of theirs is left. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peer.h"

static void
assert_output(Peer *peer, guint32 stream, const char *expected)
{
    const Answer *answer = peer_wait_end(peer, stream);
    g_autofree char *text = answer_text(answer, WIRE_STDOUT);
    g_assert_cmpint(answer->error, ==, 0);
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
    g_assert_cmpuint(answer->status, ==, 0);
    g_assert_cmpstr(text, ==, expected);
}

static void
assert_error(Peer *peer, guint32 stream, int error, WireObject about, const char *name)
{
    const Answer *answer = peer_wait_end(peer, stream);
    g_assert_cmpint(answer->error, ==, error);
    g_assert_cmpint(answer->about, ==, about);
    g_assert_cmpstr(answer->name, ==, name);
    g_assert_cmpuint(answer->pid, ==, 0);
}

static void
test_cat(Peer *peer)
{
    const char *const argv[] = {"cat", NULL};

    guint32 stream = peer_start(peer, NULL, argv);
    peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, "hello", 5);
    peer_wait_data(peer, stream, WIRE_STDOUT, 5);
    peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, " world", 6);
    peer_send(peer, stream, WIRE_EOF, WIRE_STDIN, NULL, 0);
    assert_output(peer, stream, "hello world");
    g_assert_cmpuint(peer_answer(peer, stream)->credit[WIRE_STDIN], ==, 11);
    g_assert_cmpuint(peer_answer(peer, stream)->peak_rss_kib, >, 0);
}

static void
test_exits(Peer *peer)
{
    const Answer *answer = peer_wait_end(peer, peer_shell(peer, NULL, "echo no >&2; exit 42"));
    g_autofree char *text = answer_text(answer, WIRE_STDERR);
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
    g_assert_cmpuint(answer->status, ==, 42);
    g_assert_cmpstr(text, ==, "no\n");
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 0);

    answer = peer_wait_end(peer, peer_shell(peer, NULL, "kill -USR1 $$"));
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_SIGNAL);
    g_assert_cmpuint(answer->status, ==, SIGUSR1);
}

static void
test_signal(Peer *peer)
{
    guint32 stream = peer_shell(
        peer, NULL, "trap 'echo got it; exit 3' TERM; echo ready; while :; do read x; done");
    peer_wait_data(peer, stream, WIRE_STDOUT, 6);
    peer_send_u32(peer, stream, WIRE_SIGNAL, 0, SIGTERM);
    const Answer *answer = peer_wait_end(peer, stream);
    g_autofree char *text = answer_text(answer, WIRE_STDOUT);
    g_assert_cmpstr(text, ==, "ready\ngot it\n");
    g_assert_cmpuint(answer->status, ==, 3);
}

/* A grandchild in a new session must die, too. */
static void
test_timeout(Peer *peer)
{
    Start start = {.timeout_ms = 100};

    guint32 stream =
        peer_shell(peer, &start, "setsid sh -c 'sleep 1000 & sleep 1000' & sleep 1000");
    const Answer *answer = peer_wait_end(peer, stream);
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_TIMEOUT);
    g_assert_cmpuint(answer->status, ==, SIGKILL);

    /* The first process has exited before the deadline, which also applies to its children. */
    stream = peer_shell(peer, &start, "setsid sleep 1000 >/dev/null 2>&1 & exit 0");
    answer = peer_wait_end(peer, stream);
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
}

static void
test_kill_and_close(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "setsid sleep 1000 & echo up; sleep 1000");
    peer_wait_data(peer, stream, WIRE_STDOUT, 3);
    peer_send(peer, stream, WIRE_KILL, 0, NULL, 0);
    const Answer *answer = peer_wait_end(peer, stream);
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_SIGNAL);
    g_assert_cmpuint(answer->status, ==, SIGKILL);

    stream = peer_shell(peer, NULL, "setsid sleep 1000 & echo up; sleep 1000");
    peer_wait_data(peer, stream, WIRE_STDOUT, 3);
    peer_send(peer, stream, WIRE_CLOSE, 0, NULL, 0);
    peer_ping(peer);
    g_assert_false(peer_answer(peer, stream)->has_exited);
}

static void
test_start_errors(Peer *peer)
{
    const char *const missing[] = {"no-such-program", NULL};
    const char *const missing_path[] = {"/no/such/program", NULL};
    const char *const not_executable[] = {"/etc/passwd", NULL};
    const char *const true_argv[] = {"true", NULL};
    const char *const nothing[] = {NULL};

    assert_error(peer, peer_start(peer, NULL, missing), ENOENT, WIRE_ABOUT_PROGRAM,
                 "no-such-program");
    assert_error(peer, peer_start(peer, NULL, missing_path), ENOENT, WIRE_ABOUT_PROGRAM,
                 "/no/such/program");
    assert_error(peer, peer_start(peer, NULL, not_executable), EACCES, WIRE_ABOUT_PROGRAM,
                 "/etc/passwd");
    assert_error(peer, peer_start(peer, &(Start){.cwd = "/no/dir"}, true_argv), ENOENT,
                 WIRE_ABOUT_DIRECTORY, "/no/dir");
    assert_error(peer, peer_start(peer, &(Start){.cwd = "/etc/passwd"}, true_argv), ENOTDIR,
                 WIRE_ABOUT_DIRECTORY, "/etc/passwd");
    assert_error(peer, peer_start(peer, &(Start){.user = "nobody", .cwd = "/root"}, true_argv),
                 EACCES, WIRE_ABOUT_DIRECTORY, "/root");
    assert_error(peer, peer_start(peer, &(Start){.user = "no-such-user"}, true_argv), ENOENT,
                 WIRE_ABOUT_USER, "no-such-user");
    assert_error(peer, peer_start(peer, &(Start){.user = "4000000000"}, true_argv), ENOENT,
                 WIRE_ABOUT_USER, "4000000000");
    assert_error(peer, peer_start(peer, &(Start){.user = ""}, true_argv), ENOENT, WIRE_ABOUT_USER,
                 "user");
    assert_error(peer, peer_start(peer, NULL, nothing), EINVAL, WIRE_ABOUT_REQUEST, "argv");
    assert_error(peer, peer_start(peer, &(Start){.flags = START_KEEP}, true_argv), EINVAL,
                 WIRE_ABOUT_REQUEST, "tag");
    assert_error(peer, peer_start(peer, &(Start){.flags = _START_FLAGS_ALL + 1}, true_argv), EINVAL,
                 WIRE_ABOUT_REQUEST, "flags");
}

static void
test_users_and_directories(Peer *peer)
{
    const char *const environment[] = {"A=of the request", "PATH=/bin:/usr/bin", NULL};

    assert_output(peer, peer_shell(peer, &(Start){.user = "nobody"}, "id -un; pwd; echo $HOME"),
                  "nobody\n/\n/nonexistent\n");
    assert_output(peer, peer_shell(peer, &(Start){.user = "65534"}, "id -un; id -Gn"),
                  "nobody\nnogroup\n");
    assert_output(peer, peer_shell(peer, NULL, "pwd; echo $USER $LOGNAME $SHELL $LANG"),
                  "/root\nroot root /bin/bash C.UTF-8\n");
    assert_output(peer, peer_shell(peer, &(Start){.cwd = "../tmp"}, "pwd"), "/tmp\n");
    assert_output(peer,
                  peer_shell(peer, &(Start){.environment = environment}, "echo $A; echo $PATH"),
                  "of the request\n/bin:/usr/bin\n");
    assert_output(peer, peer_shell(peer, NULL, "echo ${PATH%%:*}"), "/usr/local/sbin\n");
    assert_output(peer, peer_shell(peer, &(Start){.user = "nobody"}, "echo ${PATH%%/usr/bin*}"),
                  "/nonexistent/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:\n");
}

/* A child inherits none of the agent's descriptors, signals, priority, session, umask or
 * capabilities. */
static void
test_ordinary_child(Peer *peer)
{
    assert_output(peer, peer_shell(peer, NULL, "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");
    assert_output(peer,
                  peer_shell(peer, NULL,
                             "grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f2 | tr '\\n' ' '"),
                  "0000000000000000 0000000000000000 ");
    assert_output(peer, peer_shell(peer, NULL, "nice; umask; ulimit -n"), "0\n0022\n1024\n");
    assert_output(peer, peer_shell(peer, NULL, "test $(ps -o sid= -p $$) = $$ && echo own"),
                  "own\n");
    assert_output(peer, peer_shell(peer, &(Start){.user = "nobody"}, "echo again >/dev/stdout"),
                  "again\n");
    assert_output(peer, peer_shell(peer, NULL, "grep Seccomp: /proc/self/status | cut -f2"), "2\n");
    assert_output(peer, peer_shell(peer, NULL, "grep NoNewPrivs /proc/self/status | cut -f2"),
                  "0\n");
    /* CAP_SYS_MODULE is bit 16, CAP_SYS_RAWIO bit 17. */
    assert_output(peer,
                  peer_shell(peer, NULL,
                             "b=$(grep CapBnd /proc/self/status | cut -f2);"
                             "echo $(( 0x$b >> 16 & 3 ))"),
                  "0\n");
}

#define TRY_KEXEC "--try-kexec"

/* The agent runs this test program again, which then makes this call. Without the agent's filter,
 * the kernel would return another error, because it does not accept so many segments. */
static int
try_kexec(void)
{
    return syscall(SYS_kexec_load, 0, 1000, NULL, 0) < 0 ? errno : 0;
}

static void
test_no_other_kernel(Peer *peer)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    const char *const argv[] = {self, TRY_KEXEC, NULL};
    const Answer *answer = peer_wait_end(peer, peer_start(peer, NULL, argv));
    g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
    g_assert_cmpuint(answer->status, ==, EPERM);
}

static void
test_flags(Peer *peer)
{
    assert_output(peer, peer_shell(peer, &(Start){.flags = START_NO_STDIN}, "cat; echo end"),
                  "end\n");
    assert_output(peer,
                  peer_shell(peer, &(Start){.flags = START_MERGE_STDERR}, "echo a; echo b >&2"),
                  "a\nb\n");
    assert_output(peer, peer_shell(peer, &(Start){.flags = START_DISCARD_OUTPUT}, "echo a"), "");
}

/* The stream of a background process has ended, but its output pipe still exists: the process
 * writes more than a pipe holds, and then reports in another stream that it runs. */
static void
test_background(Peer *peer)
{
    g_autofree char *directory = g_dir_make_tmp("agent-XXXXXX", NULL);
    g_autofree char *fifos = g_strdup_printf("cd %s; mkfifo go done", directory);
    g_autofree char *background = g_strdup_printf(
        "cd %s; (cat go; head -c 300000 /dev/zero && echo survived >done) & exit 0", directory);
    g_autofree char *ask =
        g_strdup_printf("cd %s; echo >go; cat done; rm -r %s", directory, directory);

    assert_output(peer, peer_shell(peer, NULL, fifos), "");
    assert_output(peer, peer_shell(peer, NULL, background), "");
    assert_output(peer, peer_shell(peer, NULL, ask), "survived\n");
    g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
    static const PeerTest tests[] = {
        {"cat", test_cat},
        {"exits", test_exits},
        {"signal", test_signal},
        {"timeout", test_timeout},
        {"kill-and-close", test_kill_and_close},
        {"start-errors", test_start_errors},
        {"users-and-directories", test_users_and_directories},
        {"ordinary-child", test_ordinary_child},
        {"no-other-kernel", test_no_other_kernel},
        {"flags", test_flags},
        {"background", test_background},
    };

    if (argc == 2 && strcmp(argv[1], TRY_KEXEC) == 0)
        return try_kexec();
    g_test_init(&argc, &argv, NULL);
    peer_add_tests("process", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
