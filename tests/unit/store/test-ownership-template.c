/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-ownership-template: loading a template that was created with another configuration corrects
 * its ownership. */
#include <acl/libacl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "error.h"
#include "ownership-fixture.h"

/* Each part with another owner, group, mode and list. */
static void
test_template(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = make_template(f);

    f->store->gid = GROUP;
    for (gsize i = 0; i < N_TEMPLATE_PARTS; i++) {
        g_autofree char *path = template_files_path(template, template_parts[i]);
        g_autoptr(GError) error = NULL;

        set_all(path, SERVICE, OTHER_GROUP, 0777);
        g_assert_true(access_grant(path, STRANGER, "rw", NULL));
        g_assert_true(template_files_load(template, &error));
        g_assert_no_error(error);
        assert_template_fits(template, 0, GROUP);
    }
}

/* The user of another configuration could write to it while machines map it: it is made anew. The
 * own one stays, without what machines were granted. */
static void
test_template_ram(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = make_template(f);
    g_autofree char *other = path_in(f, "other");
    struct stat before, after;

    g_assert_true(access_grant(template->ram, STRANGER, "rw", NULL));
    g_assert_cmpint(stat(template->ram, &before), ==, 0);
    g_assert_true(template_files_load(template, NULL));
    g_assert_cmpint(stat(template->ram, &after), ==, 0);
    g_assert_cmpuint(after.st_ino, ==, before.st_ino);
    g_assert_cmpint(acl_extended_file(template->ram), ==, 0);

    g_assert_cmpint(link(template->ram, other), ==, 0); /* so that its inode is not used again */
    g_assert_cmpint(chown(template->ram, STRANGER, STRANGER), ==, 0);
    g_assert_true(template_files_load(template, NULL));
    g_assert_cmpint(stat(template->ram, &after), ==, 0);
    g_assert_cmpuint(after.st_ino, !=, before.st_ino);
    g_assert_cmpuint(after.st_uid, ==, 0);
    g_assert_cmpint(g_unlink(template->ram), ==, 0);
    g_assert_cmpint(g_unlink(other), ==, 0);
    g_assert_cmpint(symlink(f->dir, template->ram), ==, 0);
    g_assert_true(template_files_load(template, NULL));
    g_assert_false(g_file_test(template->ram, G_FILE_TEST_IS_SYMLINK));
}

/* Which part it is, whose, and what to do; nothing is lost, nor made anew over it. */
static void
test_template_without_right(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = make_template(f);
    g_autofree char *templates = path_in(f, "state/templates");
    g_autoptr(GError) error = NULL, staging = NULL;

    f->store->gid = GROUP;
    open_folders(f);
    g_assert_cmpint(chmod(templates, 0711), ==, 0);
    be(SERVICE, GROUP);
    g_assert_false(template_files_load(template, &error));
    g_assert_false(template_files_stage(template, 1, &staging));
    be_root();
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    g_assert_error(staging, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    assert_says(error, (const char *const[]){template->dir, "belongs to root:root", "find ",
                                             f->store->state, NULL});
    assert_says(staging, (const char *const[]){template->dir, "belongs to root:root", NULL});
    g_assert_true(template_files_exists(template));
    run_command_of(error);
    set_all(f->store->ram, SERVICE, GROUP, 0710);
    be(SERVICE, GROUP);
    g_clear_error(&error);
    g_assert_true(template_files_load(template, &error));
    be_root();
    g_assert_no_error(error);
    assert_template_fits(template, SERVICE, GROUP);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/ownership-template/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("parts", test_template);
    ADD("ram", test_template_ram);
    ADD("without-right", test_template_without_right);
    return g_test_run();
}
