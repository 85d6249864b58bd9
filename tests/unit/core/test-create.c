/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-create: a new sandbox is charged, claimed and recorded, and nothing is left if its creation
 * fails. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "core-private.h"
#include "core.h"
#include "error.h"
#include "fake-instance.h"
#include "registry.h"
#include "sandbox-clock.h"
#include "util.h"
#include "vm-ops.h"

#define OWNER 1000

typedef struct {
    char *dir;
    Store *store;
    Core *core;
    Template *box;
} Fixture;

typedef struct {
    Core *core;
    gboolean done;
    char *id;
    GError *error;
} Create;

/* --- a core whose machines are fakes --- */

static void
ignore_stop(Vm *vm)
{
}

static const VmOps vm_ops = {.stop_trying = ignore_stop};
static Vm vm = {&vm_ops};

static void
ignore_sandbox(const Sandbox *sandbox, gpointer data)
{
}

static void
ignore_template(const char *name, gpointer data)
{
}

static const CoreEvents events = {
    .sandbox_added = ignore_sandbox,
    .sandbox_changed = ignore_sandbox,
    .sandbox_ended = ignore_sandbox,
    .template_changed = ignore_template,
};

static void
add_image(Fixture *f)
{
    static const char conf[] = "[Image]\nDescription=A box\nDigest=1\nUser=user\nKernel=6.1\n"
                               "Languages=python\nRunners=\nMemoryMiB=64\nVcpus=2\n";
    static const char *const files[][2] = {
        {"image.conf", conf}, {"kernel", ""}, {"initrd", ""}, {"disk.ext4", ""}};
    g_autofree char *dir = g_build_filename(f->dir, "state", "images", "box-1", NULL);
    g_autofree char *link = g_build_filename(f->dir, "state", "images", "box", NULL);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i][0], NULL);

        g_assert_true(g_file_set_contents(path, files[i][1], -1, NULL));
    }
    g_assert_cmpint(symlink("box-1", link), ==, 0);
}

static Store *
open_store(const Fixture *f)
{
    g_autofree char *state = g_build_filename(f->dir, "state", NULL);
    g_autofree char *ram = g_build_filename(f->dir, "ram", NULL);
    g_autofree char *run = g_build_filename(f->dir, "run", NULL);
    g_autoptr(GError) error = NULL;
    Store *store = store_open(state, ram, run, /* group= */ NULL, &error);

    g_assert_no_error(error);
    return store;
}

static void
set_up(Fixture *f, gconstpointer data)
{
    const CoreConfig config = {
        .default_template = "box",
        .memory_max_mib = 1024,
        .limits_of_all = {{100, 100000, 100, 100000, 100, 100}},
        .limits_of_each = {{2, 1024, 100, 100000, 100, 100}},
        .lifetime_max_s = 3600,
        .clock_interval_us = CORE_CLOCK_INTERVAL_US,
    };
    g_autoptr(GError) error = NULL;

    fake_reset();
    f->dir = g_dir_make_tmp("cloche-test-XXXXXX", NULL);
    add_image(f);
    f->store = open_store(f);
    f->core = core_new(&config, &vm, f->store, &error);
    g_assert_no_error(error);
    core_set_events(f->core, &events, NULL);
    f->core->host.pace = *pace_of(FALSE);
    f->box = templates_find(f->core->templates, "box");
    template_check(f->box, template_files_new(f->store, "box", "0123", "1", "kvm"));
}

static void
on_stopped(GObject *source, GAsyncResult *result, gpointer data)
{
    core_stop_finish(result);
    *(gboolean *)data = TRUE;
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    gboolean stopped = FALSE;

    core_stop_async(f->core, /* leave_sandboxes= */ FALSE, on_stopped, &stopped);
    fake_complete_all_starts();
    while (!stopped)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(fake_living, ==, 0);
    core_free(f->core);
    store_free(f->store);
    g_assert_true(util_remove_tree(f->dir, NULL));
    g_free(f->dir);
}

/* --- helpers --- */

static void
on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    Create *create = data;

    create->id = core_create_finish(create->core, result, &create->error);
    create->done = TRUE;
}

static CreateRequest
request_for(const char *template)
{
    static char *nothing[] = {NULL};

    return (CreateRequest){.template = template,
                           .name = "",
                           .timeout_s = 60,
                           .metadata = nothing,
                           .environment = nothing};
}

/* Returns when the creation waits for a machine to start. */
static void
create_with(Fixture *f, Create *create, const CreateRequest *request)
{
    *create = (Create){.core = f->core};
    core_create_async(f->core, OWNER, request, /* cancellable= */ NULL, on_created, create);
    fake_run_due();
}

static void
create(Fixture *f, Create *create)
{
    const CreateRequest request = request_for(NULL);

    create_with(f, create, &request);
}

/* Machines start at once, but a record is written by another thread. */
static void
await(const Create *create)
{
    while (!create->done) {
        fake_complete_all_starts();
        g_main_context_iteration(NULL, /* may_block= */ FALSE);
    }
}

static void
create_clear(Create *create)
{
    g_clear_error(&create->error);
    g_free(create->id);
}

static void
assert_refused(Create *create, ClocheError code, const char *message)
{
    fake_run_due();
    g_assert_true(create->done);
    g_assert_error(create->error, CLOCHE_ERROR, (int)code);
    g_assert_nonnull(strstr(create->error->message, message));
    create_clear(create);
}

static guint64
used(Fixture *f, QuotaResource resource)
{
    return quota_used(f->core->quota, OWNER).amount[resource];
}

static guint
count_records(Fixture *f)
{
    g_auto(GStrv) ids = store_list_records(f->store);

    return g_strv_length(ids);
}

/* --- tests --- */

/* The record names the template version that the sandbox's machine runs from. */
static void
test_created(Fixture *f, gconstpointer data)
{
    g_autoptr(Record) record = NULL;
    const Sandbox *sandbox;
    Create one;

    create(f, &one);
    g_assert_false(one.done); /* the template is not ready */
    g_assert_cmpuint(used(f, QUOTA_SANDBOXES), ==, 1);
    g_assert_cmpuint(used(f, QUOTA_CREATES), ==, 1);
    template_finish(f->box);
    await(&one);
    g_assert_no_error(one.error);
    g_assert_cmpuint(used(f, QUOTA_CREATES), ==, 0);
    g_assert_cmpuint(used(f, QUOTA_MEMORY_MIB), ==, 64);
    sandbox = g_hash_table_lookup(f->core->sandboxes, one.id);
    g_assert_cmpint(sandbox->state, ==, SANDBOX_RUNNING);
    g_assert_cmpstr(sandbox->user, ==, "user");
    g_assert_cmpuint(sandbox->vcpus, ==, 2);
    record = record_read(f->store, one.id, NULL);
    g_assert_cmpstr(record->template, ==, "box");
    g_assert_cmpstr(record->template_key, ==, "0123");
    create_clear(&one);
}

/* The sandbox's connection counts for its owner: after the claim, and when a new instance of the
 * service takes up the machine. */
static void
test_owner(Fixture *f, gconstpointer data)
{
    Sandbox *sandbox;
    Create one;

    template_finish(f->box);
    create(f, &one);
    await(&one);
    g_assert_true(fake_last_buffers == quota_buffers(f->core->quota, OWNER));
    g_assert_true(fake_last_large_frames == quota_large_frames(f->core->quota, OWNER));
    g_assert_true(fake_last_large_frames != quota_large_frames(f->core->quota, OWNER + 1));
    sandbox = registry_lookup(f->core, one.id);
    sandbox_clock_stop(sandbox);
    fake_last_buffers = NULL;
    fake_last_large_frames = NULL;
    registry_use_instance(sandbox, sandbox->instance);
    g_assert_true(fake_last_buffers == quota_buffers(f->core->quota, OWNER));
    g_assert_true(fake_last_large_frames == quota_large_frames(f->core->quota, OWNER));
    create_clear(&one);
}

static void
test_refused(Fixture *f, gconstpointer data)
{
    CreateRequest request = request_for("nothing");
    Create one;

    create_with(f, &one, &request);
    assert_refused(&one, CLOCHE_ERROR_NO_SUCH_TEMPLATE,
                   "template 'nothing' is not installed; installed are: box");
    request = request_for("box");
    request.vcpus = 3;
    create_with(f, &one, &request);
    assert_refused(&one, CLOCHE_ERROR_UNSUPPORTED, "vcpus: machines of template 'box' have 2");
    request = request_for("box");
    request.memory_mib = 65;
    create_with(f, &one, &request);
    assert_refused(&one, CLOCHE_ERROR_UNSUPPORTED,
                   "memory-mib: machines of template 'box' have 64");
    request = request_for("box");
    request.timeout_s = 3601;
    create_with(f, &one, &request);
    assert_refused(&one, CLOCHE_ERROR_QUOTA_EXCEEDED, "lifetime");
    g_assert_cmpuint(used(f, QUOTA_SANDBOXES), ==, 0);
    g_assert_cmpuint(used(f, QUOTA_CREATES), ==, 0);
}

/* The limit is two sandboxes. The charge of a creation that failed is released. */
static void
test_charged(Fixture *f, gconstpointer data)
{
    const GError error = {CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY, (char *)"no"};
    Create one, two, three;

    create(f, &one);
    create(f, &two);
    create(f, &three);
    assert_refused(&three, CLOCHE_ERROR_QUOTA_EXCEEDED, "sandboxes");
    template_fail(f->box, &error);
    assert_refused(&one, CLOCHE_ERROR_TEMPLATE_NOT_READY, "no");
    assert_refused(&two, CLOCHE_ERROR_TEMPLATE_NOT_READY, "no");
    g_assert_cmpuint(used(f, QUOTA_SANDBOXES), ==, 0);
    g_assert_cmpuint(used(f, QUOTA_CREATES), ==, 0);
}

/* A machine that is lost during its claim is replaced, at most twice, and leaves nothing. */
static void
test_lost_claims(Fixture *f, gconstpointer data)
{
    Create one;

    template_finish(f->box);
    fake_failing_claims = 2;
    create(f, &one);
    await(&one);
    g_assert_no_error(one.error);
    g_assert_cmpuint(fake_ended, ==, 2);
    g_assert_cmpuint(count_records(f), ==, 1);
    create_clear(&one);

    fake_failing_claims = 3;
    create(f, &one);
    await(&one);
    assert_refused(&one, CLOCHE_ERROR_GUEST_LOST, "the test loses it");
    g_assert_cmpuint(fake_ended, ==, 5);
    g_assert_cmpuint(fake_living, ==, 1);
    g_assert_cmpuint(count_records(f), ==, 1);
    g_assert_cmpuint(used(f, QUOTA_SANDBOXES), ==, 1);
}

/* A caller that has left takes no machine out of the pool. */
static void
test_left(Fixture *f, gconstpointer data)
{
    const PoolConfig config = {.target = 1, .memory_max_mib = 1024};
    const CreateRequest request = request_for(NULL);
    g_autoptr(GCancellable) left = g_cancellable_new();
    Create one = {.core = f->core};

    pools_reconfigure(f->core->pools, &config);
    template_finish(f->box);
    fake_complete_all_starts();
    g_cancellable_cancel(left);
    core_create_async(f->core, OWNER, &request, left, on_created, &one);
    fake_run_due();
    g_assert_true(one.done);
    g_assert_error(one.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpuint(pool_figures(pools_find(f->core->pools, f->box)).ready, ==, 1);
    g_assert_cmpuint(used(f, QUOTA_SANDBOXES), ==, 0);
    create_clear(&one);
}

/* Calls with one key share one sandbox, before it is created and afterwards. */
static void
test_idempotency(Fixture *f, gconstpointer data)
{
    CreateRequest request = request_for("box");
    Create first, second, third, other;

    request.idempotency_key = "key";
    create_with(f, &first, &request);
    create_with(f, &second, &request);
    request.name = "another";
    create_with(f, &other, &request);
    assert_refused(&other, CLOCHE_ERROR_INVALID_ARGUMENT, "was used with other options");
    template_finish(f->box);
    await(&first);
    await(&second);
    g_assert_no_error(first.error);
    g_assert_cmpstr(first.id, ==, second.id);
    request.name = "";
    create_with(f, &third, &request);
    g_assert_cmpstr(first.id, ==, third.id);
    g_assert_cmpuint(fake_living, ==, 1);
    g_assert_cmpuint(used(f, QUOTA_SANDBOXES), ==, 1);
    create_clear(&first);
    create_clear(&second);
    create_clear(&third);
}

/* When a template is removed, callers that wait for its machine get that as the error. */
static void
test_removed(Fixture *f, gconstpointer data)
{
    Create waiting, later;

    create(f, &waiting);
    templates_remove(f->core->templates, f->box);
    assert_refused(&waiting, CLOCHE_ERROR_NO_SUCH_TEMPLATE, "template 'box' was removed");
    create(f, &later);
    assert_refused(&later, CLOCHE_ERROR_NO_SUCH_TEMPLATE, "installed are: none");
    g_assert_cmpuint(used(f, QUOTA_SANDBOXES), ==, 0);
}

static gboolean
looks_at_disks(const Fixture *f)
{
    return g_main_context_find_source_by_user_data(NULL, f->core->disk_watch) != NULL;
}

/* Without sandboxes, no timer wakes the service, even if machines wait for callers. */
static void
test_disks_are_looked_at(Fixture *f, gconstpointer data)
{
    Create one;

    template_finish(f->box);
    fake_complete_all_starts();
    g_assert_false(looks_at_disks(f));
    for (guint i = 0; i < 2; i++) {
        create(f, &one);
        await(&one);
        g_assert_no_error(one.error);
        g_assert_true(looks_at_disks(f));
        core_end(f->core, g_hash_table_lookup(f->core->sandboxes, one.id), END_KILLED, NULL);
        while (looks_at_disks(f))
            g_main_context_iteration(NULL, /* may_block= */ TRUE);
        create_clear(&one);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* claims that are lost are logged */
#define ADD(name, function) g_test_add("/create/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("created", test_created);
    ADD("owner", test_owner);
    ADD("refused", test_refused);
    ADD("charged", test_charged);
    ADD("lost-claims", test_lost_claims);
    ADD("left", test_left);
    ADD("idempotency", test_idempotency);
    ADD("removed", test_removed);
    ADD("disks-are-looked-at", test_disks_are_looked_at);
    return g_test_run();
}
