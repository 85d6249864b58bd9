/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-folder: folders that another user made, or that another user's link leads to, are refused.
 * The tests run as root, so that they can make files of other users. */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "folder.h"
#include "util.h"

#define STRANGER 1800000004u
#define SERVICE 1800000003u

typedef struct {
    char *dir, *shared; /* `shared` is like /tmp: all users may make entries */
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = g_dir_make_tmp("cloche-folder-XXXXXX", NULL);
    f->shared = g_build_filename(f->dir, "shared", NULL);
    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    g_assert_cmpint(g_mkdir(f->shared, 0700), ==, 0);
    g_assert_cmpint(chmod(f->shared, 01777), ==, 0);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    util_remove_tree(f->dir, NULL);
    g_free(f->shared);
    g_free(f->dir);
}

static char *
in_shared(const Fixture *f, const char *name)
{
    return g_build_filename(f->shared, name, NULL);
}

static char *
folder_of(const Fixture *f, const char *name, uid_t uid, mode_t mode)
{
    char *path = in_shared(f, name);

    g_assert_cmpint(g_mkdir(path, mode), ==, 0);
    g_assert_cmpint(chmod(path, mode), ==, 0);
    g_assert_cmpint(chown(path, uid, uid), ==, 0);
    return path;
}

static char *
link_of(const Fixture *f, const char *name, uid_t uid, const char *target)
{
    char *path = in_shared(f, name);

    g_assert_cmpint(symlink(target, path), ==, 0);
    g_assert_cmpint(lchown(path, uid, uid), ==, 0);
    return path;
}

static mode_t
mode_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    return st.st_mode & 07777;
}

static void
assert_denied(GError *error, const char *text)
{
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    g_assert_nonnull(strstr(error->message, text));
    g_error_free(error);
}

static gboolean
accept_folder(const char *path, GError **error)
{
    int fd = folder_open(path, 0710, error);

    if (fd < 0)
        return FALSE;
    close(fd);
    return TRUE;
}

static void
test_make(Fixture *f, gconstpointer data)
{
    g_autofree char *path = in_shared(f, "a/b"), *parent = in_shared(f, "a");
    mode_t before = umask(0077);

    g_assert_true(accept_folder(path, NULL));
    umask(before);
    g_assert_cmpuint(mode_of(path), ==, 0700);
    g_assert_true(folder_make(path, 0711, NULL));
    g_assert_cmpuint(mode_of(path), ==, 0711);
    g_assert_cmpuint(mode_of(parent), ==, 0700); /* 0755 less the umask */
}

static void
test_links(Fixture *f, gconstpointer data)
{
    g_autofree char *ours = folder_of(f, "ours", 0, 0700);
    g_autofree char *absolute = link_of(f, "absolute", 0, ours);
    g_autofree char *relative = link_of(f, "relative", 0, "absolute/../ours");
    g_autofree char *loop = link_of(f, "loop", 0, "loop");
    g_autofree char *deep = in_shared(f, "relative/made"), *made = in_shared(f, "ours/made");
    GError *error = NULL;

    g_assert_true(accept_folder(absolute, NULL));
    g_assert_true(accept_folder(deep, NULL));
    g_assert_cmpuint(mode_of(made), ==, 0710);
    g_assert_false(accept_folder(loop, &error));
    g_assert_nonnull(strstr(error->message, g_strerror(ELOOP)));
    g_error_free(error);
}

/* A stranger's link is not followed, wherever it is in the path. */
static void
test_links_of_stranger(Fixture *f, gconstpointer data)
{
    g_autofree char *victim = folder_of(f, "victim", 0, 0755), *file = in_shared(f, "victim/file");
    g_autofree char *link = link_of(f, "link", STRANGER, victim);
    g_autofree char *deep = in_shared(f, "link/a"), *made = in_shared(f, "victim/a");
    const char *const paths[] = {link, deep};

    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        GError *error = NULL;

        g_assert_false(accept_folder(paths[i], &error));
        assert_denied(error, "symbolic link of the user 1800000004");
        error = NULL;
        g_assert_false(folder_make(paths[i], 0700, &error));
        assert_denied(error, "symbolic link of the user 1800000004");
        error = NULL;
        g_assert_null(folder_list(paths[i], &error));
        assert_denied(error, "symbolic link of the user 1800000004");
    }
    g_assert_false(g_file_test(made, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(mode_of(victim), ==, 0755);
}

/* A folder of another user was made by this user if any user may make one there. */
static void
test_places(Fixture *f, gconstpointer data)
{
    g_autofree char *theirs = folder_of(f, "theirs", STRANGER, 0700);
    g_autofree char *inner = folder_of(f, "theirs/root", 0, 0700);
    g_autofree char *deep = folder_of(f, "theirs/root/deep", STRANGER, 0700);
    g_autofree char *ours = folder_of(f, "ours", 0, 0755);
    g_autofree char *guarded = folder_of(f, "ours/guarded", STRANGER, 0700);
    g_autofree char *wide = folder_of(f, "wide", 0, 0777);
    g_autofree char *exposed = folder_of(f, "wide/exposed", 0, 0700);
    GError *error = NULL;

    g_assert_false(accept_folder(theirs, &error));
    assert_denied(error, "belongs to the user 1800000004, who may have made it");
    error = NULL;
    g_assert_false(accept_folder(deep, &error));
    assert_denied(error, "belongs to the user 1800000004, who may have made it");
    error = NULL;
    g_assert_false(accept_folder(exposed, &error));
    assert_denied(error, "Any user can replace the folder");
    g_assert_true(accept_folder(ours, NULL));
    g_assert_true(accept_folder(guarded, NULL));
    g_assert_true(accept_folder(inner, NULL)); /* ours, and the place is not open to all */
}

/* A folder that is made or emptied must be ours. */
static void
test_ours(Fixture *f, gconstpointer data)
{
    g_autofree char *theirs = folder_of(f, "theirs", STRANGER, 0755);
    g_autofree char *ours = folder_of(f, "ours", 0, 0755), *file = in_shared(f, "ours/file");
    g_autofree char *missing = in_shared(f, "missing");
    GError *error = NULL;
    DIR *dir;

    g_assert_false(folder_make(theirs, 0700, &error));
    assert_denied(error, "belongs to the user 1800000004, and not to this service");
    g_assert_cmpuint(mode_of(theirs), ==, 0755);
    error = NULL;
    g_assert_null(folder_list(theirs, &error));
    assert_denied(error, "belongs to the user 1800000004, and not to this service");
    g_assert_null(folder_list(missing, NULL));
    g_assert_false(g_file_test(missing, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_null(folder_list(file, NULL));
    dir = folder_list(ours, NULL);
    g_assert_nonnull(dir);
    g_assert_true(util_remove_tree_at(dirfd(dir), "file", NULL));
    g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
    closedir(dir);
}

/* A service that is not root trusts root and itself, and nobody else. */
static void
test_user(Fixture *f, gconstpointer data)
{
    g_autofree char *mine = folder_of(f, "mine", SERVICE, 0700);
    g_autofree char *of_root = folder_of(f, "of-root", 0, 0755);
    g_autofree char *link = link_of(f, "link", 0, mine), *theirs = NULL;
    GError *error = NULL;

    theirs = link_of(f, "theirs", STRANGER, mine);
    g_assert_cmpint(seteuid(SERVICE), ==, 0);
    g_assert_true(folder_make(mine, 0710, NULL));
    g_assert_true(folder_make(link, 0711, NULL));
    g_assert_false(folder_make(theirs, 0700, &error));
    assert_denied(error, "symbolic link of the user 1800000004");
    error = NULL;
    g_assert_false(folder_make(of_root, 0700, &error));
    assert_denied(error, "belongs to the user 0");
    g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_cmpuint(mode_of(mine), ==, 0711);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (geteuid() != 0) {
        g_print("1..0 # SKIP only root can make files of other users\n");
        return 0;
    }
#define ADD(name, function)                                                                        \
    g_test_add("/base/folder/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("make", test_make);
    ADD("links", test_links);
    ADD("links-of-stranger", test_links_of_stranger);
    ADD("places", test_places);
    ADD("ours", test_ours);
    ADD("user", test_user);
#undef ADD
    return g_test_run();
}
