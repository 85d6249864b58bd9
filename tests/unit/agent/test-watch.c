/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-watch: each line that a watch writes, for what is done in front of it.
 *
 * Where it matters what had happened before the watch looked, it is stopped meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peer.h"

#define LINE(event, path, directory)                                                               \
    "{\"event\":\"" event "\",\"path\":\"" path "\",\"directory\":" directory "}\n"
#define FILE_LINE(event, path) LINE(event, path, "false")
#define DIRECTORY_LINE(event, path) LINE(event, path, "true")
#define RENAME_LINE(path, directory, to)                                                           \
    "{\"event\":\"rename\",\"path\":\"" path "\",\"directory\":" directory ",\"to\":\"" to "\"}\n"
#define READY_LINE "{\"event\":\"ready\"}\n"
#define OVERFLOW_LINE "{\"event\":\"overflow\"}\n"

typedef struct {
    Peer *peer;
    guint32 stream;
    gsize seen;       /* bytes of its lines that were expected */
    char *top;        /* of a directory that all happens in */
    const char *root; /* what is watched of it */
} Watch;

/* --- what happens --- */

static Watch
watch_new(Peer *peer)
{
    char *top = g_dir_make_tmp("watch-XXXXXX", NULL);

    g_assert_nonnull(top);
    g_assert_cmpint(chmod(top, 0755), ==, 0);
    return (Watch){.peer = peer, .top = top};
}

static char *
at(const Watch *watch, const char *path)
{
    return g_build_filename(watch->top, path, NULL);
}

static void
do_mkdir(const Watch *watch, const char *path)
{
    g_autofree char *whole = at(watch, path);
    g_assert_cmpint(mkdir(whole, 0755), ==, 0);
}

static void
do_write(const Watch *watch, const char *path)
{
    g_autofree char *whole = at(watch, path);
    int fd = open(whole, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "x", 1), ==, 1);
    g_assert_cmpint(close(fd), ==, 0);
}

static void
do_rename(const Watch *watch, const char *from, const char *to)
{
    g_autofree char *whole = at(watch, from), *target = at(watch, to);
    g_assert_cmpint(rename(whole, target), ==, 0);
}

static void
do_chmod(const Watch *watch, const char *path, mode_t mode)
{
    g_autofree char *whole = at(watch, path);
    g_assert_cmpint(chmod(whole, mode), ==, 0);
}

static void
do_remove(const Watch *watch, const char *path)
{
    g_autofree char *whole = at(watch, path);
    g_assert_cmpint(remove(whole), ==, 0);
}

static void
do_symlink(const Watch *watch, const char *target, const char *path)
{
    g_autofree char *whole = at(watch, path);
    g_assert_cmpint(symlink(target, whole), ==, 0);
}

/* --- what is told --- */

/* As they come: what is wrong is told, and not waited behind. */
static void
assert_lines(Watch *watch, const char *lines)
{
    gsize size = strlen(lines);

    for (gsize n = 0; n < size;) {
        const GByteArray *data =
            peer_wait_data(watch->peer, watch->stream, WIRE_STDOUT, watch->seen + n + 1)
                ->data[WIRE_STDOUT];

        n = MIN(data->len - watch->seen, size);
        g_autofree char *come = g_strndup((const char *)data->data + watch->seen, n);
        g_autofree char *expected = g_strndup(lines, n);

        g_assert_cmpstr(come, ==, expected);
    }
    watch->seen += size;
}

static guint32
ask(Peer *peer, const char *user, const char *path, const char *recursive)
{
    const char *const argv[] = {"watch", path, recursive, NULL};
    return peer_start(peer, &(Start){.flags = START_BUILTIN, .user = user}, argv);
}

static void
begin(Watch *watch, const char *path, gboolean is_recursive)
{
    g_autofree char *whole = at(watch, path);

    watch->root = path;
    watch->stream = ask(watch->peer, NULL, whole, is_recursive ? "1" : "0");
    watch->seen = 0;
    peer_wait_started(watch->peer, watch->stream);
    assert_lines(watch, READY_LINE);
}

/* A new directory is told of before it is watched: until then, what is done in it may be told
 * twice, or as a part of it. */
static void
settle(Watch *watch)
{
    do_chmod(watch, watch->root, 0755);
    assert_lines(watch, DIRECTORY_LINE("chmod", ""));
}

/* Nothing comes any more; it went by itself. */
static void
assert_ended(Watch *watch)
{
    const Answer *answer = peer_wait_end(watch->peer, watch->stream);

    g_assert_cmpint(answer->how, ==, WIRE_EXIT_STATUS);
    g_assert_cmpuint(answer->status, ==, 0);
    g_assert_cmpuint(answer->data[WIRE_STDOUT]->len, ==, watch->seen);
}

static void
halt(const Watch *watch)
{
    peer_send_u32(watch->peer, watch->stream, WIRE_SIGNAL, 0, SIGSTOP);
    peer_ping(watch->peer);
}

static void
resume(const Watch *watch)
{
    peer_send_u32(watch->peer, watch->stream, WIRE_SIGNAL, 0, SIGCONT);
}

static void
remove_tree(const char *path)
{
    g_autofree char *command = g_strdup_printf("rm -r %s", path);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* Closing the stream is all that a client does. What it had to tell before, it has told. */
static void
finish(Watch *watch)
{
    peer_send(watch->peer, watch->stream, WIRE_CLOSE, 0, NULL, 0);
    remove_tree(watch->top);
    g_free(watch->top);
}

/* --- the tests --- */

static void
test_events(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_mkdir(&watch, "below");
    begin(&watch, "", FALSE);
    do_write(&watch, "a");
    assert_lines(&watch, FILE_LINE("create", "a") FILE_LINE("write", "a"));
    do_chmod(&watch, "a", 0600);
    assert_lines(&watch, FILE_LINE("chmod", "a"));
    do_rename(&watch, "a", "b");
    assert_lines(&watch, RENAME_LINE("a", "false", "b"));
    do_remove(&watch, "b");
    assert_lines(&watch, FILE_LINE("remove", "b"));
    do_chmod(&watch, "", 0700);
    assert_lines(&watch, DIRECTORY_LINE("chmod", ""));
    /* It is not recursive: neither for what was there nor for what is new. */
    do_write(&watch, "below/f");
    do_mkdir(&watch, "new");
    do_write(&watch, "new/f");
    do_chmod(&watch, "below", 0700);
    assert_lines(&watch, DIRECTORY_LINE("create", "new") DIRECTORY_LINE("chmod", "below"));
    finish(&watch);
}

static void
test_recursive(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_mkdir(&watch, "old");
    do_mkdir(&watch, "old/deep");
    begin(&watch, "", TRUE);
    do_write(&watch, "old/deep/f");
    assert_lines(&watch, FILE_LINE("create", "old/deep/f") FILE_LINE("write", "old/deep/f"));
    do_chmod(&watch, "old/deep", 0700); /* once: not by itself, too */
    assert_lines(&watch, DIRECTORY_LINE("chmod", "old/deep"));

    /* What is in a new directory before it can be watched. */
    halt(&watch);
    do_mkdir(&watch, "new");
    do_mkdir(&watch, "new/deep");
    do_write(&watch, "new/deep/f");
    resume(&watch);
    assert_lines(&watch, DIRECTORY_LINE("create", "new") DIRECTORY_LINE("create", "new/deep")
                             FILE_LINE("create", "new/deep/f"));
    settle(&watch);
    do_write(&watch, "new/deep/g");
    assert_lines(&watch, FILE_LINE("create", "new/deep/g") FILE_LINE("write", "new/deep/g"));

    do_remove(&watch, "old/deep/f");
    do_remove(&watch, "old/deep");
    do_mkdir(&watch, "old/deep");
    assert_lines(&watch, FILE_LINE("remove", "old/deep/f") DIRECTORY_LINE("remove", "old/deep")
                             DIRECTORY_LINE("create", "old/deep"));
    settle(&watch);
    do_write(&watch, "old/deep/f");
    assert_lines(&watch, FILE_LINE("create", "old/deep/f") FILE_LINE("write", "old/deep/f"));
    finish(&watch);
}

static void
test_renamed_directories(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_mkdir(&watch, "d");
    do_mkdir(&watch, "d/deep");
    do_mkdir(&watch, "dx");
    begin(&watch, "", TRUE);
    do_rename(&watch, "d", "dx/e");
    assert_lines(&watch, RENAME_LINE("d", "true", "dx/e"));
    do_write(&watch, "dx/e/deep/f");
    assert_lines(&watch, FILE_LINE("create", "dx/e/deep/f") FILE_LINE("write", "dx/e/deep/f"));
    do_write(&watch, "dx/f");
    assert_lines(&watch, FILE_LINE("create", "dx/f") FILE_LINE("write", "dx/f"));

    /* Into a directory that is not watched yet: it arrives unseen. */
    halt(&watch);
    do_mkdir(&watch, "new");
    do_rename(&watch, "dx/e", "new/e");
    resume(&watch);
    assert_lines(&watch,
                 DIRECTORY_LINE("create", "new") DIRECTORY_LINE("create", "new/e")
                     DIRECTORY_LINE("create", "new/e/deep") FILE_LINE("create", "new/e/deep/f")
                         DIRECTORY_LINE("remove", "dx/e"));
    do_chmod(&watch, "new/e/deep/f", 0600);
    assert_lines(&watch, FILE_LINE("chmod", "new/e/deep/f"));
    finish(&watch);
}

static void
test_moves_over_the_edge(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_mkdir(&watch, "in");
    do_mkdir(&watch, "in/d");
    do_write(&watch, "in/f");
    do_mkdir(&watch, "out");
    begin(&watch, "in", TRUE);
    do_rename(&watch, "in/f", "out/f");
    assert_lines(&watch, FILE_LINE("remove", "f"));
    do_rename(&watch, "out/f", "in/g");
    assert_lines(&watch, FILE_LINE("create", "g"));

    /* What is done outside is nothing of ours, at once. */
    halt(&watch);
    do_rename(&watch, "in/d", "out/d");
    do_write(&watch, "out/d/f");
    do_chmod(&watch, "in/g", 0600);
    resume(&watch);
    assert_lines(&watch, DIRECTORY_LINE("remove", "d") FILE_LINE("chmod", "g"));
    do_chmod(&watch, "out/d/f", 0600);
    do_rename(&watch, "out/d", "in/e");
    assert_lines(&watch, DIRECTORY_LINE("create", "e") FILE_LINE("create", "e/f"));
    do_chmod(&watch, "in/e/f", 0644);
    assert_lines(&watch, FILE_LINE("chmod", "e/f"));

    /* Two halves that belong to different moves. */
    halt(&watch);
    do_rename(&watch, "in/e", "out/e");
    do_rename(&watch, "out/e", "in/h");
    resume(&watch);
    assert_lines(&watch, DIRECTORY_LINE("remove", "e") DIRECTORY_LINE("create", "h")
                             FILE_LINE("create", "h/f"));
    do_chmod(&watch, "in/h/f", 0600);
    assert_lines(&watch, FILE_LINE("chmod", "h/f"));
    finish(&watch);
}

static void
test_names(Peer *peer)
{
    static const struct {
        const char *name, *lines;
    } cases[] = {
        {"q\"\\", DIRECTORY_LINE("create", "q\\\"\\\\")},
        {"\n\t\x01\x7f", DIRECTORY_LINE("create", "\\u000a\\u0009\\u0001\\u007f")},
        {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
         DIRECTORY_LINE("create", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80")},
        {"\xff", DIRECTORY_LINE("create", "\xef\xbf\xbd\",\"path-base64\":\"/w==")},
        {"a\xff", DIRECTORY_LINE("create", "a\xef\xbf\xbd\",\"path-base64\":\"Yf8=")},
        {"a\xff"
         "b",
         DIRECTORY_LINE("create", "a\xef\xbf\xbd"
                                  "b\",\"path-base64\":\"Yf9i")},
        /* cut off, too long a form of "/", half of a pair, beyond the last */
        {"\xe2\x82", DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\",\"path-base64\":\"4oI=")},
        {"\xc0\xaf", DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\",\"path-base64\":\"wK8=")},
        {"\xed\xa0\x80", DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                                                  "\"path-base64\":\"7aCA")},
        {"\xf4\x90\x80\x80",
         DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                                  "\"path-base64\":\"9JCAgA==")},
    };
    Watch watch = watch_new(peer);

    begin(&watch, "", FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        do_mkdir(&watch, cases[i].name);
        assert_lines(&watch, cases[i].lines);
    }
    do_rename(&watch, "\xff", "\xfe");
    assert_lines(&watch, "{\"event\":\"rename\",\"path\":\"\xef\xbf\xbd\",\"path-base64\":\"/w==\","
                         "\"directory\":true,\"to\":\"\xef\xbf\xbd\",\"to-base64\":\"/g==\"}\n");
    finish(&watch);
}

static void
test_file(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_write(&watch, "f");
    begin(&watch, "f", TRUE); /* which says nothing of a file */
    do_write(&watch, "f");
    do_chmod(&watch, "f", 0600);
    assert_lines(&watch, FILE_LINE("write", "") FILE_LINE("chmod", ""));
    do_remove(&watch, "f");
    assert_lines(&watch, FILE_LINE("remove", ""));
    assert_ended(&watch);
    finish(&watch);
}

static void
test_ends(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_mkdir(&watch, "d");
    begin(&watch, "d", TRUE);
    do_remove(&watch, "d");
    assert_lines(&watch, DIRECTORY_LINE("remove", ""));
    assert_ended(&watch);

    do_mkdir(&watch, "d");
    begin(&watch, "d", FALSE);
    do_rename(&watch, "d", "e");
    assert_lines(&watch, DIRECTORY_LINE("remove", ""));
    assert_ended(&watch);

    do_write(&watch, "new");
    do_write(&watch, "f");
    begin(&watch, "f", FALSE);
    do_rename(&watch, "f", "g");
    assert_lines(&watch, FILE_LINE("remove", ""));
    assert_ended(&watch);
    finish(&watch);
}

/* The file lives on, without the path that is watched. */
static void
test_ends_while_open(Peer *peer)
{
    Watch watch = watch_new(peer);
    g_autofree char *path = at(&watch, "f");

    do_write(&watch, "f");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    begin(&watch, "f", FALSE);
    do_remove(&watch, "f");
    assert_lines(&watch, FILE_LINE("remove", ""));
    assert_ended(&watch);

    do_write(&watch, "f");
    do_write(&watch, "new");
    close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    begin(&watch, "f", FALSE);
    do_rename(&watch, "new", "f");
    assert_lines(&watch, FILE_LINE("remove", ""));
    assert_ended(&watch);
    close(fd);
    finish(&watch);
}

static void
test_links(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_mkdir(&watch, "d");
    do_mkdir(&watch, "other");
    do_symlink(&watch, "d", "to-d");
    do_symlink(&watch, "../other", "d/to-other");
    begin(&watch, "to-d", TRUE);
    do_write(&watch, "other/f"); /* a link below is not followed */
    do_symlink(&watch, "../other", "d/link");
    do_write(&watch, "d/f");
    assert_lines(&watch,
                 FILE_LINE("create", "link") FILE_LINE("create", "f") FILE_LINE("write", "f"));
    finish(&watch);
}

static void
assert_error(Peer *peer, guint32 stream, int error, const char *path)
{
    const Answer *answer = peer_wait_end(peer, stream);

    g_assert_cmpint(answer->error, ==, error);
    g_assert_cmpint(answer->about, ==, WIRE_ABOUT_FILE);
    g_assert_cmpstr(answer->name, ==, path);
    g_assert_cmpuint(answer->pid, ==, 0);
}

static void
test_errors(Peer *peer)
{
    Watch watch = watch_new(peer);
    g_autofree char *closed = at(&watch, "closed"), *in = at(&watch, "closed/f");

    do_mkdir(&watch, "closed");
    do_write(&watch, "closed/f");
    do_chmod(&watch, "closed", 0700);
    assert_error(peer, ask(peer, NULL, "/no/such/file", "0"), ENOENT, "/no/such/file");
    assert_error(peer, ask(peer, NULL, "/etc/passwd/x", "1"), ENOTDIR, "/etc/passwd/x");
    assert_error(peer, ask(peer, "nobody", closed, "1"), EACCES, closed);
    assert_error(peer, ask(peer, "nobody", in, "0"), EACCES, in);
    remove_tree(watch.top);
    g_free(watch.top);
}

/* What its user may not read is left out, and the rest is watched. */
static void
test_closed_below(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_mkdir(&watch, "closed");
    do_mkdir(&watch, "open");
    do_chmod(&watch, "closed", 0700);
    watch.stream = ask(peer, "nobody", watch.top, "1");
    peer_wait_started(peer, watch.stream);
    assert_lines(&watch, READY_LINE);
    do_write(&watch, "closed/f");
    do_write(&watch, "open/f");
    assert_lines(&watch, FILE_LINE("create", "open/f") FILE_LINE("write", "open/f"));
    finish(&watch);
}

/* More than the kernel keeps and than may be under way. Between two files, so that no event is the
 * same as the one before it. */
static void
flood(const Watch *watch)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents("/proc/sys/fs/inotify/max_queued_events", &text, NULL, NULL));
    guint64 n = g_ascii_strtoull(text, NULL, 10) + 20;
    for (guint64 i = 0; i < n; i++)
        do_chmod(watch, i % 2 ? "a" : "b", 0600);
}

static void
wait_for_overflow(Watch *watch)
{
    GByteArray *data = peer_answer(watch->peer, watch->stream)->data[WIRE_STDOUT];
    const char *found = NULL;

    while (!found) {
        peer_step(watch->peer);
        found = g_strstr_len((const char *)data->data + watch->seen,
                             (gssize)(data->len - watch->seen), OVERFLOW_LINE);
    }
    watch->seen = (gsize)(found - (const char *)data->data) + strlen(OVERFLOW_LINE);
}

static void
test_overflow(Peer *peer)
{
    Watch watch = watch_new(peer);

    do_write(&watch, "a");
    do_write(&watch, "b");
    do_mkdir(&watch, "d");
    do_mkdir(&watch, "e");
    do_mkdir(&watch, "e/deep");
    begin(&watch, "", TRUE);
    halt(&watch);
    flood(&watch);
    do_rename(&watch, "e/deep", "moved"); /* none of these is told */
    do_mkdir(&watch, "new");
    resume(&watch);
    wait_for_overflow(&watch);
    do_chmod(&watch, "d", 0700);
    assert_lines(&watch, DIRECTORY_LINE("chmod", "d"));
    do_write(&watch, "new/f");
    assert_lines(&watch, FILE_LINE("create", "new/f") FILE_LINE("write", "new/f"));
    do_write(&watch, "moved/f");
    assert_lines(&watch, FILE_LINE("create", "moved/f") FILE_LINE("write", "moved/f"));
    finish(&watch);
}

int
main(int argc, char **argv)
{
    static const PeerTest tests[] = {
        {"events", test_events},
        {"recursive", test_recursive},
        {"renamed-directories", test_renamed_directories},
        {"moves-over-the-edge", test_moves_over_the_edge},
        {"names", test_names},
        {"file", test_file},
        {"ends", test_ends},
        {"ends-while-open", test_ends_while_open},
        {"links", test_links},
        {"errors", test_errors},
        {"closed-below", test_closed_below},
        {"overflow", test_overflow},
    };

    g_test_init(&argc, &argv, NULL);
    peer_add_tests("watch", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
