/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-access: access lists admit the given users and no others. Processes of these users try it,
 * so the test needs root. */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"
#include "util.h"

#define ONE 1800000001u
#define OTHER 1800000002u
#define DAEMON 1800000003u
#define GROUP 1800000010u
#define OTHER_GROUP 1800000011u

typedef struct {
    char *dir, *file, *folder;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autofree char *inside = NULL;

    f->dir = g_dir_make_tmp("cloche-access-XXXXXX", NULL);
    f->file = g_build_filename(f->dir, "file", NULL);
    f->folder = g_build_filename(f->dir, "folder", NULL);
    inside = g_build_filename(f->folder, "file", NULL);
    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    g_assert_cmpint(mkdir(f->folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(f->file, "secret", -1, NULL));
    g_assert_true(g_file_set_contents(inside, "public", -1, NULL));
    g_assert_cmpint(chmod(f->file, 0600), ==, 0);
    g_assert_cmpint(chmod(inside, 0644), ==, 0);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_assert_true(util_remove_tree(f->dir, NULL));
    g_free(f->file);
    g_free(f->folder);
    g_free(f->dir);
}

/* --- other users --- */

typedef int (*Attempt)(const char *path, int flags);

static int
attempt_open(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC);
}

static int
attempt_connect(const char *path, int flags)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

/* The errno that a process with that uid and only that group meets, or 0. */
static int
try_as(uid_t uid, gid_t gid, Attempt attempt, const char *path, int flags)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(255);
        _exit(attempt(path, flags) < 0 ? errno : 0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
try_open(uid_t uid, const char *path, int flags)
{
    return try_as(uid, GROUP, attempt_open, path, flags);
}

static void
grant(const char *path, uid_t uid, const char *what)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(access_grant(path, uid, what, &error));
    g_assert_no_error(error);
}

static void
take_back(const char *path, uid_t uid)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(access_revoke(path, uid, &error));
    g_assert_no_error(error);
}

/* --- files and folders --- */

static void
test_grant(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(try_open(ONE, f->file, O_RDONLY), ==, EACCES);
    grant(f->file, ONE, "rw");
    g_assert_cmpint(try_open(ONE, f->file, O_RDWR), ==, 0);
    g_assert_cmpint(try_open(OTHER, f->file, O_RDONLY), ==, EACCES);
    g_assert_cmpint(try_open(OTHER, f->file, O_WRONLY), ==, EACCES);
    /* Nor is the file's own group let in, though ls shows 0660. */
    g_assert_cmpint(try_as(OTHER, getgid(), attempt_open, f->file, O_RDONLY), ==, EACCES);
}

static void
test_grant_less(Fixture *f, gconstpointer data)
{
    grant(f->file, ONE, "rw");
    grant(f->file, OTHER, "rw");
    grant(f->file, ONE, "r");
    g_assert_cmpint(try_open(ONE, f->file, O_RDONLY), ==, 0);
    g_assert_cmpint(try_open(ONE, f->file, O_RDWR), ==, EACCES);
    g_assert_cmpint(try_open(OTHER, f->file, O_RDWR), ==, 0);
}

/* What is known by name can be had; names cannot. */
static void
test_grant_folder(Fixture *f, gconstpointer data)
{
    g_autofree char *inside = g_build_filename(f->folder, "file", NULL);

    g_assert_cmpint(try_open(ONE, inside, O_RDONLY), ==, EACCES);
    grant(f->folder, ONE, "x");
    g_assert_cmpint(try_open(ONE, inside, O_RDONLY), ==, 0);
    g_assert_cmpint(try_open(ONE, f->folder, O_RDONLY | O_DIRECTORY), ==, EACCES);
    g_assert_cmpint(try_open(OTHER, inside, O_RDONLY), ==, EACCES);
}

static void
test_revoke(Fixture *f, gconstpointer data)
{
    grant(f->file, ONE, "rw");
    grant(f->file, OTHER, "rw");
    take_back(f->file, ONE);
    g_assert_cmpint(try_open(ONE, f->file, O_RDONLY), ==, EACCES);
    g_assert_cmpint(try_open(OTHER, f->file, O_RDWR), ==, 0);
    take_back(f->file, ONE);
    take_back(f->file, OTHER);
    g_assert_cmpint(try_open(OTHER, f->file, O_RDONLY), ==, EACCES);
    g_assert_cmpint(try_open(getuid(), f->file, O_RDWR), ==, 0);
}

static void
test_reset(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    struct stat st;

    grant(f->file, ONE, "rw");
    grant(f->file, OTHER, "r");
    g_assert_true(access_reset(f->file, &error));
    g_assert_cmpint(chmod(f->file, 0660), ==, 0); /* gives no former entry its rights back */
    g_assert_cmpint(try_open(ONE, f->file, O_RDONLY), ==, EACCES);
    g_assert_cmpint(try_open(OTHER, f->file, O_RDONLY), ==, EACCES);
    g_assert_cmpint(stat(f->file, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0660);
}

/* Machines that are ours need no entry. */
static void
test_uid_0(Fixture *f, gconstpointer data)
{
    g_autofree char *none = g_build_filename(f->dir, "none", NULL);
    struct stat st;

    grant(none, 0, "rw");
    grant(f->file, 0, "rw");
    take_back(f->file, 0);
    g_assert_cmpint(stat(f->file, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
}

static void
test_no_file(Fixture *f, gconstpointer data)
{
    g_autofree char *none = g_build_filename(f->dir, "none", NULL);
    g_autoptr(GError) granted = NULL, reset = NULL, revoked = NULL;

    g_assert_false(access_grant(none, ONE, "r", &granted));
    g_assert_nonnull(strstr(granted->message, none));
    g_assert_nonnull(strstr(granted->message, "1800000001"));
    g_assert_nonnull(strstr(granted->message, "No such file"));
    g_assert_false(access_reset(none, &reset));
    g_assert_nonnull(strstr(reset->message, none));
    take_back(none, ONE);
    /* It may be there for all that is known. */
    g_free(none);
    none = g_build_filename(f->file, "below", NULL);
    g_assert_false(access_revoke(none, ONE, &revoked));
    g_assert_nonnull(strstr(revoked->message, none));
}

/* --- sockets that libvirt makes in our folder --- */

/* As libvirtd does: it binds as root, and gives the socket to the machine's user. */
static int
bind_for(const char *path, uid_t uid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask = umask(0002);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    g_assert_cmpint(bind(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
    umask(mask);
    g_assert_cmpint(listen(fd, 4), ==, 0);
    g_assert_cmpint(chown(path, uid, (gid_t)-1), ==, 0);
    return fd;
}

static void
test_inherit(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->folder, "agent", NULL);
    g_autoptr(GError) error = NULL;
    int fd;

    g_assert_cmpint(chmod(f->folder, 0711), ==, 0); /* so that the socket's own rights count */
    g_assert_cmpint(chown(f->folder, DAEMON, (gid_t)-1), ==, 0);
    g_assert_cmpint(seteuid(DAEMON), ==, 0);
    g_assert_true(access_inherit(f->folder, &error));
    g_assert_no_error(error);
    g_assert_cmpint(seteuid(0), ==, 0);

    fd = bind_for(path, ONE);
    g_assert_cmpint(try_as(DAEMON, GROUP, attempt_connect, path, 0), ==, 0);
    g_assert_cmpint(try_as(OTHER, GROUP, attempt_connect, path, 0), ==, EACCES);
    g_assert_cmpint(try_as(OTHER, getgid(), attempt_connect, path, 0), ==, EACCES);
    close(fd);
}

/* --- what all machines may read --- */

static void
test_searched_folder(Fixture *f, gconstpointer data)
{
    const Store store = {.gid = GROUP};
    g_autofree char *folder = g_build_filename(f->dir, "made", NULL);
    g_autofree char *inside = g_build_filename(folder, "file", NULL);

    g_assert_true(store_make_folder(&store, folder, NULL));
    g_assert_true(g_file_set_contents(inside, "", -1, NULL));
    g_assert_cmpint(chmod(inside, 0644), ==, 0);
    g_assert_cmpint(try_as(ONE, GROUP, attempt_open, inside, O_RDONLY), ==, 0);
    g_assert_cmpint(try_as(ONE, GROUP, attempt_open, folder, O_RDONLY | O_DIRECTORY), ==, EACCES);
    g_assert_cmpint(try_as(ONE, OTHER_GROUP, attempt_open, inside, O_RDONLY), ==, EACCES);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/access/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("grant", test_grant);
    ADD("grant-less", test_grant_less);
    ADD("grant-folder", test_grant_folder);
    ADD("revoke", test_revoke);
    ADD("reset", test_reset);
    ADD("uid-0", test_uid_0);
    ADD("no-file", test_no_file);
    ADD("inherit", test_inherit);
    ADD("searched-folder", test_searched_folder);
    return g_test_run();
}
