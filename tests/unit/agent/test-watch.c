/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-watch: a watch writes a line for each kind of change.
 *
 * The watch is stopped where a test needs several changes to happen before it reads any event.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "task.h"

#define LINE(event, path, directory)                                                               \
    "{\"event\":\"" event "\",\"path\":\"" path "\",\"directory\":" directory "}\n"
#define FILE_LINE(event, path) LINE(event, path, "false")
#define DIRECTORY_LINE(event, path) LINE(event, path, "true")
#define RENAME_LINE(path, directory, to)                                                           \
    "{\"event\":\"rename\",\"path\":\"" path "\",\"directory\":" directory ",\"to\":\"" to "\"}\n"
#define READY_LINE "{\"event\":\"ready\"}\n"
#define OVERFLOW_LINE "{\"event\":\"overflow\"}\n"

typedef struct {
    Task *task;
    gsize seen;       /* bytes of output that were expected */
    char *top;        /* the directory in which all changes are made */
    const char *root; /* the watched path in it */
} Watch;

/* --- changes --- */

static Watch
watch_new(void)
{
    char *top = g_dir_make_tmp("watch-XXXXXX", NULL);

    g_assert_nonnull(top);
    g_assert_cmpint(chmod(top, 0755), ==, 0);
    return (Watch){.top = top};
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

/* --- what is reported --- */

/* Compares after each read, so that a wrong line fails at once. */
static void
assert_lines(Watch *watch, const char *lines)
{
    gsize size = strlen(lines);

    for (gsize n = 0; n < size;) {
        task_wait_output(watch->task, watch->seen + n + 1);
        n = MIN(watch->task->output->len - watch->seen, size);
        g_autofree char *actual =
            g_strndup((const char *)watch->task->output->data + watch->seen, n);
        g_autofree char *expected = g_strndup(lines, n);

        g_assert_cmpstr(actual, ==, expected);
    }
    watch->seen += size;
}

static Task *
start(const char *path, gboolean is_recursive, gboolean unprivileged)
{
    const char *const argv[] = {"watch", path, is_recursive ? "1" : "0", NULL};

    return task_start(argv, unprivileged);
}

static void
assert_ready(Watch *watch)
{
    ChildError error;

    g_assert_true(task_wait_ready(watch->task, &error));
    assert_lines(watch, READY_LINE);
}

static void
begin(Watch *watch, const char *path, gboolean is_recursive)
{
    g_autofree char *whole = at(watch, path);

    watch->root = path;
    task_free(watch->task);
    watch->task = start(whole, is_recursive, /* unprivileged= */ FALSE);
    watch->seen = 0;
    assert_ready(watch);
}

/* A new directory is reported before it is watched: until then, changes in it may be reported twice
 * or as a part of it. */
static void
settle(Watch *watch)
{
    do_chmod(watch, watch->root, 0755);
    assert_lines(watch, DIRECTORY_LINE("chmod", ""));
}

/* The watch has ended by itself and has written no other line. */
static void
assert_ended(Watch *watch)
{
    g_assert_cmpint(task_wait_end(watch->task), ==, 0);
    g_assert_cmpuint(watch->task->output->len, ==, watch->seen);
}

static void
remove_tree(const char *path)
{
    g_autofree char *command = g_strdup_printf("rm -r %s", path);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void
finish(Watch *watch)
{
    task_free(watch->task);
    remove_tree(watch->top);
    g_free(watch->top);
}

/* --- the tests --- */

static void
test_events(void)
{
    Watch watch = watch_new();

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
    /* The watch is not recursive, neither in existing nor in new directories. */
    do_write(&watch, "below/f");
    do_mkdir(&watch, "new");
    do_write(&watch, "new/f");
    do_chmod(&watch, "below", 0700);
    assert_lines(&watch, DIRECTORY_LINE("create", "new") DIRECTORY_LINE("chmod", "below"));
    finish(&watch);
}

static void
test_recursive(void)
{
    Watch watch = watch_new();

    do_mkdir(&watch, "old");
    do_mkdir(&watch, "old/deep");
    begin(&watch, "", TRUE);
    do_write(&watch, "old/deep/f");
    assert_lines(&watch, FILE_LINE("create", "old/deep/f") FILE_LINE("write", "old/deep/f"));
    do_chmod(&watch, "old/deep",
             0700); /* reported once, not a second time by the watch of the directory itself */
    assert_lines(&watch, DIRECTORY_LINE("chmod", "old/deep"));

    /* Entries that are in a new directory before it can be watched. */
    task_stop(watch.task);
    do_mkdir(&watch, "new");
    do_mkdir(&watch, "new/deep");
    do_write(&watch, "new/deep/f");
    task_continue(watch.task);
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
test_renamed_directories(void)
{
    Watch watch = watch_new();

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

    /* A directory is moved into one that is not watched yet, so the move causes no event there. */
    task_stop(watch.task);
    do_mkdir(&watch, "new");
    do_rename(&watch, "dx/e", "new/e");
    task_continue(watch.task);
    assert_lines(&watch,
                 DIRECTORY_LINE("create", "new") DIRECTORY_LINE("create", "new/e")
                     DIRECTORY_LINE("create", "new/e/deep") FILE_LINE("create", "new/e/deep/f")
                         DIRECTORY_LINE("remove", "dx/e"));
    do_chmod(&watch, "new/e/deep/f", 0600);
    assert_lines(&watch, FILE_LINE("chmod", "new/e/deep/f"));
    finish(&watch);
}

static void
test_moves_over_the_edge(void)
{
    Watch watch = watch_new();

    do_mkdir(&watch, "in");
    do_mkdir(&watch, "in/d");
    do_write(&watch, "in/f");
    do_mkdir(&watch, "out");
    begin(&watch, "in", TRUE);
    do_rename(&watch, "in/f", "out/f");
    assert_lines(&watch, FILE_LINE("remove", "f"));
    do_rename(&watch, "out/f", "in/g");
    assert_lines(&watch, FILE_LINE("create", "g"));

    /* Changes outside of the watched tree are not reported, even immediately after a move. */
    task_stop(watch.task);
    do_rename(&watch, "in/d", "out/d");
    do_write(&watch, "out/d/f");
    do_chmod(&watch, "in/g", 0600);
    task_continue(watch.task);
    assert_lines(&watch, DIRECTORY_LINE("remove", "d") FILE_LINE("chmod", "g"));
    do_chmod(&watch, "out/d/f", 0600);
    do_rename(&watch, "out/d", "in/e");
    assert_lines(&watch, DIRECTORY_LINE("create", "e") FILE_LINE("create", "e/f"));
    do_chmod(&watch, "in/e/f", 0644);
    assert_lines(&watch, FILE_LINE("chmod", "e/f"));

    /* Two events look like the halves of one move, but belong to different moves. */
    task_stop(watch.task);
    do_rename(&watch, "in/e", "out/e");
    do_rename(&watch, "out/e", "in/h");
    task_continue(watch.task);
    assert_lines(&watch, DIRECTORY_LINE("remove", "e") DIRECTORY_LINE("create", "h")
                             FILE_LINE("create", "h/f"));
    do_chmod(&watch, "in/h/f", 0600);
    assert_lines(&watch, FILE_LINE("chmod", "h/f"));
    finish(&watch);
}

static void
test_names(void)
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
        /* UTF-8 that is cut off, an overlong "/", half of a surrogate pair, beyond U+10FFFF */
        {"\xe2\x82", DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\",\"path-base64\":\"4oI=")},
        {"\xc0\xaf", DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\",\"path-base64\":\"wK8=")},
        {"\xed\xa0\x80", DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                                                  "\"path-base64\":\"7aCA")},
        {"\xf4\x90\x80\x80",
         DIRECTORY_LINE("create", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                                  "\"path-base64\":\"9JCAgA==")},
    };
    Watch watch = watch_new();

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
test_file(void)
{
    Watch watch = watch_new();

    do_write(&watch, "f");
    begin(&watch, "f", TRUE); /* is_recursive has no effect on a file */
    do_write(&watch, "f");
    do_chmod(&watch, "f", 0600);
    assert_lines(&watch, FILE_LINE("write", "") FILE_LINE("chmod", ""));
    do_remove(&watch, "f");
    assert_lines(&watch, FILE_LINE("remove", ""));
    assert_ended(&watch);
    finish(&watch);
}

static void
test_ends(void)
{
    Watch watch = watch_new();

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

/* The watched path is removed, but the file still exists because it is open. */
static void
test_ends_while_open(void)
{
    Watch watch = watch_new();
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
test_links(void)
{
    Watch watch = watch_new();

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
assert_error(const char *path, gboolean is_recursive, int error)
{
    Task *task = start(path, is_recursive, /* unprivileged= */ TRUE);
    ChildError report;

    g_assert_false(task_wait_ready(task, &report));
    g_assert_cmpint(report.error, ==, error);
    g_assert_cmpint(report.about, ==, WIRE_ABOUT_FILE);
    g_assert_cmpstr(report.name, ==, path);
    task_free(task);
}

static void
test_errors(void)
{
    Watch watch = watch_new();
    g_autofree char *closed = at(&watch, "closed"), *in = at(&watch, "closed/f");

    do_mkdir(&watch, "closed");
    do_write(&watch, "closed/f");
    do_chmod(&watch, "closed", 0);
    assert_error("/no/such/file", FALSE, ENOENT);
    assert_error("/etc/passwd/x", TRUE, ENOTDIR);
    assert_error(closed, TRUE, EACCES);
    assert_error(in, FALSE, EACCES);
    do_chmod(&watch, "closed", 0700);
    finish(&watch);
}

/* A directory that the user may not read is skipped, and the rest is watched. */
static void
test_closed_below(void)
{
    Watch watch = watch_new();

    do_mkdir(&watch, "closed");
    do_mkdir(&watch, "open");
    do_chmod(&watch, "closed", 0300); /* its owner can write files in it */
    watch.task = start(watch.top, /* is_recursive= */ TRUE, /* unprivileged= */ TRUE);
    assert_ready(&watch);
    do_write(&watch, "closed/f");
    do_write(&watch, "open/f");
    assert_lines(&watch, FILE_LINE("create", "open/f") FILE_LINE("write", "open/f"));
    do_chmod(&watch, "closed", 0700);
    finish(&watch);
}

/* Makes more events than the kernel queues. Two files alternate, because the kernel merges equal
 * events that follow each other. */
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
    const GByteArray *data = watch->task->output;
    const char *found = NULL;

    while (!found) {
        task_wait_output(watch->task, data->len + 1);
        found = g_strstr_len((const char *)data->data + watch->seen,
                             (gssize)(data->len - watch->seen), OVERFLOW_LINE);
    }
    watch->seen = (gsize)(found - (const char *)data->data) + strlen(OVERFLOW_LINE);
}

static void
test_overflow(void)
{
    Watch watch = watch_new();

    do_write(&watch, "a");
    do_write(&watch, "b");
    do_mkdir(&watch, "d");
    do_mkdir(&watch, "e");
    do_mkdir(&watch, "e/deep");
    begin(&watch, "", TRUE);
    task_stop(watch.task);
    flood(&watch);
    do_rename(&watch, "e/deep", "moved"); /* none of these changes is reported */
    do_mkdir(&watch, "new");
    task_continue(watch.task);
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
    static const struct {
        const char *name;
        void (*test)(void);
    } tests[] = {
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
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/agent/watch/%s", tests[i].name);
        g_test_add_func(path, tests[i].test);
    }
    return g_test_run();
}
