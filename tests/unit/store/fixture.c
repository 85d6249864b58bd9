/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture: a store in a temporary folder, and full disks. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

char *
path_in(const Fixture *f, const char *name)
{
    return g_build_filename(f->dir, name, NULL);
}

void
set_up(Fixture *f, gconstpointer data)
{
    g_autofree char *state = NULL, *ram = NULL, *run = NULL;

    f->dir = g_dir_make_tmp("cloche-store-XXXXXX", NULL);
    state = path_in(f, "state");
    ram = path_in(f, "ram");
    run = path_in(f, "run");
    f->store = store_open(state, ram, run, /* group= */ NULL, NULL);
    g_assert_nonnull(f->store);
}

void
tear_down(Fixture *f, gconstpointer data)
{
    store_free(f->store);
    g_assert_true(util_remove_tree(f->dir, NULL));
    g_free(f->dir);
}

void
write_text(const char *path, const char *text)
{
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

void
mount_small(const char *folder, const char *options)
{
    g_assert_cmpint(unshare(CLONE_NEWNS), ==, 0);
    g_assert_cmpint(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
    g_assert_cmpint(mount("tmpfs", folder, "tmpfs", 0, options), ==, 0);
}

void
mount_again(const char *folder, const char *options)
{
    g_assert_cmpint(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, options), ==, 0);
}

void
unmount(const char *folder)
{
    g_assert_cmpint(umount(folder), ==, 0);
}

char *
fill_up(const char *folder)
{
    char *path = g_build_filename(folder, "filling", NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = {1};

    while (write(fd, block, sizeof(block)) > 0)
        ;
    g_assert_cmpint(errno, ==, ENOSPC);
    close(fd);
    return path;
}
