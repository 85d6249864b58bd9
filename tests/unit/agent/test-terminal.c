/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-terminal: processes on a terminal get its keys and size, and their output is complete. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <glib/gstdio.h>

#include "peer.h"

static void
assert_end(Peer *peer, guint32 stream, WireExit how, guint32 status)
{
    const Answer *answer = peer_wait_end(peer, stream);

    g_assert_cmpint(answer->error, ==, 0);
    g_assert_cmpint(answer->how, ==, how);
    g_assert_cmpuint(answer->status, ==, status);
}

static void
wait_for_text(Peer *peer, guint32 stream, const char *text)
{
    for (;;) {
        g_autofree char *found = answer_text(peer_answer(peer, stream), WIRE_STDOUT);

        if (strstr(found, text))
            return;
        peer_step(peer);
    }
}

static void
type(Peer *peer, guint32 stream, const char *text)
{
    peer_send(peer, stream, WIRE_DATA, WIRE_STDIN, text, strlen(text));
}

static void
resize(Peer *peer, guint32 stream, guint32 columns, guint32 rows)
{
    guint32 size[] = {GUINT32_TO_LE(columns), GUINT32_TO_LE(rows)};

    peer_send(peer, stream, WIRE_RESIZE, 0, size, sizeof size);
}

static void
test_size(Peer *peer)
{
    const Start start = {.flags = START_TERMINAL, .columns = 65535, .rows = 1};
    guint32 stream = peer_shell(peer, &start, "stty size; read x; stty size; tty <&1");

    wait_for_text(peer, stream, "1 65535\r\n");
    resize(peer, stream, 90, 30);
    type(peer, stream, "\n");
    wait_for_text(peer, stream, "30 90\r\n/dev/pts/");
    assert_end(peer, stream, WIRE_EXIT_STATUS, 0);
    g_assert_cmpuint(peer_answer(peer, stream)->data[WIRE_STDERR]->len, ==, 0);
}

static void
test_signals_from_keys(Peer *peer)
{
    const Start start = {.flags = START_TERMINAL, .columns = 80, .rows = 24};
    guint32 stream = peer_shell(peer, &start, "echo ready; exec cat");

    wait_for_text(peer, stream, "ready");
    type(peer, stream, "\003");
    assert_end(peer, stream, WIRE_EXIT_SIGNAL, SIGINT);
}

static char *
term_of(Peer *peer, guint32 flags, const char *const *environment)
{
    const Start start = {.flags = flags, .columns = 80, .rows = 24, .environment = environment};
    guint32 stream = peer_shell(peer, &start, "printf %s \"${TERM-none}\"");

    assert_end(peer, stream, WIRE_EXIT_STATUS, 0);
    return answer_text(peer_answer(peer, stream), WIRE_STDOUT);
}

/* Values of TERM that every terminfo database has, and values that none has. */
static void
test_term(Peer *peer)
{
    static const char *const cases[][2] = {
        {"TERM=vt100", "vt100"},
        {"TERM=dumb", "dumb"},
        {"TERM=xterm-of-tomorrow", "xterm-256color"},
        {"TERM=vt100/../vt100", "xterm-256color"},
        {"TERM=", "xterm-256color"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *const environment[] = {cases[i][0], NULL};
        g_autofree char *got = term_of(peer, START_TERMINAL, environment);

        g_assert_cmpstr(got, ==, cases[i][1]);
    }
}

/* An entry in the folder TERMINFO is used; without a terminal, TERM is not replaced. */
static void
test_term_of_the_user(Peer *peer)
{
    g_autofree char *dir = g_dir_make_tmp("cloche-terminfo-XXXXXX", NULL);
    g_autofree char *folder = g_strconcat(dir, "/x", NULL);
    g_autofree char *file = g_strconcat(folder, "/xterm-of-tomorrow", NULL);
    g_autofree char *terminfo = g_strconcat("TERMINFO=", dir, NULL);
    const char *const environment[] = {"TERM=xterm-of-tomorrow", terminfo, NULL};
    g_autofree char *before = term_of(peer, START_TERMINAL, environment);

    g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_autofree char *with = term_of(peer, START_TERMINAL, environment);
    g_assert_cmpint(g_unlink(file), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    g_autofree char *without_terminal = term_of(peer, 0, environment);

    g_assert_cmpstr(before, ==, "xterm-256color");
    g_assert_cmpstr(with, ==, "xterm-of-tomorrow");
    g_assert_cmpstr(without_terminal, ==, "xterm-of-tomorrow");
}

/* The output exceeds the terminal's buffer, and some of it is unread when the process ends. */
static void
test_all_output(Peer *peer)
{
    const Start start = {.flags = START_TERMINAL, .columns = 80, .rows = 24};
    guint32 stream = peer_shell(peer, &start, "stty -onlcr; head -c 300000 /dev/zero");

    assert_end(peer, stream, WIRE_EXIT_STATUS, 0);
    g_assert_cmpuint(peer_answer(peer, stream)->data[WIRE_STDOUT]->len, ==, 300000);
}

static void
test_hang_up(Peer *peer)
{
    const Start start = {.flags = START_TERMINAL, .columns = 80, .rows = 24};
    guint32 stream = peer_shell(peer, &start, "echo ready; exec sleep 1000");

    wait_for_text(peer, stream, "ready");
    peer_send(peer, stream, WIRE_EOF, WIRE_STDOUT, NULL, 0);
    assert_end(peer, stream, WIRE_EXIT_SIGNAL, SIGHUP);
}

static void
test_faults(Peer *peer)
{
    static const Start faults[] = {
        {.flags = START_TERMINAL | START_MERGE_STDERR, .columns = 80, .rows = 24},
        {.flags = START_TERMINAL | START_BUILTIN, .columns = 80, .rows = 24},
        {.flags = START_TERMINAL, .columns = 65536, .rows = 24},
        {.flags = START_TERMINAL, .columns = 80, .rows = 65536},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        const Answer *answer = peer_wait_end(peer, peer_shell(peer, &faults[i], "true"));

        g_assert_cmpint(answer->error, ==, EINVAL);
        g_assert_cmpint(answer->about, ==, WIRE_ABOUT_REQUEST);
        g_assert_cmpstr(answer->name, ==, i < 2 ? "flags" : "terminal");
    }
}

/* --- pipes --- */

static void
test_nobody_reads(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "yes; echo $? >&2");
    g_autofree char *text = NULL;

    peer_wait_data(peer, stream, WIRE_STDOUT, 1);
    peer_send(peer, stream, WIRE_EOF, WIRE_STDOUT, NULL, 0);
    assert_end(peer, stream, WIRE_EXIT_STATUS, 0);
    text = answer_text(peer_answer(peer, stream), WIRE_STDERR);
    g_assert_cmpstr(text, ==, "141\n"); /* 128 and SIGPIPE */
}

static void
test_nobody_takes(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "exec <&-; echo closed; exec sleep 1000");

    wait_for_text(peer, stream, "closed");
    while (!peer_answer(peer, stream)->eof[WIRE_STDIN])
        peer_step(peer);
    /* Input that is in transit is dropped, and its credit is given back. */
    type(peer, stream, "lost");
    while (peer_answer(peer, stream)->credit[WIRE_STDIN] < 4)
        peer_step(peer);
    peer_send(peer, stream, WIRE_KILL, 0, NULL, 0);
    assert_end(peer, stream, WIRE_EXIT_SIGNAL, SIGKILL);
}

static void
test_end_before_output(Peer *peer)
{
    guint32 stream = peer_shell(peer, NULL, "head -c 300000 /dev/zero; exit 3");
    Answer *answer = peer_answer(peer, stream);

    answer->withholds_credit = TRUE;
    while (!answer->is_reaped)
        peer_step(peer);
    g_assert_false(answer->has_exited);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, WIRE_WINDOW);
    peer_send_u32(peer, stream, WIRE_CREDIT, WIRE_STDOUT, WIRE_WINDOW);
    assert_end(peer, stream, WIRE_EXIT_STATUS, 3);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, 300000);
}

/* --- tasks --- */

static void
test_unknown_task(Peer *peer)
{
    const Start start = {.flags = START_BUILTIN};
    const char *const none[] = {"nothing", NULL}, *const few[] = {"stat", "/", NULL};
    const char *const *const wrong[] = {none, few};

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const Answer *answer = peer_wait_end(peer, peer_start(peer, &start, wrong[i]));

        g_assert_cmpint(answer->error, ==, EINVAL);
        g_assert_cmpint(answer->about, ==, WIRE_ABOUT_REQUEST);
    }
}

static void
test_kept(Peer *peer)
{
    const char *const kept[] = {"kept", NULL}, *const argv[] = {"sleep", "1000", NULL};
    const Start keep = {.flags = START_KEEP, .tag = "the tag"}, task = {.flags = START_BUILTIN};
    guint32 process = peer_start(peer, &keep, argv), stream;
    const Answer *answer;
    WireReader r;
    g_autofree char *tag = NULL;
    char **words, **environment;
    gint64 age_ms;

    peer_wait_started(peer, process);
    stream = peer_start(peer, &task, kept);
    assert_end(peer, stream, WIRE_EXIT_STATUS, 0);
    answer = peer_answer(peer, stream);
    wire_reader_init(&r, answer->data[WIRE_STDOUT]->data, answer->data[WIRE_STDOUT]->len);
    g_assert_cmpuint(wire_get_u32(&r), ==, answer->data[WIRE_STDOUT]->len - 4);
    tag = wire_get_string(&r, 256);
    g_assert_cmpstr(tag, ==, "the tag");
    g_assert_cmpuint(wire_get_u32(&r), ==, peer_answer(peer, process)->pid);
    age_ms = g_get_real_time() / 1000 - (gint64)wire_get_u64(&r);
    g_assert_cmpint(ABS(age_ms), <, 60000);
    words = wire_get_strv(&r, 8, 256);
    g_assert_cmpstrv(words, argv);
    environment = wire_get_strv(&r, 8, 256);
    g_assert_cmpint(g_strv_length(environment), ==, 0);
    g_assert_cmpint(wire_reader_end(&r), ==, 0);
    wire_strv_free(words);
    wire_strv_free(environment);
    peer_send(peer, process, WIRE_KILL, 0, NULL, 0);
    peer_wait_end(peer, process);
}

int
main(int argc, char **argv)
{
    static const PeerTest tests[] = {
        {"size", test_size},
        {"signals-from-keys", test_signals_from_keys},
        {"term", test_term},
        {"term-of-the-user", test_term_of_the_user},
        {"all-output", test_all_output},
        {"hang-up", test_hang_up},
        {"faults", test_faults},
        {"nobody-reads", test_nobody_reads},
        {"nobody-takes", test_nobody_takes},
        {"end-before-output", test_end_before_output},
        {"unknown-task", test_unknown_task},
        {"kept", test_kept},
    };

    g_test_init(&argc, &argv, NULL);
    peer_add_tests("terminal", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
