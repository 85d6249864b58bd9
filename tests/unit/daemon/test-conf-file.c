/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-conf-file: configuration files are read in their order of precedence, and an error names its
 * file and line. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf-file.h"
#include "error.h"
#include "util.h"

#define NAME "cloched.conf"

typedef struct {
    char *dir;
    char *folders[4]; /* as /etc, /run, /usr/lib */
    GString *seen;    /* "place [section] key=value" of each assignment, one per line */
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"etc", "run", "lib"};

    f->dir = g_dir_make_tmp("cloche-conf-XXXXXX", NULL);
    f->seen = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        f->folders[i] = g_build_filename(f->dir, names[i], NULL);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_assert_true(util_remove_tree(f->dir, NULL));
    for (gsize i = 0; f->folders[i]; i++)
        g_free(f->folders[i]);
    g_string_free(f->seen, TRUE);
    g_free(f->dir);
}

static char *
make_parents(Fixture *f, const char *name)
{
    char *path = g_build_filename(f->dir, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    return path;
}

static void
put(Fixture *f, const char *name, const char *text)
{
    g_autofree char *path = make_parents(f, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
put_link(Fixture *f, const char *name, const char *target)
{
    g_autofree char *path = make_parents(f, name);

    g_assert_cmpint(symlink(target, path), ==, 0);
}

/* The paths without the folder of the test. */
static char *
find(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) paths = conf_file_find((const char *const *)f->folders, NAME, &error);

    g_assert_no_error(error);
    for (char **path = paths; *path; path++) {
        char *tail = g_strdup(*path + strlen(f->dir) + 1);

        g_free(*path);
        *path = tail;
    }
    return g_strjoinv(" ", paths);
}

static gboolean
assign(const char *section, const char *key, const char *value, const char *place, gpointer data,
       GError **error)
{
    Fixture *f = data;

    if (g_str_equal(value, "bad")) {
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "it is bad");
        return FALSE;
    }
    g_string_append_printf(f->seen, "%s [%s] %s=%s\n", place, section, key, value);
    return TRUE;
}

static gboolean
parse(Fixture *f, const char *text, gsize length, GError **error)
{
    return conf_file_parse("a.conf", text, length, assign, f, error);
}

static void
assert_parsed(Fixture *f, const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;

    g_string_truncate(f->seen, 0);
    g_assert_true(parse(f, text, strlen(text), &error));
    g_assert_no_error(error);
    g_assert_cmpstr(f->seen->str, ==, expected);
}

static void
assert_wrong(Fixture *f, const char *text, gsize length, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(parse(f, text, length, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, message);
}

/* --- which files --- */

static void
test_none(Fixture *f, gconstpointer data)
{
    g_autofree char *found = find(f);

    g_assert_cmpstr(found, ==, "");
}

/* Only the first main file is read, whichever folder it is in. */
static void
test_main(Fixture *f, gconstpointer data)
{
    g_autofree char *third = NULL, *second = NULL, *first = NULL;

    put(f, "lib/cloched.conf", "");
    third = find(f);
    g_assert_cmpstr(third, ==, "lib/cloched.conf");
    put(f, "run/cloched.conf", "");
    second = find(f);
    g_assert_cmpstr(second, ==, "run/cloched.conf");
    put(f, "etc/cloched.conf", "");
    first = find(f);
    g_assert_cmpstr(first, ==, "etc/cloched.conf");
}

/* Drop-ins are read after the main file, sorted by name and not by folder. Of files with the same
 * name, only the one in the first folder is read. */
static void
test_drop_ins(Fixture *f, gconstpointer data)
{
    g_autofree char *found = NULL;

    put(f, "lib/cloched.conf", "");
    put(f, "etc/cloched.conf.d/50-b.conf", "");
    put(f, "run/cloched.conf.d/10-a.conf", "");
    put(f, "run/cloched.conf.d/50-b.conf", "");
    put(f, "lib/cloched.conf.d/50-b.conf", "");
    put(f, "lib/cloched.conf.d/90-c.conf", "");
    put(f, "run/cloched.conf.d/90-c.conf", "");
    put(f, "lib/cloched.conf.d/20-d.conf", "");
    found = find(f);
    g_assert_cmpstr(found, ==,
                    "lib/cloched.conf run/cloched.conf.d/10-a.conf lib/cloched.conf.d/20-d.conf "
                    "etc/cloched.conf.d/50-b.conf run/cloched.conf.d/90-c.conf");
}

static void
test_other_names(Fixture *f, gconstpointer data)
{
    g_autofree char *found = NULL;

    put(f, "etc/cloched.conf.d/.hidden.conf", "");
    put(f, "etc/cloched.conf.d/README", "");
    put(f, "etc/cloched.conf.d/a.conf~", "");
    put(f, "etc/cloched.conf.d/a.conf.dpkg-old", "");
    put(f, "etc/other.conf", "");
    found = find(f);
    g_assert_cmpstr(found, ==, "");
}

/* A link to /dev/null hides the other files of its name, and is read as an empty file. */
static void
test_masked(Fixture *f, gconstpointer data)
{
    g_autofree char *found = NULL, *path = g_build_filename(f->dir, "etc", NAME, NULL);
    g_autoptr(GError) error = NULL;

    put_link(f, "etc/cloched.conf", "/dev/null");
    put_link(f, "run/cloched.conf.d/a.conf", "/dev/null");
    put(f, "lib/cloched.conf", "[A]\nb=c\n");
    put(f, "lib/cloched.conf.d/a.conf", "[A]\nb=c\n");
    found = find(f);
    g_assert_cmpstr(found, ==, "etc/cloched.conf run/cloched.conf.d/a.conf");
    g_assert_true(conf_file_read(path, assign, f, &error));
    g_assert_cmpstr(f->seen->str, ==, "");
}

static void
test_find_at(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "my.conf", NULL);
    g_autofree char *expected = g_strdup_printf("%s %s.d/a.conf %s.d/b.conf", path, path, path);
    g_autofree char *found = NULL;
    g_auto(GStrv) paths = NULL;

    put(f, "etc/cloched.conf", "");
    put(f, "my.conf.d/b.conf", "");
    put(f, "my.conf.d/a.conf", "");
    paths = conf_file_find_at(path, NULL); /* its existence is checked when it is read */
    found = g_strjoinv(" ", paths);
    g_assert_cmpstr(found, ==, expected);
}

static void
test_no_folder(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    put(f, "run/cloched.conf.d", "");
    g_assert_null(conf_file_find((const char *const *)f->folders, NAME, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "run/cloched.conf.d"));
}

/* --- files that cannot be read --- */

static void
assert_unreadable(Fixture *f, const char *name, const char *why)
{
    g_autofree char *path = g_build_filename(f->dir, name, NULL);
    g_autofree char *message = g_strdup_printf("%s: %s", path, why);
    g_autoptr(GError) error = NULL;

    g_assert_false(conf_file_read(path, assign, f, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_kinds(Fixture *f, gconstpointer data)
{
    g_autofree char *fifo = make_parents(f, "fifo"), *folder = make_parents(f, "folder");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    put_link(f, "nowhere", "not/there");
    put_link(f, "zero", "/dev/zero");
    assert_unreadable(f, "fifo", "it is not a regular file");
    assert_unreadable(f, "folder", "it is not a regular file");
    assert_unreadable(f, "zero", "it is not a regular file");
    assert_unreadable(f, "nowhere", "No such file or directory");
    assert_unreadable(f, "none", "No such file or directory");
}

/* A dangling link is found and not skipped. */
static void
test_dangling(Fixture *f, gconstpointer data)
{
    g_autofree char *found = NULL;

    put_link(f, "etc/cloched.conf", "not/there");
    put(f, "lib/cloched.conf", "");
    found = find(f);
    g_assert_cmpstr(found, ==, "etc/cloched.conf");
}

static void
test_no_permission(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "secret", NULL);

    if (g_test_subprocess()) {
        put(f, "secret", "");
        g_assert_cmpint(chmod(f->dir, 0711), ==, 0);
        g_assert_cmpint(chmod(path, 0600), ==, 0);
        g_assert_cmpint(seteuid(65534), ==, 0);
        assert_unreadable(f, "secret", "Permission denied");
        g_assert_cmpint(seteuid(0), ==, 0);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

static void
test_length(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "long", NULL);
    g_autofree char *text = g_strnfill(CONF_FILE_MAX + 1, '#');
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, text, CONF_FILE_MAX, NULL));
    g_assert_true(conf_file_read(path, assign, f, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_set_contents(path, text, CONF_FILE_MAX + 1, NULL));
    assert_unreadable(f, "long", "it is longer than 1048576 bytes");
}

/* --- contents --- */

static void
test_lines(Fixture *f, gconstpointer data)
{
    assert_parsed(f, "", "");
    assert_parsed(f, "\n \n\t\n# [A]\n;a=b\n  # c\n", "");
    assert_parsed(f, "[A]\nb=c", "a.conf:2 [A] b=c\n");
    assert_parsed(f, "\n[A]\n\n b = c d \nb=\n[B B]\r\nb=x=y#z\r\n",
                  "a.conf:4 [A] b=c d\na.conf:5 [A] b=\na.conf:7 [B B] b=x=y#z\n");
    assert_parsed(f, "[A]\nb=1\n[B]\n[A]\nb=2\n", "a.conf:2 [A] b=1\na.conf:5 [A] b=2\n");
    assert_parsed(f, "[A]\nb=\\n \xc3\xa9\n", "a.conf:2 [A] b=\\n \xc3\xa9\n");
}

static void
test_wrong_lines(Fixture *f, gconstpointer data)
{
#define WRONG(text, message) assert_wrong(f, text, sizeof(text) - 1, message)
    WRONG("b=c\n", "a.conf:1: 'b=c' is before the first [Section]");
    WRONG("[A]\nb\n", "a.conf:2: 'b' is neither [Section] nor Key=value");
    WRONG("[A]\n\n=c\n", "a.conf:3: '=c' is neither [Section] nor Key=value");
    WRONG("[A\nb=c\n", "a.conf:1: '[A' is neither [Section] nor Key=value");
    WRONG("[]\n", "a.conf:1: '[]' is neither [Section] nor Key=value");
    WRONG("[A] # c\n", "a.conf:1: '[A] # c' is neither [Section] nor Key=value");
    WRONG("[A]\nb=bad\n", "a.conf:2: [A] b: it is bad");
    WRONG("[A]\nb=c\xff\n", "a.conf:2: the line is not valid UTF-8");
    WRONG("[A]\nb=c\0d\n", "a.conf:2: the line is not valid UTF-8");
    WRONG("\xef\xbb\xbf[A]\n", "a.conf:1: '\xef\xbb\xbf[A]' is neither [Section] nor Key=value");
#undef WRONG
}

/* Lines before the invalid line are processed, lines after it are not. */
static void
test_first_error(Fixture *f, gconstpointer data)
{
    const char *text = "[A]\nb=1\nb=bad\nb=2\nb=bad\n";

    assert_wrong(f, text, strlen(text), "a.conf:3: [A] b: it is bad");
    g_assert_cmpstr(f->seen->str, ==, "a.conf:2 [A] b=1\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/conf-file/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("find/none", test_none);
    ADD("find/main", test_main);
    ADD("find/drop-ins", test_drop_ins);
    ADD("find/other-names", test_other_names);
    ADD("find/masked", test_masked);
    ADD("find/dangling", test_dangling);
    ADD("find/at", test_find_at);
    ADD("find/no-folder", test_no_folder);
    ADD("read/kinds", test_kinds);
    ADD("read/no-permission", test_no_permission);
    ADD("read/length", test_length);
    ADD("parse/lines", test_lines);
    ADD("parse/wrong-lines", test_wrong_lines);
    ADD("parse/first-error", test_first_error);
    return g_test_run();
}
