/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fit: a store that another configuration made. Needs root; the service without its rights is a
 * user that this program is for a while. What an error says to run is run, and must help.
 */
#include <acl/libacl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "error.h"
#include "fit.h"
#include "fixture.h"
#include "image.h"
#include "template-files.h"

/* None of them is anybody's, so errors have the numbers. */
#define SERVICE 1800000003u
#define STRANGER 1800000004u
#define GROUP 1800000010u
#define OTHER_GROUP 1800000011u

/* --- who asks --- */

static void
be(uid_t uid, gid_t gid)
{
    g_assert_cmpint(setgroups(0, NULL), ==, 0);
    g_assert_cmpint(setegid(gid), ==, 0);
    g_assert_cmpint(seteuid(uid), ==, 0);
}

static void
be_root(void)
{
    g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_cmpint(setegid(0), ==, 0);
}

/* What follows "run as root: ". */
static void
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

static void
assert_says(const GError *error, const char *const *parts)
{
    g_assert_nonnull(error);
    for (; *parts; parts++)
        if (!strstr(error->message, *parts))
            g_error("'%s' is not in: %s", *parts, error->message);
}

/* --- one file --- */

static void
set_all(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    g_assert_cmpint(lchown(path, uid, gid), ==, 0);
    g_assert_cmpint(chmod(path, mode), ==, 0);
}

static void
assert_is(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_uid, ==, uid);
    g_assert_cmpuint(st.st_gid, ==, gid);
    g_assert_cmpuint(st.st_mode & 07777, ==, mode);
    g_assert_cmpint(acl_extended_file(path), ==, 0);
}

static gid_t
st_gid_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    return st.st_gid;
}

/* Whether a call has changed anything shows in the time of change. */
static gint64
changed_at(const char *path)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    return st.st_ctim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_ctim.tv_nsec;
}

static void
open_folders(Fixture *f)
{
    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    g_assert_cmpint(chmod(f->store->state, 0755), ==, 0);
}

static char *
make_file(Fixture *f)
{
    char *path = path_in(f, "state/file");

    open_folders(f);
    write_text(path, "text");
    set_all(path, 0, GROUP, 0640);
    return path;
}

static Fit
fit_of(const Fixture *f)
{
    return (Fit){.type = S_IFREG, .mode = 0640, .gid = GROUP, .folder = f->store->state};
}

static void
test_ours(Fixture *f, gconstpointer data)
{
    static const struct {
        uid_t uid;
        gid_t gid;
        mode_t mode;
        gboolean has_acl;
    } cases[] = {{SERVICE, GROUP, 0640, FALSE},     {0, OTHER_GROUP, 0640, FALSE},
                 {0, GROUP, 0600, FALSE},           {0, GROUP, 0644, FALSE},
                 {0, GROUP, 06755, FALSE},          {0, GROUP, 0640, TRUE},
                 {SERVICE, OTHER_GROUP, 0000, TRUE}};
    g_autofree char *path = make_file(f);
    const Fit fit = fit_of(f);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 before;

        set_all(path, cases[i].uid, cases[i].gid, cases[i].mode);
        if (cases[i].has_acl)
            g_assert_true(access_grant(path, STRANGER, "rw", NULL));
        g_assert_true(fit_ours(path, &fit, NULL));
        assert_is(path, 0, GROUP, 0640);
        before = changed_at(path);
        g_assert_true(fit_ours(path, &fit, NULL));
        g_assert_cmpint(changed_at(path), ==, before);
    }
}

/* Any group will do: it stays. */
static void
test_any_group(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    Fit fit = fit_of(f);

    fit.gid = FIT_ANY_GROUP;
    set_all(path, SERVICE, OTHER_GROUP, 0600);
    g_assert_true(fit_ours(path, &fit, NULL));
    assert_is(path, 0, OTHER_GROUP, 0640);
}

static void
test_ours_without_right(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    const Fit fit = fit_of(f);
    g_autoptr(GError) owner = NULL, group = NULL;

    set_all(path, 0, OTHER_GROUP, 0600);
    be(SERVICE, GROUP);
    g_assert_false(fit_ours(path, &fit, &owner));
    be_root();
    g_assert_error(owner, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    assert_says(owner, (const char *const[]){path, "belongs to root:1800000011", "mode 0600",
                                             "runs as 1800000003:1800000010", NULL});
    assert_is(path, 0, OTHER_GROUP, 0600);

    /* Its own, of a group that it is not in. */
    set_all(path, SERVICE, OTHER_GROUP, 0600);
    be(SERVICE, SERVICE);
    g_assert_false(fit_ours(path, &fit, &group));
    be_root();
    assert_says(group, (const char *const[]){path, "belongs to 1800000003:1800000011", NULL});
    run_command_of(group);
    be(SERVICE, SERVICE);
    g_assert_true(fit_ours(path, &fit, NULL));
    be_root();
    assert_is(path, SERVICE, GROUP, 0640);
}

/* A user may set right the mode, the list, and the group where it is in it. */
static void
test_ours_with_right(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    const Fit fit = fit_of(f);

    set_all(path, SERVICE, OTHER_GROUP, 0666);
    g_assert_true(access_grant(path, STRANGER, "rw", NULL));
    be(SERVICE, GROUP);
    g_assert_true(fit_ours(path, &fit, NULL));
    be_root();
    assert_is(path, SERVICE, GROUP, 0640);
}

static void
test_links(Fixture *f, gconstpointer data)
{
    g_autofree char *precious = path_in(f, "precious"), *link = path_in(f, "state/link");
    g_autofree char *fifo = path_in(f, "state/fifo");
    const Fit fit = fit_of(f);
    g_autoptr(GError) error = NULL, readable = NULL;

    write_text(precious, "");
    set_all(precious, STRANGER, OTHER_GROUP, 0600);
    g_assert_cmpint(symlink(precious, link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_false(fit_ours(link, &fit, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_false(fit_readable(link, &fit, &readable));
    g_assert_false(fit_ours(fifo, &fit, NULL));
    g_assert_false(fit_ours(f->store->state, &fit, NULL));
    assert_is(precious, STRANGER, OTHER_GROUP, 0600);
}

/* An administrator's link is followed, a stranger's, as anybody may make one in /dev/shm, is not.
 */
static void
test_place(Fixture *f, gconstpointer data)
{
    g_autofree char *target = path_in(f, "target"), *link = path_in(f, "link");
    g_autofree char *deep = path_in(f, "link/a/b");
    const Fit fit = {.type = S_IFDIR, .mode = 0710, .gid = GROUP, .folder = link};
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(target, 0700), ==, 0);
    g_assert_cmpint(symlink(target, link), ==, 0);
    g_assert_true(fit_place(link, &fit, NULL));
    assert_is(target, 0, GROUP, 0710);
    g_assert_true(fit_place(deep, &fit, NULL));
    assert_is(deep, 0, GROUP, 0710);

    set_all(target, STRANGER, OTHER_GROUP, 0700);
    g_assert_cmpint(lchown(link, STRANGER, STRANGER), ==, 0);
    g_assert_false(fit_place(link, &fit, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    assert_says(error, (const char *const[]){link, "symbolic link of the user 1800000004", NULL});
    assert_is(target, STRANGER, OTHER_GROUP, 0700);
}

/* --- what only has to be readable --- */

static void
test_readable(Fixture *f, gconstpointer data)
{
    static const struct {
        gid_t gid;
        mode_t before, after;
        gboolean has_acl;
    } cases[] = {{0, 0644, 0644, FALSE},           {GROUP, 0640, 0640, FALSE},
                 {OTHER_GROUP, 0640, 0644, FALSE}, {GROUP, 0604, 0644, FALSE},
                 {0, 0600, 0644, FALSE},           {GROUP, 0600, 0644, TRUE}};
    g_autofree char *path = make_file(f);
    const Fit fit = fit_of(f);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 before;

        set_all(path, STRANGER, cases[i].gid, cases[i].before);
        if (cases[i].has_acl)
            g_assert_true(access_grant(path, SERVICE, "rw", NULL));
        before = changed_at(path);
        g_assert_true(fit_readable(path, &fit, NULL));
        assert_is(path, STRANGER, cases[i].gid, cases[i].after);
        if (cases[i].after == cases[i].before)
            g_assert_cmpint(changed_at(path), ==, before);
    }
}

static void
test_readable_without_right(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_file(f);
    const Fit fit = fit_of(f);
    g_autoptr(GError) error = NULL;

    set_all(path, 0, OTHER_GROUP, 0640);
    be(SERVICE, GROUP);
    g_assert_false(fit_readable(path, &fit, &error));
    be_root();
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
    assert_says(error,
                (const char *const[]){path, "root:1800000011", "0640", "chmod -R a+rX", NULL});
    run_command_of(error);
    be(SERVICE, GROUP);
    g_assert_true(fit_readable(path, &fit, NULL));
    be_root();
    assert_is(path, 0, OTHER_GROUP, 0644);
}

/* --- a template --- */

static TemplateFiles *
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

static const char *const parts[] = {".",     "template.conf", "ram",
                                    "state", "disk.qcow2",    "blank.qcow2"};

static void
assert_template_fits(const TemplateFiles *template, uid_t uid, gid_t gid)
{
    static const mode_t modes[] = {0710, 0600, 0600, 0600, 0640, 0600};

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = template_files_path(template, parts[i]);

        assert_is(path, uid, modes[i] & 077 ? gid : st_gid_of(path), modes[i]);
    }
    assert_is(template->ram, uid, st_gid_of(template->ram), 0600);
}

/* Each part with another owner, group, mode and list. */
static void
test_template(Fixture *f, gconstpointer data)
{
    g_autoptr(TemplateFiles) template = make_template(f);

    f->store->gid = GROUP;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = template_files_path(template, parts[i]);
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

/* --- a store --- */

static const Record record = {.id = "abc",
                              .name = "",
                              .template = "box",
                              .boot_id = "b",
                              .metadata = (char *[]){NULL},
                              .request = "",
                              .languages = (char *[]){NULL},
                              .user = "user",
                              .vcpus = 1,
                              .memory_mib = 1};

/* As another configuration opens it; NULL with what it says. */
static Store *
open_as(Fixture *f, uid_t uid, gid_t gid, GError **error)
{
    g_autofree char *state = path_in(f, "state"), *ram = path_in(f, "ram"),
                    *run = path_in(f, "run");
    const struct group *group = getgrgid(gid);
    Store *store;

    g_clear_pointer(&f->store, store_free);
    be(uid, gid);
    store = store_open(state, ram, run, group->gr_name, error);
    be_root();
    return store;
}

/* Does what each error says until there is none; at most one for each folder of the configuration.
 */
static guint
open_with_help(Fixture *f, uid_t uid, gid_t gid)
{
    for (guint n = 0; n < 4; n++) {
        g_autoptr(GError) error = NULL;

        f->store = open_as(f, uid, gid, &error);
        if (f->store)
            return n;
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED);
        run_command_of(error);
    }
    g_assert_not_reached();
}

static void
assert_usable(Fixture *f, uid_t uid, gid_t gid)
{
    g_autoptr(TemplateFiles) template = template_files_new(f->store, "box", "0123", "image", "tcg");
    g_autofree char *path = path_in(f, "state/sandboxes/abc");
    g_autoptr(Record) found = NULL;
    g_autoptr(GError) error = NULL;

    be(uid, gid);
    found = record_read(f->store, "abc", &error);
    g_assert_no_error(error);
    g_assert_true(record_write(f->store, found, NULL));
    g_assert_true(template_files_load(template, &error));
    be_root();
    g_assert_no_error(error);
    assert_template_fits(template, uid, gid);
    assert_is(path, uid, st_gid_of(path), 0600);
}

/* From root to a user in another group, and back. */
static void
test_both_ways(Fixture *f, gconstpointer data)
{
    gid_t theirs = getgrnam("nogroup")->gr_gid, ours = getgrnam("daemon")->gr_gid;

    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    g_assert_cmpuint(open_with_help(f, 0, ours), ==, 0);
    template_files_free(make_template(f));
    g_assert_true(record_write(f->store, &record, NULL));
    assert_usable(f, 0, ours);

    g_assert_cmpuint(open_with_help(f, SERVICE, theirs), ==, 3);
    assert_usable(f, SERVICE, theirs);
    g_assert_cmpuint(open_with_help(f, 0, ours), ==, 0);
    assert_usable(f, 0, ours);
}

/* A record that cannot be read would cost its owner the sandbox: the service does not start. */
static void
test_record(Fixture *f, gconstpointer data)
{
    g_autofree char *path = path_in(f, "state/sandboxes/abc");
    gid_t gid = getgrnam("nogroup")->gr_gid;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    open_with_help(f, SERVICE, gid);
    g_assert_true(record_write(f->store, &record, NULL));
    g_clear_pointer(&f->store, store_free);
    f->store = open_as(f, SERVICE, gid, &error);
    g_assert_null(f->store);
    assert_says(error, (const char *const[]){path, "root:", "0600", NULL});
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(open_with_help(f, SERVICE, gid), ==, 1);
}

/* What is there without being the service's is neither changed nor in the way. */
static void
test_unknown(Fixture *f, gconstpointer data)
{
    g_autofree char *folder = path_in(f, "state/sandboxes/lost+found");
    g_autofree char *file = path_in(f, "state/version.9");

    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    write_text(file, "");
    set_all(folder, STRANGER, STRANGER, 0700);
    set_all(file, STRANGER, STRANGER, 0600);
    g_assert_cmpuint(open_with_help(f, 0, getgrnam("nogroup")->gr_gid), ==, 0);
    assert_is(folder, STRANGER, STRANGER, 0700);
    assert_is(file, STRANGER, STRANGER, 0600);
}

static void
test_images(Fixture *f, gconstpointer data)
{
    g_autofree char *images = path_in(f, "state/images"), *link = path_in(f, "state/images/box");
    g_autofree char *dir = path_in(f, "state/images/box-1");
    g_autofree char *disk = path_in(f, "state/images/box-1/disk.ext4");
    g_autoptr(Image) locked = NULL, image = NULL;
    g_autoptr(GError) error = NULL, opening = NULL;
    gid_t gid = getgrnam("nogroup")->gr_gid;

    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    open_with_help(f, SERVICE, gid);
    g_assert_cmpint(g_mkdir(images, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(symlink("box-1", link), ==, 0);
    write_text(disk, "");
    set_all(disk, 0, 0, 0600);

    g_clear_pointer(&f->store, store_free);
    f->store = open_as(f, SERVICE, gid, &opening);
    g_assert_null(f->store);
    assert_says(opening, (const char *const[]){images, "0700", "chmod -R a+rX", NULL});
    g_assert_cmpint(chmod(images, 0755), ==, 0);
    g_assert_cmpuint(open_with_help(f, SERVICE, gid), ==, 0);

    be(SERVICE, gid);
    locked = image_load(f->store, "box", &error);
    be_root();
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED);
    assert_says(error, (const char *const[]){dir, "belongs to root:", "0700", NULL});
    run_command_of(error);
    g_clear_error(&error);
    be(SERVICE, gid);
    image = image_load(f->store, "box", &error); /* it has no image.conf */
    be_root();
    assert_says(error, (const char *const[]){"image.conf", NULL});
    assert_is(dir, 0, 0, 0755);
    assert_is(disk, 0, 0, 0644);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/fit/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("ours", test_ours);
    ADD("any-group", test_any_group);
    ADD("ours/without-right", test_ours_without_right);
    ADD("ours/with-right", test_ours_with_right);
    ADD("links", test_links);
    ADD("place", test_place);
    ADD("readable", test_readable);
    ADD("readable/without-right", test_readable_without_right);
    ADD("template", test_template);
    ADD("template/ram", test_template_ram);
    ADD("template/without-right", test_template_without_right);
    ADD("store/both-ways", test_both_ways);
    ADD("store/record", test_record);
    ADD("store/unknown", test_unknown);
    ADD("store/images", test_images);
    return g_test_run();
}
