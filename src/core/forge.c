/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forge: makes an image's template ready to restore machines from. */
#include "forge.h"

#include "claim.h"
#include "error.h"

/* Of the way a snapshot is taken and restored: a change makes all templates anew. */
#define FORMAT_VERSION "3"
#define KEY_LENGTH 16

typedef struct {
    Host *host;
    const Image *image;
    const Template *template;
    Instance *instance; /* while it is being made */
    gboolean staged;
    ForgeProgress progress;
    gpointer progress_data;
} Work;

char *
forge_key(const Image *image, const VmFacts *facts)
{
    g_autofree char *all =
        g_strjoin("\n", FORMAT_VERSION, image->digest, facts->hypervisor, facts->machine_type,
                  facts->definition, facts->cpu_model, facts->host, facts->accelerator, NULL);
    char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, all, -1);

    key[KEY_LENGTH] = '\0';
    return key;
}

static void
work_free(gpointer data)
{
    Work *work = data;

    if (work->instance)
        instance_end(work->instance, "The template was not finished");
    host_release(work->host);
    g_free(work);
}

static void
step(GTask *task, const char *what, double fraction)
{
    Work *work = g_task_get_task_data(task);

    work->progress(what, fraction, work->progress_data);
}

static void
discard_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Work *work = data;

    template_discard(work->template);
    g_task_return_boolean(task, TRUE);
}

static void
on_discarded(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *why = g_object_steal_data(G_OBJECT(task), "why");

    g_task_return_error(task, why);
    g_object_unref(task);
}

/* Takes `error`. */
static void
fail(GTask *task, GError *error)
{
    Work *work = g_task_get_task_data(task);
    g_autoptr(GTask) discard = NULL;

    if (work->instance)
        instance_end(g_steal_pointer(&work->instance), "The template could not be made");
    if (!work->staged) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_object_set_data(G_OBJECT(task), "why", error);
    discard = g_task_new(NULL, NULL, on_discarded, task);
    g_task_set_task_data(discard, work, NULL);
    g_task_run_in_thread(discard, discard_in_thread);
}

/* Runs `work_in_thread` on the Work, then `done` with `task` as its data. */
static void
in_thread(GTask *task, GTaskThreadFunc work_in_thread, GAsyncReadyCallback done)
{
    g_autoptr(GTask) part = g_task_new(NULL, NULL, done, task);

    g_task_set_task_data(part, g_task_get_task_data(task), NULL);
    g_task_run_in_thread(part, work_in_thread);
}

static void
return_from_thread(GTask *part, gboolean ok, GError *error)
{
    if (ok)
        g_task_return_boolean(part, TRUE);
    else
        g_task_return_error(part, error);
}

static gboolean
make_blank(const Template *template, GError **error)
{
    g_autofree char *disk = template_path(template, "disk.qcow2");
    g_autofree char *blank = template_path(template, "blank.qcow2");

    return vm_create_overlay(blank, disk, "qcow2", error);
}

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        fail(task, error);
        return;
    }
    step(task, "ready", 1);
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

/* --- one that is stored --- */

static void
load_in_thread(GTask *part, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Work *work = data;
    GError *error = NULL;
    gboolean ok = image_verify(work->image, &error) && template_load(work->template, &error) &&
                  make_blank(work->template, &error) &&
                  template_remove_others(work->template, &error);

    return_from_thread(part, ok, error);
}

/* --- one that is made --- */

static void
commit_in_thread(GTask *part, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Work *work = data;
    GError *error = NULL;
    gboolean ok = template_commit(work->template, &error) && make_blank(work->template, &error) &&
                  template_remove_others(work->template, &error);

    return_from_thread(part, ok, error);
}

static void
on_saved(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Work *work = g_task_get_task_data(task);
    GError *error = NULL;

    if (!instance_save_finish(work->instance, result, &error)) {
        fail(task, error);
        return;
    }
    instance_end(g_steal_pointer(&work->instance), "The template is made");
    step(task, "storing the snapshot", 0.85);
    in_thread(task, commit_in_thread, on_done);
}

static void
on_quiesced(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Work *work = g_task_get_task_data(task);
    g_autofree char *state = template_staging_path(work->template, "state");
    GError *error = NULL;

    if (!guest_link_quiesce_finish(instance_link(work->instance), result, &error)) {
        fail(task, error);
        return;
    }
    step(task, "taking the snapshot", 0.8);
    instance_save_async(work->instance, state, on_saved, task);
}

static void
on_booted(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Work *work = g_task_get_task_data(task);
    GError *error = NULL;

    work->instance = instance_start_finish(result, &error);
    if (work->instance)
        guest_link_quiesce_async(instance_link(work->instance), on_quiesced, task);
    else
        fail(task, error);
}

static void
stage_in_thread(GTask *part, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Work *work = data;
    GError *error = NULL;
    gboolean ok = image_verify(work->image, &error) &&
                  template_stage(work->template, work->image->memory_mib, &error);

    return_from_thread(part, ok, error);
}

static void
on_staged(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Work *work = g_task_get_task_data(task);
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        fail(task, error);
        return;
    }
    step(task, "booting the image and starting its runners", 0.1);
    instance_boot_async(work->host, work->image, work->template, g_task_get_cancellable(task),
                        on_booted, task);
}

void
forge_prepare_async(Host *host, const Image *image, const Template *template,
                    ForgeProgress progress, gpointer progress_data, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    Work *work = g_new0(Work, 1);

    work->host = host;
    host_hold(host);
    work->image = image;
    work->template = template;
    work->progress = progress;
    work->progress_data = progress_data;
    work->staged = !template_exists(template);
    g_task_set_task_data(task, work, work_free);
    step(task, work->staged ? "verifying the image" : "verifying the template", 0);
    if (work->staged)
        in_thread(task, stage_in_thread, on_staged);
    else
        in_thread(task, load_in_thread, on_done);
}

gboolean
forge_prepare_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
