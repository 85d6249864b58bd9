/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ownership-fixture: users, files and templates for the tests of ownership.h. */
#include "ownership-fixture.h"

#include <acl/libacl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
be(uid_t uid, gid_t gid)
{
    g_assert_cmpint(setgroups(0, NULL), ==, 0);
    g_assert_cmpint(setegid(gid), ==, 0);
    g_assert_cmpint(seteuid(uid), ==, 0);
}

void
be_root(void)
{
    g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_cmpint(setegid(0), ==, 0);
}

void
run_command_of(const GError *error)
{
    const char *command = strstr(error->message, "as root: ");
    g_autoptr(GError) failure = NULL;
    const char *const argv[] = {"/bin/sh", "-c", command ? command + 9 : "false", NULL};
    int status;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL,
                               &status, &failure));
    g_assert_no_error(failure);
    g_assert_cmpint(status, ==, 0);
}

void
assert_says(const GError *error, const char *const *parts)
{
    g_assert_nonnull(error);
    for (; *parts; parts++)
        if (!strstr(error->message, *parts))
            g_error("'%s' is not in: %s", *parts, error->message);
}

void
set_all(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    g_assert_cmpint(lchown(path, uid, gid), ==, 0);
    g_assert_cmpint(chmod(path, mode), ==, 0);
}

void
assert_is(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_uid, ==, uid);
    g_assert_cmpuint(st.st_gid, ==, gid);
    g_assert_cmpuint(st.st_mode & 07777, ==, mode);
    g_assert_cmpint(acl_extended_file(path), ==, 0);
}

gid_t
st_gid_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    return st.st_gid;
}

gint64
changed_at(const char *path)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    return st.st_ctim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_ctim.tv_nsec;
}

void
open_folders(Fixture *f)
{
    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    g_assert_cmpint(chmod(f->store->state, 0755), ==, 0);
}

TemplateFiles *
make_template(Fixture *f)
{
    TemplateFiles *template = template_files_new(f->store, "box", "0123", "image", "tcg");
    g_autofree char *state = template_files_staging_path(template, "state"), *blank = NULL;
    g_autofree char *disk = template_files_staging_path(template, "disk.qcow2");

    g_assert_true(template_files_stage(template, 1, NULL));
    write_text(state, "the state");
    write_text(disk, "the disk");
    g_assert_true(template_files_commit(template, NULL));
    blank = template_files_path(template, "blank.qcow2");
    write_text(blank, "");
    return template;
}

const char *const template_parts[N_TEMPLATE_PARTS] = {".",     "template.conf", "ram",
                                                      "state", "disk.qcow2",    "blank.qcow2"};

void
assert_template_fits(const TemplateFiles *template, uid_t uid, gid_t gid)
{
    static const mode_t modes[] = {0710, 0600, 0600, 0600, 0640, 0600};

    for (gsize i = 0; i < N_TEMPLATE_PARTS; i++) {
        g_autofree char *path = template_files_path(template, template_parts[i]);

        assert_is(path, uid, modes[i] & 077 ? gid : st_gid_of(path), modes[i]);
    }
    assert_is(template->ram, uid, st_gid_of(template->ram), 0600);
}
