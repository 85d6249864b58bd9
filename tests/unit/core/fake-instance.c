/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-instance: instances without machines, for tests of the code above them. */
#include "fake-instance.h"

#include "claim.h"
#include "error.h"

struct Instance {
    Host *host;
    Template *template;
    char *id;
    GPtrArray *contexts;
    const InstanceEvents *events;
    gpointer events_data;
};

typedef struct {
    Host *host;
    Template *template;
} Start;

GQueue fake_starts = G_QUEUE_INIT;
guint fake_living, fake_ended, fake_failing_claims;
Budget *fake_last_buffers;
Slots *fake_last_large_frames;
static Instance *last;
static guint numbers;

/* The linker uses these names. */
void __wrap_instance_restore_async(Host *host, Template *template, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer data);
Instance *__wrap_instance_start_finish(GAsyncResult *result, GError **error);
void __wrap_instance_end(Instance *instance, const char *why);
void __wrap_instance_leave(Instance *instance);
void __wrap_instance_watch(Instance *instance, const InstanceEvents *events, gpointer data);
guint32 __wrap_instance_uid(const Instance *instance);
void __wrap_instance_hold(Instance *instance, InstanceHold who, gboolean holds);
char *__wrap_instance_disk(const Instance *instance);
const char *__wrap_instance_id(const Instance *instance);
const Template *__wrap_instance_template(const Instance *instance);
GuestLink *__wrap_instance_link(Instance *instance);
void __wrap_instance_set_owner(Instance *instance, Budget *buffers, Slots *large_frames);
void __wrap_instance_reseed(Instance *instance, const char *const *environment);
void __wrap_guest_link_claim_async(GuestLink *link, const GuestClaim *claim,
                                   GAsyncReadyCallback callback, gpointer data);
gboolean __wrap_guest_link_claim_finish(GuestLink *link, GAsyncResult *result, GError **error);

void
fake_reset(void)
{
    g_queue_clear_full(&fake_starts, g_object_unref);
    fake_living = fake_ended = fake_failing_claims = 0;
    last = NULL;
    fake_last_buffers = NULL;
    fake_last_large_frames = NULL;
}

/* --- starts --- */

static void
start_free(gpointer data)
{
    Start *start = data;

    template_unref(start->template);
    g_free(start);
}

void
__wrap_instance_restore_async(Host *host, Template *template, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    Start *start = g_new0(Start, 1);

    start->host = host;
    start->template = template_ref(template);
    g_task_set_task_data(task, start, start_free);
    host->memory_mib += template->memory_mib;
    g_queue_push_tail(&fake_starts, task);
}

Instance *
__wrap_instance_start_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
end(gpointer instance)
{
    __wrap_instance_end(instance, "");
}

void
fake_run_due(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

void
fake_complete_start(void)
{
    g_autoptr(GTask) task = g_queue_pop_head(&fake_starts);
    const Start *start = g_task_get_task_data(task);
    Instance *instance = g_new0(Instance, 1);

    instance->host = start->host;
    instance->template = template_ref(start->template);
    instance->id = g_strdup_printf("fake%u", ++numbers);
    fake_living++;
    last = instance;
    g_task_return_pointer(task, instance, end);
    fake_run_due();
}

void
fake_fail_start(void)
{
    g_autoptr(GTask) task = g_queue_pop_head(&fake_starts);
    const Start *start = g_task_get_task_data(task);

    start->host->memory_mib -= start->template->memory_mib;
    g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "the test fails it");
    fake_run_due();
}

void
fake_complete_all_starts(void)
{
    fake_run_due();
    while (fake_starts.length > 0)
        fake_complete_start();
}

/* --- use --- */

void
__wrap_instance_end(Instance *instance, const char *why)
{
    Host *host = instance->host;

    if (instance == last)
        last = NULL;
    host->memory_mib -= instance->template->memory_mib;
    fake_living--;
    fake_ended++;
    template_unref(instance->template);
    g_free(instance->id);
    g_free(instance);
}

void
__wrap_instance_leave(Instance *instance)
{
    __wrap_instance_end(instance, "");
}

void
__wrap_instance_watch(Instance *instance, const InstanceEvents *events, gpointer data)
{
    instance->events = events;
    instance->events_data = data;
}

void
fake_lose_last(void)
{
    last->events->lost(last, END_MACHINE_LOST, last->events_data);
}

void
fake_stall_last(void)
{
    last->events->stalled(last, TRUE, last->events_data);
}

guint32
__wrap_instance_uid(const Instance *instance)
{
    return 0;
}

void
__wrap_instance_hold(Instance *instance, InstanceHold who, gboolean holds)
{
}

char *
__wrap_instance_disk(const Instance *instance)
{
    return g_strdup("");
}

const char *
__wrap_instance_id(const Instance *instance)
{
    return instance->id;
}

const Template *
__wrap_instance_template(const Instance *instance)
{
    return instance->template;
}

GuestLink *
__wrap_instance_link(Instance *instance)
{
    return NULL;
}

void
__wrap_instance_set_owner(Instance *instance, Budget *buffers, Slots *large_frames)
{
    fake_last_buffers = buffers;
    fake_last_large_frames = large_frames;
}

void
__wrap_instance_reseed(Instance *instance, const char *const *environment)
{
}

void
__wrap_guest_link_claim_async(GuestLink *link, const GuestClaim *claim,
                              GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);

    if (fake_failing_claims == 0) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    fake_failing_claims--;
    g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "the test loses it");
}

gboolean
__wrap_guest_link_claim_finish(GuestLink *link, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
