/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-template: a template changes its state as its table says, and its files remain while it is
 * referenced. */
#include <glib/gstdio.h>

#include "error.h"
#include "scratch-host.h"
#include "templates.h"
#include "util.h"

/* --- states --- */

static void
fail(Template *template)
{
    const GError error = {CLOCHE_ERROR, CLOCHE_ERROR_FAILED, (char *)"no"};

    template_fail(template, &error);
}

static void
count(Template *template, gpointer data)
{
    ++*(guint *)data;
}

static void
ignore_release(Template *template, gpointer data)
{
}

static const TemplateEvents counting = {count, ignore_release};

static Template *
template_in(TemplateState state)
{
    Template *template = template_new("box");

    switch (state) {
    case TEMPLATE_PREPARING:
        template_wait(template, "waiting");
        break;
    case TEMPLATE_READY:
        template_finish(template);
        break;
    case TEMPLATE_FAILED:
        fail(template);
        break;
    default:
        break;
    }
    g_assert_cmpint(template->state, ==, state);
    return template;
}

static void
wait_for_kvm(Template *template)
{
    template_wait(template, "waiting for KVM");
}

static void
check(Template *template)
{
    template_check(template, NULL);
}

static void
verify(Template *template)
{
    template_advance(template, "verifying", 0);
}

static void
make(Template *template)
{
    template_advance(template, "making", 0.5);
}

static void
fail_otherwise(Template *template)
{
    const GError error = {CLOCHE_ERROR, CLOCHE_ERROR_FAILED, (char *)"otherwise"};

    template_fail(template, &error);
}

static void
test_states(void)
{
    static const TemplateState C = TEMPLATE_CHECKING, P = TEMPLATE_PREPARING, R = TEMPLATE_READY,
                               F = TEMPLATE_FAILED;
    const struct {
        void (*call)(Template *template);
        TemplateState expected[_TEMPLATE_STATE_MAX]; /* indexed by the previous state */
    } calls[] = {
        {wait_for_kvm, {P, P, R, P}},    {check, {C, C, R, C}},
        {verify, {C, P, R, F}},          {make, {P, P, R, F}},
        {template_finish, {R, R, R, F}}, {fail_otherwise, {F, F, R, F}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++)
        for (int state = 0; state < _TEMPLATE_STATE_MAX; state++) {
            g_autoptr(Template) template = template_in((TemplateState)state);

            calls[i].call(template);
            g_assert_cmpint(template->state, ==, calls[i].expected[state]);
            g_assert_true((template->state == TEMPLATE_FAILED) == (template->error != NULL));
        }
}

/* The progress of a preparation, as a client sees it. The same error is not reported twice. */
static void
test_reports(void)
{
    g_autoptr(Template) template = template_new("box");
    guint reports = 0;

    template_watch(template, &counting, &reports);
    template_wait(template, "waiting for KVM");
    g_assert_cmpstr(template->step, ==, "waiting for KVM");
    g_assert_cmpuint(reports, ==, 1);
    fail(template);
    fail(template);
    g_assert_cmpuint(reports, ==, 2);
    fail_otherwise(template);
    g_assert_cmpstr(template->error->message, ==, "otherwise");
    g_assert_cmpuint(reports, ==, 3);
    template_check(template, NULL);
    template_advance(template, "making", 0.25);
    g_assert_cmpfloat(template->progress, ==, 0.25);
    template_finish(template);
    g_assert_cmpstr(template->step, ==, "ready");
    g_assert_cmpfloat(template->progress, ==, 1);
    g_assert_cmpuint(reports, ==, 5);
    template_finish(template);
    template_advance(template, "making", 0.5);
    g_assert_cmpuint(reports, ==, 5);
}

/* --- the registry, and files --- */

typedef struct {
    ScratchHost scratch;
    Templates *templates;
    guint added, changed, removed, released;
} Fixture;

static void
on_added(Template *template, gpointer data)
{
    ((Fixture *)data)->added++;
}

static void
on_changed(Template *template, gpointer data)
{
    ((Fixture *)data)->changed++;
}

static void
on_removed(Template *template, gpointer data)
{
    ((Fixture *)data)->removed++;
}

static void
on_snapshot_released(Template *template, gpointer data)
{
    ((Fixture *)data)->released++;
}

static const TemplatesEvents events = {on_added, on_changed, on_removed, on_snapshot_released};

static void
set_up(Fixture *f, gconstpointer data)
{
    scratch_host_init(&f->scratch);
    f->templates = templates_new(&f->scratch.host, &events, f);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    templates_free(f->templates);
    scratch_host_clear(&f->scratch);
}

/* Makes the files that the tests check: a folder and a RAM file. */
static TemplateFiles *
make_files(Fixture *f, const char *name, const char *key)
{
    TemplateFiles *files = template_files_new(f->scratch.store, name, key, "1", "kvm");

    g_assert_cmpint(g_mkdir(files->dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(files->ram, "ram", -1, NULL));
    return files;
}

static gboolean
has_files(Fixture *f, const char *name, const char *key)
{
    g_autoptr(TemplateFiles) files = template_files_new(f->scratch.store, name, key, "1", "kvm");
    gboolean has_folder = g_file_test(files->dir, G_FILE_TEST_EXISTS);

    g_assert_true(has_folder == g_file_test(files->ram, G_FILE_TEST_EXISTS));
    return has_folder;
}

/* Waits until all removals of files are complete. */
static void
settle(Fixture *f)
{
    while (f->scratch.host.count > 0)
        g_main_context_iteration(NULL, TRUE);
}

/* Installs a template. Unless `key` is NULL, this version of it becomes ready. */
static Template *
install(Fixture *f, const char *name, const char *key)
{
    Template *template = template_new(name);

    templates_add(f->templates, template);
    if (key) {
        template_check(template, make_files(f, name, key));
        template_finish(template);
    }
    return template;
}

static Template *
adopt(Fixture *f, const char *name, const char *key)
{
    static char *languages[] = {(char *)"python", NULL};
    const Record record = {
        .template = (char *)name,
        .template_key = (char *)key,
        .user = (char *)"user",
        .languages = languages,
        .memory_mib = 64,
    };

    return templates_adopt(f->templates, &record);
}

static void
test_registry(Fixture *f, gconstpointer data)
{
    g_autoptr(GList) all = NULL;
    Template *python = install(f, "python", NULL), *box = install(f, "box", NULL);

    g_assert_cmpuint(f->added, ==, 2);
    g_assert_true(templates_find(f->templates, "box") == box);
    g_assert_null(templates_find(f->templates, "bo"));
    all = templates_list(f->templates);
    g_assert_true(all->data == box && all->next->data == python);
    template_wait(box, "waiting");
    g_assert_cmpuint(f->changed, ==, 1);
    templates_remove(f->templates, box);
    g_assert_cmpuint(f->removed, ==, 1);
    g_assert_null(templates_find(f->templates, "box"));
}

/* The files of a removed template are removed with its last reference. */
static void
test_removed(Fixture *f, gconstpointer data)
{
    Template *template = template_ref(install(f, "box", "0123"));

    templates_remove(f->templates, template);
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
    template_unref(template_ref(template));
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
    template_unref(template);
    settle(f);
    g_assert_false(has_files(f, "box", "0123"));
}

/* A snapshot keeps the version below it, and is no version that records name. */
static void
test_snapshot(Fixture *f, gconstpointer data)
{
    Template *snapshot = template_new("box"), *machine;

    install(f, "box", "4567");
    snapshot->snapshot = snapshot_new(f->scratch.store, "abc");
    template_check(snapshot, make_files(f, "box", "0123"));
    templates_follow(f->templates, snapshot);
    machine = adopt(f, "box", "0123");
    g_assert_true(machine != snapshot);
    template_unref(machine);
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
    g_assert_cmpuint(f->released, ==, 0);
    template_unref(snapshot);
    settle(f);
    g_assert_cmpuint(f->released, ==, 1);
    g_assert_false(has_files(f, "box", "0123"));
    g_assert_true(has_files(f, "box", "4567"));
}

/* Machines of the same version share its files, which are removed with the last of them. */
static void
test_old_version(Fixture *f, gconstpointer data)
{
    Template *old, *same;
    g_auto(GStrv) in_use = NULL;

    template_files_free(make_files(f, "box", "0123"));
    old = adopt(f, "box", "0123");
    same = adopt(f, "box", "0123");
    g_assert_true(old == same);
    g_assert_cmpstr(old->user, ==, "user");
    g_assert_cmpuint(old->memory_mib, ==, 64);
    g_assert_null(templates_find(f->templates, "box"));
    install(f, "box", "4567");
    in_use = templates_in_use(f->templates);
    g_assert_true(g_strv_contains((const char *const *)in_use, "box-0123"));
    g_assert_true(g_strv_contains((const char *const *)in_use, "box-4567"));
    template_unref(old);
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
    template_unref(same);
    settle(f);
    g_assert_false(has_files(f, "box", "0123"));
    g_assert_true(has_files(f, "box", "4567"));
}

/* The new version equals the old one, so its files remain when the adopted machine ends. */
static void
test_same_version(Fixture *f, gconstpointer data)
{
    Template *adopted, *installed;

    template_files_free(make_files(f, "box", "0123"));
    adopted = adopt(f, "box", "0123");
    installed = template_new("box");
    templates_add(f->templates, installed);
    template_check(installed, template_files_new(f->scratch.store, "box", "0123", "1", "kvm"));
    template_finish(installed);
    template_unref(adopted);
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
}

/* Until the installed template is ready, it may still use the old version, whose files remain. */
static void
test_ends_early(Fixture *f, gconstpointer data)
{
    Template *installed = install(f, "box", NULL);

    template_files_free(make_files(f, "box", "0123"));
    template_unref(adopt(f, "box", "0123"));
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
    template_check(installed, make_files(f, "box", "4567"));
    template_finish(installed);
    settle(f);
    g_assert_false(has_files(f, "box", "0123"));
    g_assert_true(has_files(f, "box", "4567"));
}

/* A record of an earlier version of cloche names no key, so no files are kept or removed. */
static void
test_without_key(Fixture *f, gconstpointer data)
{
    Template *adopted = adopt(f, "box", NULL), *other = adopt(f, "box", NULL);
    g_auto(GStrv) in_use = templates_in_use(f->templates);

    install(f, "box", "0123");
    g_assert_true(adopted != other);
    g_assert_null(template_key(adopted));
    g_assert_cmpuint(g_strv_length(in_use), ==, 0);
    template_unref(adopted);
    template_unref(other);
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
}

/* A service that stops leaves machines running: it removes nothing. */
static void
test_stop(Fixture *f, gconstpointer data)
{
    Template *old;

    template_files_free(make_files(f, "box", "0123"));
    old = adopt(f, "box", "0123");
    install(f, "box", "4567");
    templates_stop(f->templates);
    template_unref(old);
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
}

/* A machine that could not be adopted continues to run when the service ends. */
static void
test_machine_left(Fixture *f, gconstpointer data)
{
    Template *old;

    template_files_free(make_files(f, "box", "0123"));
    old = adopt(f, "box", "0123");
    f->scratch.host.machines_stay = TRUE;
    template_unref(old);
    settle(f);
    g_assert_true(has_files(f, "box", "0123"));
}

/* The template of an adopted sandbox is not installed any more; its files are removed when the
 * sandbox ends. */
static void
test_uninstalled(Fixture *f, gconstpointer data)
{
    template_files_free(make_files(f, "box", "0123"));
    template_unref(adopt(f, "box", "0123"));
    settle(f);
    g_assert_false(has_files(f, "box", "0123"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* a template that fails is logged */
    g_test_add_func("/template/states", test_states);
    g_test_add_func("/template/reports", test_reports);
#define ADD(name, function)                                                                        \
    g_test_add("/templates/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("registry", test_registry);
    ADD("removed", test_removed);
    ADD("snapshot", test_snapshot);
    ADD("old-version", test_old_version);
    ADD("same-version", test_same_version);
    ADD("ends-early", test_ends_early);
    ADD("without-key", test_without_key);
    ADD("stop", test_stop);
    ADD("machine-left", test_machine_left);
    ADD("uninstalled", test_uninstalled);
    return g_test_run();
}
