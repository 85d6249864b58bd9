/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-tree: a tar stream of a sandbox (src/cli/tree.h) changes nothing outside of the directory
 * into which it is unpacked.
 *
 * It runs without root's permissions, and no file may become larger than FILE_MAX.
 */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define NOBODY 65534
#define FILE_MAX (256 * 1024)
#define CONTENT "the content of a file outside"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *parent, *directory, *outside;

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *position)
{
    return remove(path);
}

/* A folder of which a user has removed all permissions is opened first. */
static int
open_entry(const char *path, const struct stat *st, int type, struct FTW *position)
{
    if (type == FTW_D || type == FTW_DNR)
        chmod(path, 0700);
    return 0;
}

static void
give_to_nobody(const char *path)
{
    if (getuid() == 0)
        g_assert_cmpint(chown(path, NOBODY, NOBODY), ==, 0);
}

/* A process that has changed its user cannot be traced, but a sanitizer traces it at its end. */
static void
become(uid_t uid)
{
    if (getuid() != 0)
        return;
    g_assert_cmpint(seteuid(uid), ==, 0);
    g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0);
}

static void
make_folders(void)
{
    const struct rlimit limit = {FILE_MAX, FILE_MAX};

    if (!parent) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        parent = g_dir_make_tmp("fuzz-tree-XXXXXX", NULL);
        directory = g_build_filename(parent, "directory", NULL);
        outside = g_build_filename(parent, "outside", NULL);
        g_assert_true(g_file_set_contents(outside, CONTENT, -1, NULL));
        g_chmod(outside, 0640);
        give_to_nobody(parent);
        give_to_nobody(outside);
    }
    g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);
    give_to_nobody(directory);
}

static void
assert_outside_unchanged(void)
{
    g_autoptr(GDir) entries = g_dir_open(parent, 0, NULL);
    g_autofree char *content = NULL;
    struct stat st;
    guint count = 0;

    while (g_dir_read_name(entries))
        count++;
    g_assert_cmpuint(count, ==, 2);
    g_assert_true(g_file_get_contents(outside, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, CONTENT);
    g_assert_cmpint(lstat(outside, &st), ==, 0);
    g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0640);
    g_assert_cmpuint(st.st_nlink, ==, 1);
}

__attribute__((destructor)) static void
remove_folders(void)
{
    if (!parent)
        return;
    g_unlink(outside);
    g_rmdir(parent);
    g_free(parent);
    g_free(directory);
    g_free(outside);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("tar", MFD_CLOEXEC);
    Stream stream = {.fd = fd};
    Tree tree = {.with_attributes = TRUE};
    g_autoptr(GError) error = NULL;
    gboolean is_done;

    make_folders();
    tree.directory = directory;
    if (size > FILE_MAX || write(fd, data, size) != (gssize)size || lseek(fd, 0, SEEK_SET) < 0)
        g_error("the stream could not be made");
    become(NOBODY);
    is_done = tree_unpack(&stream, &tree, &error);
    become(0);
    g_assert_cmpint(is_done, ==, error == NULL);
    g_free(tree.first_left_out);
    close(fd);
    g_assert_cmpint(chdir("/"), ==, 0);
    assert_outside_unchanged();
    nftw(directory, open_entry, 10, FTW_PHYS);
    nftw(directory, remove_entry, 10, FTW_PHYS | FTW_DEPTH);
    return 0;
}
