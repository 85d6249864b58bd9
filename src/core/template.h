/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * template: what machines are restored from, and all that a machine or its user needs to know of
 * it.
 *
 * A snapshot of a sandbox is a template, too: with an owner, and a parent whose disk is below its
 * own.
 *
 * A template is reference-counted. While a reference exists, neither this service nor build-image
 * removes what machines of the template need on disk: each instance holds one.
 */
#pragma once

#include <glib.h>

#include "policy.h"
#include "snapshot.h"

typedef enum {
    TEMPLATE_CHECKING, /* whether a stored version can be used */
    TEMPLATE_PREPARING,
    TEMPLATE_READY,
    TEMPLATE_FAILED,
    _TEMPLATE_STATE_MAX,
} TemplateState;

/* As dbus/org.cloche1.xml documents it: "checking", … */
const char *template_state_name(TemplateState state);

typedef struct Template Template;

typedef struct {
    /* Its state, step, progress or error changed. */
    void (*changed)(Template *template, gpointer data);
    /* The last reference is gone; the template is freed when this returns. */
    void (*released)(Template *template, gpointer data);
} TemplateEvents;

struct Template {
    /* The creator sets these; they do not change afterwards. */
    char *name, *description;
    char *user;           /* in the guest */
    char **languages;     /* of code that it runs; the first is the default */
    char **runners;       /* languages whose runner runs in each machine from the start */
    GHashTable *startup;  /* language → code that is executed once, before the snapshot */
    GHashTable *exercise; /* language → code that is executed in each machine, without a trace */
    NetPolicy *network;   /* the most that its sandboxes may reach, and what they get without a
                             request; NULL: nothing is said */
    guint vcpus;
    guint64 memory_mib, disk_mib;
    char *kernel, *initrd; /* paths; NULL: no machine can be made of it */
    int kept;              /* descriptor that keeps the image below its disk from removal, or -1 */
    /* A snapshot has the name and the files of the template that its state is based on. */
    Snapshot *snapshot; /* NULL: it is none */
    Template *parent;   /* the snapshot that it was taken on top of, with a reference, or NULL */

    /* Set by the functions below. */
    TemplateFiles *files; /* NULL until its key is known */
    TemplateState state;
    char *step;      /* of the preparation */
    double progress; /* 0 to 1 */
    GError *error;   /* NULL unless it failed */

    guint references;
    const TemplateEvents *events; /* NULL: nobody watches */
    gpointer events_data;
};

/* A template in the state TEMPLATE_CHECKING with no facts but its name, and one reference. */
Template *template_new(const char *name);
Template *template_ref(Template *template);
void template_unref(Template *template);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_unref)
/* NULL until it is known. */
const char *template_key(const Template *template);
/* At most one watcher. */
void template_watch(Template *template, const TemplateEvents *events, gpointer data);

/* The next functions change the state as the table in template.c says; a call that means nothing in
 * the present state changes nothing. */

/* Its preparation cannot begin before something else has happened; `step` says what. */
void template_wait(Template *template, const char *step);
/* Its preparation begins: it is known where its files are. Takes `files`. */
void template_check(Template *template, TemplateFiles *files);
/* Its preparation goes on; a fraction above 0 means that no stored version could be used. */
void template_advance(Template *template, const char *step, double fraction);
void template_finish(Template *template);
void template_fail(Template *template, const GError *error);
