/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* template: its facts, its references, and its states. */
#include "template.h"

#include <unistd.h>

/* --- life --- */

static GHashTable *
new_code_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

Template *
template_new(const char *name)
{
    Template *template = g_new0(Template, 1);

    template->name = g_strdup(name);
    template->description = g_strdup("");
    template->user = g_strdup("");
    template->languages = g_new0(char *, 1);
    template->runners = g_new0(char *, 1);
    template->startup = new_code_table();
    template->exercise = new_code_table();
    template->kept = -1;
    template->step = g_strdup("waiting for the accelerator");
    template->references = 1;
    return template;
}

static void
template_free(Template *template)
{
    g_free(template->name);
    g_free(template->description);
    g_free(template->user);
    g_strfreev(template->languages);
    net_policy_free(template->network);
    g_strfreev(template->runners);
    g_hash_table_unref(template->startup);
    g_hash_table_unref(template->exercise);
    g_free(template->kernel);
    g_free(template->initrd);
    if (template->kept >= 0)
        close(template->kept);
    template_files_free(template->files);
    snapshot_free(template->snapshot);
    template_unref(template->parent);
    g_free(template->step);
    g_clear_error(&template->error);
    g_free(template);
}

Template *
template_ref(Template *template)
{
    template->references++;
    return template;
}

void
template_unref(Template *template)
{
    if (!template || --template->references > 0)
        return;
    if (template->events)
        template->events->released(template, template->events_data);
    template_free(template);
}

const char *
template_key(const Template *template)
{
    return template->files ? template->files->key : NULL;
}

void
template_watch(Template *template, const TemplateEvents *events, gpointer data)
{
    template->events = events;
    template->events_data = data;
}

/* --- state --- */

typedef enum {
    TEMPLATE_WAITS,
    TEMPLATE_BEGINS,
    TEMPLATE_IS_MADE,
    TEMPLATE_IS_DONE,
    TEMPLATE_FAILS,
    _TEMPLATE_EVENT_MAX,
} TemplateEvent;

enum { NONE = -1 };

/* clang-format off */
static const gint8 next_state[_TEMPLATE_STATE_MAX][_TEMPLATE_EVENT_MAX] = {
    /*                      WAITS               BEGINS             IS_MADE             IS_DONE         FAILS          */
    [TEMPLATE_CHECKING]  = {TEMPLATE_PREPARING, TEMPLATE_CHECKING, TEMPLATE_PREPARING, TEMPLATE_READY, TEMPLATE_FAILED},
    [TEMPLATE_PREPARING] = {TEMPLATE_PREPARING, TEMPLATE_CHECKING, TEMPLATE_PREPARING, TEMPLATE_READY, TEMPLATE_FAILED},
    [TEMPLATE_READY]     = {NONE,               NONE,              NONE,               NONE,           NONE           },
    [TEMPLATE_FAILED]    = {TEMPLATE_PREPARING, TEMPLATE_CHECKING, NONE,               NONE,           TEMPLATE_FAILED},
};
/* clang-format on */

static const char *const state_names[] = {"checking", "preparing", "ready", "failed"};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == _TEMPLATE_STATE_MAX);

const char *
template_state_name(TemplateState state)
{
    return state_names[state];
}

/* The one place where the state changes. */
static gboolean
change(Template *template, TemplateEvent event)
{
    int next = next_state[template->state][event];

    if (next == NONE)
        return FALSE;
    template->state = (TemplateState)next;
    if (template->state != TEMPLATE_FAILED)
        g_clear_error(&template->error);
    return TRUE;
}

static void
set_step(Template *template, const char *step, double progress)
{
    g_free(template->step);
    template->step = g_strdup(step);
    template->progress = progress;
}

static void
report(Template *template)
{
    if (template->events)
        template->events->changed(template, template->events_data);
}

void
template_wait(Template *template, const char *step)
{
    if (!change(template, TEMPLATE_WAITS))
        return;
    set_step(template, step, 0);
    report(template);
}

void
template_check(Template *template, TemplateFiles *files)
{
    if (!change(template, TEMPLATE_BEGINS)) {
        template_files_free(files);
        return;
    }
    template_files_free(template->files);
    template->files = files;
}

void
template_advance(Template *template, const char *step, double fraction)
{
    if (template->state == TEMPLATE_READY || template->state == TEMPLATE_FAILED ||
        (fraction > 0 && !change(template, TEMPLATE_IS_MADE)))
        return;
    set_step(template, step, fraction);
    report(template);
}

void
template_finish(Template *template)
{
    if (!change(template, TEMPLATE_IS_DONE))
        return;
    set_step(template, "ready", 1);
    report(template);
}

void
template_fail(Template *template, const GError *error)
{
    if (template->error && g_str_equal(template->error->message, error->message))
        return; /* it was reported */
    if (!change(template, TEMPLATE_FAILS))
        return;
    if (template->snapshot)
        g_message("Snapshot '%s' cannot be used: %s", template->snapshot->id, error->message);
    else
        g_warning("Template '%s' cannot be used: %s", template->name, error->message);
    g_clear_error(&template->error);
    template->error = g_error_copy(error);
    report(template);
}
