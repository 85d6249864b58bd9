/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lifespan: until when a sandbox lives, and whether it runs.
 *
 * A change takes effect when the record has it, so that no answer is lost with the service. The
 * changes of one sandbox happen in turn: each is decided by what the one before has left. While one
 * is being recorded, everything that writes the record writes what it will be (next_life).
 */
#include "lifespan.h"

#include "core-private.h"
#include "error.h"
#include "journal.h"
#include "registry.h"
#include "sandbox-clock.h"
#include "settle.h"
#include "util.h"

typedef enum {
    CHANGE_TIMEOUT,
    CHANGE_PAUSE,
    CHANGE_RESUME,
    CHANGE_EXPIRY, /* its deadline pauses it */
} ChangeKind;

typedef struct {
    Core *core;
    char *sandbox_id;
    ChangeKind kind;
    guint64 timeout_s; /* 0: the last one */
} Change;

static void
change_free(gpointer data)
{
    Change *change = data;

    g_free(change->sandbox_id);
    g_free(change);
}

void
lifespan_set_paused(const Sandbox *sandbox, GError **error)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_PAUSED,
                "sandbox '%s' is paused; Resume() continues it", sandbox->id);
}

/* --- bounds --- */

/* Returns the seconds that a sandbox of this age may still live. */
static guint64
lifetime_left_s(const Core *core, gint64 age_us)
{
    guint64 age_s = (guint64)age_us / G_USEC_PER_SEC;

    return age_s < core->config.lifetime_max_s ? core->config.lifetime_max_s - age_s : 0;
}

/* CLOCHE_ERROR_QUOTA_EXCEEDED unless a sandbox of this age may live `timeout_s` from now. */
static gboolean
check_lifetime(const Core *core, gint64 age_us, guint64 timeout_s, GError **error)
{
    guint64 left_s = lifetime_left_s(core, age_us);

    if (timeout_s <= left_s)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                "The limit lifetime is %" G_GUINT64_FORMAT " seconds from the creation on: a "
                "timeout of %" G_GUINT64_FORMAT " seconds is too long, at most %" G_GUINT64_FORMAT
                " are left; ask an administrator to raise LifetimeSec in [Limits] of cloched.conf",
                core->config.lifetime_max_s, timeout_s, left_s);
    return FALSE;
}

gboolean
core_check_timeout(const Core *core, guint64 timeout_s, GError **error)
{
    if (timeout_s >= 1 && timeout_s <= SANDBOX_TIMEOUT_MAX_S)
        return check_lifetime(core, /* age_us= */ 0, timeout_s, error);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "timeout must be from 1 to %llu seconds, not %" G_GUINT64_FORMAT,
                SANDBOX_TIMEOUT_MAX_S, timeout_s);
    return FALSE;
}

/* --- decisions --- */

gint64
lifespan_paused_max_us(guint64 paused_max_s)
{
    return (gint64)MIN(paused_max_s, SANDBOX_TIMEOUT_MAX_S) * G_USEC_PER_SEC;
}

static gboolean
set_term(const Sandbox *sandbox, guint64 timeout_s, gint64 now_us, Lifespan *life, GError **error)
{
    const Core *core = sandbox->core;

    if (!core_check_timeout(core, timeout_s, error) ||
        !check_lifetime(core, now_us - sandbox->born_us - life->paused_us, timeout_s, error))
        return FALSE;
    life->timeout_s = timeout_s;
    life->deadline_us = now_us + (gint64)timeout_s * G_USEC_PER_SEC;
    return TRUE;
}

static void
begin_pause(const Sandbox *sandbox, gint64 now_us, Lifespan *life)
{
    life->paused_since_us = now_us;
    life->deadline_us = now_us + lifespan_paused_max_us(sandbox->core->config.paused_max_s);
}

static gboolean
end_pause(const Sandbox *sandbox, guint64 timeout_s, gint64 now_us, Lifespan *life, GError **error)
{
    guint64 left_s;

    life->paused_us += now_us - life->paused_since_us;
    life->paused_since_us = 0;
    left_s = lifetime_left_s(sandbox->core, now_us - sandbox->born_us - life->paused_us);
    if (timeout_s == 0)
        timeout_s = MAX(MIN(life->timeout_s, left_s), 1);
    return set_term(sandbox, timeout_s, now_us, life, error);
}

/* Sets *ret to what the change makes of the life. FALSE: there is an error, or nothing to do. */
static gboolean
decide(const Sandbox *sandbox, const Change *change, Lifespan *ret, GError **error)
{
    gboolean is_paused = sandbox->state == SANDBOX_PAUSED;
    gint64 now_us = util_boottime_us();

    *ret = sandbox->life;
    switch (change->kind) {
    case CHANGE_TIMEOUT:
        if (!is_paused)
            return set_term(sandbox, change->timeout_s, now_us, ret, error);
        lifespan_set_paused(sandbox, error);
        return FALSE;
    case CHANGE_RESUME:
        return is_paused && end_pause(sandbox, change->timeout_s, now_us, ret, error);
    case CHANGE_EXPIRY:
        if (sandbox->life.deadline_us > now_us)
            return FALSE;
        G_GNUC_FALLTHROUGH;
    default:
        begin_pause(sandbox, now_us, ret);
        return !is_paused;
    }
}

/* --- effects --- */

static void add_change(Core *core, const char *sandbox_id, ChangeKind kind, guint64 timeout_s,
                       GAsyncReadyCallback callback, gpointer data);

static void
on_deadline(gpointer data)
{
    Sandbox *sandbox = data;

    sandbox->deadline = NULL; /* deadline.c frees it */
    if (sandbox->pauses_on_timeout && sandbox->state != SANDBOX_PAUSED)
        add_change(sandbox->core, sandbox->id, CHANGE_EXPIRY, /* timeout_s= */ 0,
                   /* callback= */ NULL, NULL);
    else
        core_end(sandbox->core, sandbox, END_TIMED_OUT, /* detail= */ NULL);
}

void
lifespan_start(Sandbox *sandbox)
{
    sandbox->deadline =
        deadline_add(sandbox->core->deadlines, sandbox->life.deadline_us, on_deadline, sandbox);
}

void
lifespan_stop(Sandbox *sandbox)
{
    if (sandbox->deadline)
        deadline_remove(g_steal_pointer(&sandbox->deadline));
}

/* Its machine may not be adopted yet, if its deadline pauses it. */
static void
apply_pause(Sandbox *sandbox)
{
    sandbox_change(sandbox, SANDBOX_PAUSE);
    sandbox->is_waking = FALSE;
    if (sandbox->instance)
        instance_hold(sandbox->instance, INSTANCE_HELD_FOR_USER, TRUE);
    journal_paused(sandbox, TRUE);
}

static void
apply_resume(Sandbox *sandbox)
{
    sandbox_change(sandbox, SANDBOX_RESUME);
    instance_hold(sandbox->instance, INSTANCE_HELD_FOR_USER, FALSE);
    sandbox->is_waking =
        instance_is_stalled(sandbox->instance) && !instance_is_held(sandbox->instance);
    journal_paused(sandbox, FALSE);
}

static void
apply(Sandbox *sandbox, const Change *change)
{
    Core *core = sandbox->core;

    sandbox->life = sandbox->next_life;
    lifespan_stop(sandbox);
    lifespan_start(sandbox);
    switch (change->kind) {
    case CHANGE_TIMEOUT:
        sandbox_clock_set(sandbox);
        journal_extended(sandbox, change->timeout_s);
        break;
    case CHANGE_RESUME:
        apply_resume(sandbox);
        break;
    default:
        apply_pause(sandbox);
    }
    if (change->kind == CHANGE_TIMEOUT)
        core->events->sandbox_changed(sandbox, core->events_data);
    else
        core->events->sandbox_state_changed(sandbox, core->events_data);
}

/* --- turns --- */

static Sandbox *
find(Core *core, const char *id, GError **error)
{
    const Viewer service = {.sees_all = TRUE};

    return core_find(core, &service, id, error);
}

/* Takes the error (NULL: the change has succeeded, or there was nothing to do). */
static void
finish(GTask *task, GError *error)
{
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void on_recorded(GObject *source, GAsyncResult *result, gpointer data);

static void
begin(Sandbox *sandbox, GTask *task)
{
    const Change *change = g_task_get_task_data(task);
    GError *error = NULL;

    if (!decide(sandbox, change, &sandbox->next_life, &error)) {
        finish(task, error);
    } else if (sandbox->instance) {
        sandbox->is_changing = TRUE;
        registry_write_record_async(sandbox->core, sandbox, on_recorded, task);
    } else { /* adopt_expire() would decide the same by the present record */
        apply(sandbox, change);
        finish(task, NULL);
    }
}

/* A callback may end the sandbox. */
static void
begin_next(Core *core, const char *id)
{
    Sandbox *sandbox;

    while ((sandbox = registry_lookup(core, id)) && !sandbox->is_changing && sandbox->changes.head)
        begin(sandbox, g_queue_pop_head(&sandbox->changes));
}

/* The sandbox may have ended meanwhile. A full disk does not keep a deadline from pausing it. */
static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    const Change *change = g_task_get_task_data(task);
    Core *core = change->core;
    g_autofree char *id = g_strdup(change->sandbox_id);
    GError *error = NULL;
    Sandbox *sandbox;

    record_writer_write_finish(result, &error);
    if (error && change->kind == CHANGE_EXPIRY) {
        g_warning("%s", error->message);
        g_clear_error(&error);
    }
    sandbox = registry_lookup(core, id);
    if (sandbox)
        sandbox->is_changing = FALSE;
    else if (!error)
        find(core, id, &error);
    if (!error)
        apply(sandbox, change);
    finish(task, error);
    begin_next(core, id);
}

static void
add_change(Core *core, const char *sandbox_id, ChangeKind kind, guint64 timeout_s,
           GAsyncReadyCallback callback, gpointer data)
{
    Sandbox *sandbox = registry_lookup(core, sandbox_id);
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Change *change = g_new0(Change, 1);

    change->core = core;
    change->sandbox_id = g_strdup(sandbox_id);
    change->kind = kind;
    change->timeout_s = timeout_s;
    g_task_set_task_data(task, change, change_free);
    g_queue_push_tail(&sandbox->changes, task);
    begin_next(core, change->sandbox_id);
}

void
lifespan_clear(Sandbox *sandbox)
{
    GTask *task;

    while ((task = g_queue_pop_head(&sandbox->changes))) {
        const Change *change = g_task_get_task_data(task);
        GError *error = NULL;

        find(change->core, change->sandbox_id, &error);
        finish(task, error);
    }
}

/* --- SetTimeout --- */

void
core_set_timeout_async(Core *core, Sandbox *sandbox, guint64 timeout_s,
                       GAsyncReadyCallback callback, gpointer data)
{
    add_change(core, sandbox->id, CHANGE_TIMEOUT, timeout_s, callback, data);
}

gboolean
core_set_timeout_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- Pause --- */

/* A call that waits for the machine. */
typedef struct {
    Core *core;
    char *sandbox_id;
} Wait;

static void
wait_free(gpointer data)
{
    Wait *wait = data;

    g_free(wait->sandbox_id);
    g_free(wait);
}

static GTask *
wait_new(Core *core, const Sandbox *sandbox, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Wait *wait = g_new0(Wait, 1);

    wait->core = core;
    wait->sandbox_id = g_strdup(sandbox->id);
    g_task_set_task_data(task, wait, wait_free);
    return task;
}

static void on_stop_waited(GObject *source, GAsyncResult *result, gpointer data);

static void
wait_for_stop(GTask *task)
{
    const Wait *wait = g_task_get_task_data(task);
    GError *error = NULL;
    const Sandbox *sandbox = find(wait->core, wait->sandbox_id, &error);

    if (!sandbox || sandbox->state != SANDBOX_PAUSED ||
        (sandbox->instance && instance_is_stalled(sandbox->instance)))
        finish(task, error);
    else
        core_settle_async(wait->core, wait->sandbox_id, on_stop_waited, task);
}

static void
on_stop_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    const Wait *wait = g_task_get_task_data(task);

    if (core_settle_finish(result, /* error= */ NULL))
        wait_for_stop(task);
    else
        finish(task, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                                 "sandbox '%s' is paused, but its machine has not stopped yet; it "
                                 "stops when libvirt answers",
                                 wait->sandbox_id));
}

static void
on_paused(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error))
        wait_for_stop(data);
    else
        finish(data, error);
}

void
core_pause_async(Core *core, Sandbox *sandbox, GAsyncReadyCallback callback, gpointer data)
{
    add_change(core, sandbox->id, CHANGE_PAUSE, /* timeout_s= */ 0, on_paused,
               wait_new(core, sandbox, callback, data));
}

gboolean
core_pause_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- Resume --- */

static void on_start_waited(GObject *source, GAsyncResult *result, gpointer data);

static void
wait_for_start(GTask *task)
{
    const Wait *wait = g_task_get_task_data(task);
    GError *error = NULL;
    const Sandbox *sandbox = find(wait->core, wait->sandbox_id, &error);

    if (!sandbox || core_is_settled(sandbox))
        finish(task, error);
    else
        core_settle_async(wait->core, wait->sandbox_id, on_start_waited, task);
}

/* It is resumed, and runs when libvirt answers, or when there is space on the disk. */
static void
on_start_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    if (core_settle_finish(result, /* error= */ NULL))
        wait_for_start(data);
    else
        finish(data, NULL);
}

static void
on_resumed(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    if (g_task_propagate_boolean(G_TASK(result), &error))
        wait_for_start(data);
    else
        finish(data, error);
}

void
core_resume_async(Core *core, Sandbox *sandbox, guint64 timeout_s, GAsyncReadyCallback callback,
                  gpointer data)
{
    add_change(core, sandbox->id, CHANGE_RESUME, timeout_s, on_resumed,
               wait_new(core, sandbox, callback, data));
}

gboolean
core_resume_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
