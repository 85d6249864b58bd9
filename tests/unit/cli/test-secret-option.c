/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-secret-option: the option --secret is parsed, errors do not quote its value, and values
 * reach a sealed memfd only if a header can have them. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret-option.h"

/* --- the option --- */

static void
test_forms(void)
{
    static const struct {
        const char *text, *host;
        guint port;
        const char *path, *header, *format, *file;
    } cases[] = {
        {"api.example.com:Authorization=@token", "api.example.com", 443, NULL, "Authorization",
         "%s", "token"},
        {"API.example.com:8443:X-Key=Bearer @/run/a b", "api.example.com", 8443, NULL, "X-Key",
         "Bearer %s", "/run/a b"},
        {"h/v1/:A=@-", "h", 443, "/v1/", "A", "%s", "-"},
        {"h:1/a:b/c:A=@f", "h", 1, "/a:b/c", "A", "%s", "f"},
        {"h:65535:A=x=y:z @f@g=h", "h", 65535, NULL, "A", "x=y:z %s", "f@g=h"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Secret) secret = secret_parse(cases[i].text, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(secret->host, ==, cases[i].host);
        g_assert_cmpuint(secret->port, ==, cases[i].port);
        g_assert_cmpstr(secret->path, ==, cases[i].path);
        g_assert_cmpstr(secret->header, ==, cases[i].header);
        g_assert_cmpstr(secret->format, ==, cases[i].format);
        g_assert_cmpstr(secret->file, ==, cases[i].file);
    }
}

#define FORM "--secret: expected HOST[:PORT][/PATH]:HEADER=[TEXT]@FILE"

static void
test_wrong_forms(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", FORM},
        {"hunter2", FORM},
        {"h:A", FORM},
        {"h=@hunter2", FORM},
        {"A=@hunter2", FORM},
        {":A=@hunter2", FORM},
        {"h:=@hunter2", FORM},
        {"h:A=@", FORM},
        {"h/p:q/r=@hunter2", FORM},
        {"h:0:A=@hunter2", "'0' is not a port"},
        {"h:65536:A=@hunter2", "'65536' is not a port"},
        {"h::A=@hunter2", "'' is not a port"},
        {"[::1]:443:A=@hunter2", "is not a port"},
        {"h:A=hunter2", "other users of this machine can see the command line"},
        {"h:A=", "the value must be in a file; expected @FILE, or @- for standard input"},
        {"h:A=hunter2%s@f", "the text before '@' must not contain '%'"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(secret_parse(cases[i].text, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        g_assert_nonnull(strstr(error->message, cases[i].says));
        g_assert_null(strstr(error->message, "hunter2"));
    }
}

/* --- values --- */

typedef struct {
    char *path;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer unused)
{
    int fd = g_file_open_tmp("secret-XXXXXX", &fixture->path, /* error= */ NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

static void
tear_down(Fixture *fixture, gconstpointer unused)
{
    g_unlink(fixture->path);
    g_free(fixture->path);
}

static int
open_value(const Fixture *fixture, const char *bytes, gsize size, GError **error)
{
    g_autofree char *text = g_strconcat("h:A=@", fixture->path, NULL);
    g_autoptr(Secret) secret = secret_parse(text, /* error= */ NULL);

    g_assert_true(g_file_set_contents(fixture->path, bytes, (gssize)size, /* error= */ NULL));
    return secret_open_value(secret, error);
}

static void
assert_value(const Fixture *fixture, const char *bytes, gsize size, gsize expected_size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *value = g_malloc0(size + 1);
    int fd = open_value(fixture, bytes, size, &error);

    g_assert_no_error(error);
    g_assert_cmpint(fcntl(fd, F_GET_SEALS), ==,
                    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    g_assert_cmpint(write(fd, "x", 1), ==, -1);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(pread(fd, value, size + 1, 0), ==, expected_size);
    g_assert_cmpmem(value, expected_size, bytes, expected_size);
    close(fd);
}

static void
assert_no_value(const Fixture *fixture, const char *bytes, gsize size, const char *says)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(open_value(fixture, bytes, size, &error), ==, -1);
    g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, says));
    g_assert_null(strstr(error->message, "hunter2"));
}

static void
test_values(Fixture *fixture, gconstpointer unused)
{
    assert_value(fixture, "x", 1, 1);
    assert_value(fixture, "a\tb \xc3\xa4\n", 7, 6);
    assert_value(fixture, "x\r\n", 3, 1);
    assert_no_value(fixture, "", 0, "is empty");
    assert_no_value(fixture, "\n", 1, "is empty");
    assert_no_value(fixture, "hunter2\n\n", 9, "more than one line");
    assert_no_value(fixture, "hunter2\nX: y\n", 13, "more than one line");
    assert_no_value(fixture, "hunter2\0", 8, "control characters");
    assert_no_value(fixture, "hunter2\x7f", 8, "control characters");
}

static void
test_longest_value(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *bytes = g_strnfill(SECRET_VALUE_MAX + 64, 'x');

    assert_value(fixture, bytes, SECRET_VALUE_MAX, SECRET_VALUE_MAX);
    assert_no_value(fixture, bytes, SECRET_VALUE_MAX + 1, "is longer than 8 KiB");
    assert_no_value(fixture, bytes, SECRET_VALUE_MAX + 64, "is longer than 8 KiB");
    memcpy(bytes + SECRET_VALUE_MAX, "\r\n", 2);
    assert_value(fixture, bytes, SECRET_VALUE_MAX + 2, SECRET_VALUE_MAX);
    assert_no_value(fixture, bytes, SECRET_VALUE_MAX + 3, "is longer than 8 KiB");
}

static void
test_no_file(void)
{
    g_autoptr(Secret) missing = secret_parse("h:A=@/nonexistent", /* error= */ NULL);
    g_autoptr(Secret) folder = secret_parse("h:A=@/", /* error= */ NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(secret_open_value(missing, &error), ==, -1);
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_cmpstr(error->message, ==, "cannot read '/nonexistent': No such file or directory");
    g_clear_error(&error);
    g_assert_cmpint(secret_open_value(folder, &error), ==, -1);
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_ISDIR);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/secret-option/forms", test_forms);
    g_test_add_func("/secret-option/wrong-forms", test_wrong_forms);
    g_test_add("/secret-option/values", Fixture, NULL, set_up, test_values, tear_down);
    g_test_add("/secret-option/longest-value", Fixture, NULL, set_up, test_longest_value,
               tear_down);
    g_test_add_func("/secret-option/no-file", test_no_file);
    return g_test_run();
}
