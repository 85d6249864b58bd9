/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preparation: makes a template ready from an image; the only user of images. */
#include "preparation.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "claim.h"
#include "error.h"
#include "image.h"
#include "util.h"

/* The version of the method that saves and restores machines. A change rebuilds all templates. */
#define FORMAT_VERSION "3"
#define KEY_LENGTH 16
/* Before the next try, doubled by each failure: a try boots a guest. */
#define PAUSE_MIN_S 30u
#define PAUSE_MAX_S 3600u

struct Preparation {
    Host *host;
    Templates *templates;
    Template *template;
    Image *image;
    GCancellable *cancellable;
    Instance *instance; /* the machine that is booted */
    GError *error;      /* why the preparation failed */
    char **in_use;      /* versions of templates, for the worker thread */
    int state;          /* descriptor of the device state that is being written; -1: none */
    gboolean is_running, is_staged;
    const VmFacts *facts; /* of the last try; NULL: none was made */
    guint failures;       /* in a row */
    guint timer;          /* of the next try; 0: none waits */
};

char *
preparation_key(const char *image_digest, const VmFacts *facts)
{
    g_autofree char *all =
        g_strjoin("\n", FORMAT_VERSION, image_digest, facts->hypervisor, facts->machine_type,
                  facts->definition, facts->cpu_model, facts->host, facts->accelerator, NULL);
    char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, all, -1);

    key[KEY_LENGTH] = '\0';
    return key;
}

/* --- from image to template --- */

static void
copy_code(GHashTable *to, GHashTable *from)
{
    GHashTableIter iter;
    gpointer language, code;

    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &language, &code))
        g_hash_table_insert(to, g_strdup(language), g_strdup(code));
}

static void
replace(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

static void
replace_list(char ***list, char **values)
{
    g_strfreev(*list);
    *list = g_strdupv(values);
}

static void
set_facts(Template *template, const Image *image)
{
    replace(&template->description, image->description);
    replace(&template->user, image->user);
    replace_list(&template->languages, image->languages);
    replace_list(&template->runners, image->runners);
    copy_code(template->startup, image->startup);
    copy_code(template->exercise, image->exercise);
    template->network = image->network ? net_policy_copy(image->network) : NULL;
    template->vcpus = image->vcpus;
    template->memory_mib = image->memory_mib;
    template->disk_mib = image->disk_mib;
    template->kernel = image_path(image, "kernel");
    template->initrd = image_path(image, "initrd");
}

Preparation *
preparation_new(Host *host, Templates *templates, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Image) image = image_load(host->store, name, &error);
    Template *template = template_new(name);
    Preparation *preparation = NULL;

    if (!error)
        template->kept = image_keep(image, &error);
    if (error) {
        template_fail(template, error);
    } else {
        set_facts(template, image);
        preparation = g_new0(Preparation, 1);
        preparation->host = host;
        preparation->templates = templates;
        preparation->template = template_ref(template);
        preparation->image = g_steal_pointer(&image);
        preparation->cancellable = g_cancellable_new();
        preparation->state = -1;
    }
    templates_add(templates, template);
    return preparation;
}

Template *
preparation_template(const Preparation *preparation)
{
    return preparation->template;
}

/* --- the end --- */

static void
destroy(Preparation *preparation)
{
    g_assert(!preparation->instance);
    g_clear_handle_id(&preparation->timer, g_source_remove);
    template_unref(preparation->template);
    image_free(preparation->image);
    g_object_unref(preparation->cancellable);
    g_clear_error(&preparation->error);
    g_strfreev(preparation->in_use);
    g_free(preparation);
}

void
preparation_free(Preparation *preparation)
{
    g_cancellable_cancel(preparation->cancellable);
    if (!preparation->is_running)
        destroy(preparation);
}

static gboolean
is_cancelled(const Preparation *preparation)
{
    return g_cancellable_is_cancelled(preparation->cancellable);
}

/* An error that says what is damaged is complete; all others mean that the template is not ready.
 */
static GError *
describe(const Preparation *preparation)
{
    const GError *error = preparation->error;

    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED))
        return g_error_copy(error);
    return g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY,
                       "template '%s' could not be made ready: %s", preparation->template->name,
                       error->message);
}

static gboolean
on_pause_over(gpointer data)
{
    Preparation *preparation = data;

    preparation->timer = 0;
    preparation_start(preparation, preparation->facts);
    return G_SOURCE_REMOVE;
}

/* The failure may be that of libvirt or of a full disk, which pass. What is damaged stays so. */
static void
fail(Preparation *preparation)
{
    g_autoptr(GError) error = describe(preparation);
    guint pause_s = MIN(PAUSE_MIN_S << MIN(preparation->failures, 16), PAUSE_MAX_S);

    preparation->failures++;
    if (!g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED))
        preparation->timer = g_timeout_add_seconds(pause_s, on_pause_over, preparation);
    template_fail(preparation->template, error);
    g_clear_error(&preparation->error);
}

/* The last step, whether it succeeded or not. */
static void
stop(Preparation *preparation)
{
    Host *host = preparation->host;

    preparation->is_running = FALSE;
    if (is_cancelled(preparation))
        destroy(preparation);
    else if (preparation->error)
        fail(preparation);
    else
        template_finish(preparation->template);
    host_release(host);
}

/* --- parts in a worker thread --- */

static void
run_in_thread(Preparation *preparation, GTaskThreadFunc part, GAsyncReadyCallback done)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, preparation);

    g_task_set_task_data(task, preparation, NULL);
    g_task_run_in_thread(task, part);
}

static void
return_part(GTask *task, gboolean ok, GError *error)
{
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
discard_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    template_files_discard(((const Preparation *)data)->template->files);
    g_task_return_boolean(task, TRUE);
}

static void
on_discarded(GObject *source, GAsyncResult *result, gpointer data)
{
    stop(data);
}

/* Takes the error. */
static void
give_up(Preparation *preparation, GError *error)
{
    preparation->error = error;
    if (preparation->instance)
        instance_end(g_steal_pointer(&preparation->instance), "The template could not be made");
    if (preparation->is_staged)
        run_in_thread(preparation, discard_in_thread, on_discarded);
    else
        stop(preparation);
}

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error))
        stop(data);
    else
        give_up(data, error);
}

static gboolean
make_blank(const TemplateFiles *files, GError **error)
{
    g_autofree char *disk = template_files_path(files, "disk.qcow2");
    g_autofree char *blank = template_files_path(files, "blank.qcow2");

    return vm_create_overlay(blank, disk, "qcow2", error);
}

/* What both a stored and a new version need. */
static gboolean
put_to_use(const Preparation *preparation, GError **error)
{
    const TemplateFiles *files = preparation->template->files;

    return make_blank(files, error) &&
           template_files_remove_others(files, (const char *const *)preparation->in_use, error);
}

static void
advance(Preparation *preparation, const char *step, double fraction)
{
    if (!is_cancelled(preparation))
        template_advance(preparation->template, step, fraction);
}

/* --- a version that is stored --- */

static void
load_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Preparation *preparation = data;
    GError *error = NULL;
    gboolean ok = image_verify(preparation->image, &error) &&
                  template_files_load(preparation->template->files, &error) &&
                  put_to_use(preparation, &error);

    return_part(task, ok, error);
}

/* --- a version that is made --- */

static void
commit_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Preparation *preparation = data;
    GError *error = NULL;
    gboolean ok = template_files_commit(preparation->template->files, &error) &&
                  put_to_use(preparation, &error);

    return_part(task, ok, error);
}

static void
on_saved(GObject *source, GAsyncResult *result, gpointer data)
{
    Preparation *preparation = data;
    GError *error = NULL;

    close(preparation->state);
    preparation->state = -1;
    if (!instance_save_finish(preparation->instance, result, &error)) {
        give_up(preparation, error);
        return;
    }
    instance_end(g_steal_pointer(&preparation->instance), "The template is made");
    advance(preparation, "storing the snapshot", 0.85);
    run_in_thread(preparation, commit_in_thread, on_done);
}

static void
on_quiesced(GObject *source, GAsyncResult *result, gpointer data)
{
    Preparation *preparation = data;
    g_autofree char *state = template_files_staging_path(preparation->template->files, "state");
    GError *error = NULL;

    if (!guest_link_quiesce_finish(instance_link(preparation->instance), result, &error)) {
        give_up(preparation, error);
        return;
    }
    preparation->state = open(state, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (preparation->state < 0) {
        util_set_errno(&error, errno, "cannot create '%s'", state);
        give_up(preparation, error);
        return;
    }
    advance(preparation, "taking the snapshot", 0.8);
    instance_save_async(preparation->instance, preparation->state, on_saved, preparation);
}

static void
on_booted(GObject *source, GAsyncResult *result, gpointer data)
{
    Preparation *preparation = data;
    GError *error = NULL;

    preparation->instance = instance_start_finish(result, &error);
    if (preparation->instance)
        guest_link_quiesce_async(instance_link(preparation->instance), on_quiesced, preparation);
    else
        give_up(preparation, error);
}

/* The disk of the machine that will be booted, which becomes the template's. */
static gboolean
make_disk(const Preparation *preparation, GError **error)
{
    const TemplateFiles *files = preparation->template->files;
    g_autofree char *base = image_path(preparation->image, "disk.ext4");
    g_autofree char *disk = template_files_staging_path(files, "disk.qcow2");

    return vm_create_overlay(disk, base, "raw", error);
}

static void
stage_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Preparation *preparation = data;
    const Template *template = preparation->template;
    GError *error = NULL;
    gboolean ok = image_verify(preparation->image, &error) &&
                  template_files_stage(template->files, template->memory_mib, &error) &&
                  make_disk(preparation, &error);

    return_part(task, ok, error);
}

static void
on_staged(GObject *source, GAsyncResult *result, gpointer data)
{
    Preparation *preparation = data;
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        give_up(preparation, error);
        return;
    }
    advance(preparation, "booting the image and starting its runners", 0.1);
    instance_boot_async(preparation->host, preparation->template, preparation->cancellable,
                        on_booted, preparation);
}

void
preparation_start(Preparation *preparation, const VmFacts *facts)
{
    Template *template = preparation->template;
    g_autofree char *key = preparation_key(preparation->image->digest, facts);

    g_clear_handle_id(&preparation->timer, g_source_remove);
    preparation->facts = facts;
    template_check(template, template_files_new(preparation->host->store, template->name, key,
                                                preparation->image->digest, facts->accelerator));
    preparation->is_running = TRUE;
    preparation->is_staged = !template_files_exists(template->files);
    g_strfreev(preparation->in_use);
    preparation->in_use = templates_in_use(preparation->templates);
    host_hold(preparation->host);
    advance(preparation, preparation->is_staged ? "verifying the image" : "verifying the template",
            0);
    if (preparation->is_staged)
        run_in_thread(preparation, stage_in_thread, on_staged);
    else
        run_in_thread(preparation, load_in_thread, on_done);
}

void
preparation_retry(Preparation *preparation)
{
    if (preparation->timer != 0)
        preparation_start(preparation, preparation->facts);
}
