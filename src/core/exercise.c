/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exercise: what is done with a machine before it counts as warm. */
#include "exercise.h"

#include "claim.h"
#include "run.h"

#define CODE_TIMEOUT_MS 60000
#define HOSTNAME "localhost"

typedef struct {
    GuestLink *link;
    const Template *template;
    GPtrArray *contexts;
    guint rounds;
    guint next_context;
} Exercise;

static void
exercise_free(gpointer data)
{
    Exercise *exercise = data;

    g_ptr_array_unref(exercise->contexts);
    g_free(exercise);
}

static void
return_error(GTask *task, GError *error)
{
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void begin_round(GTask *task);

static void run_next_code(GTask *task);

static void
on_code_run(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;
    g_autoptr(GuestExecution) execution = guest_interpreter_execute_finish(NULL, result, &error);

    if (error)
        return_error(data, error);
    else
        run_next_code(data);
}

static void
run_next_code(GTask *task)
{
    Exercise *exercise = g_task_get_task_data(task);
    GuestCode code = {.timeout_ms = CODE_TIMEOUT_MS, .is_exercise = TRUE};
    Context *context;

    if (exercise->next_context == exercise->contexts->len) {
        exercise->rounds--;
        begin_round(task);
        return;
    }
    context = exercise->contexts->pdata[exercise->next_context++];
    code.code = g_hash_table_lookup(exercise->template->exercise, context->language);
    guest_interpreter_reseed(context->interpreter, /* environment= */ NULL);
    if (!code.code) {
        run_next_code(task);
        return;
    }
    guest_interpreter_execute_async(context->interpreter, &code, NULL, on_code_run, task);
}

static void
on_program_run(GObject *source, GAsyncResult *result, gpointer data)
{
    Exercise *exercise = g_task_get_task_data(data);
    g_autoptr(GuestRun) run = guest_run_finish(result, /* error= */ NULL);

    /* An image need not have this program. */
    exercise->next_context = 0;
    run_next_code(data);
}

static void
on_rehearsed(GObject *source, GAsyncResult *result, gpointer data)
{
    static const char *const argv[] = {"true", NULL};
    Exercise *exercise = g_task_get_task_data(data);
    GuestStart start = {.argv = argv, .user = exercise->template->user, .flags = START_NO_STDIN};
    GError *error = NULL;

    if (guest_link_claim_finish(exercise->link, result, &error))
        guest_run_async(exercise->link, &start, NULL, NULL, on_program_run, data);
    else
        return_error(data, error);
}

static void
begin_round(GTask *task)
{
    Exercise *exercise = g_task_get_task_data(task);
    const GuestClaim rehearsal = {.id = "", .hostname = HOSTNAME, .user = exercise->template->user};

    if (exercise->rounds > 0) {
        guest_link_claim_async(exercise->link, &rehearsal, on_rehearsed, task);
        return;
    }
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

void
exercise_async(GuestLink *link, const Template *template, GPtrArray *contexts, guint rounds,
               GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Exercise *exercise = g_new0(Exercise, 1);

    exercise->link = link;
    exercise->template = template;
    exercise->contexts = g_ptr_array_ref(contexts);
    exercise->rounds = rounds;
    g_task_set_task_data(task, exercise, exercise_free);
    begin_round(task);
}

gboolean
exercise_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
