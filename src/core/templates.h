/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * templates: the templates that are installed, by name, and every version that is in use.
 *
 * Templates come, change and go while the service runs. A version whose machines still run remains
 * on disk when its template is removed or rebuilt under another key, and when a new instance of the
 * service has adopted the machines. Its files are removed when the last reference to it is gone.
 */
#pragma once

#include "host.h"
#include "record.h"
#include "template.h"

typedef struct Templates Templates;

typedef struct {
    void (*added)(Template *template, gpointer data);
    /* As TemplateEvents. */
    void (*changed)(Template *template, gpointer data);
    /* It is no longer found by its name. */
    void (*removed)(Template *template, gpointer data);
    /* The last reference to a snapshot is gone. */
    void (*snapshot_released)(Template *template, gpointer data);
} TemplatesEvents;

Templates *templates_new(Host *host, const TemplatesEvents *events, gpointer data);
/* Removes no files from now on: machines may outlive this instance of the service. */
void templates_stop(Templates *templates);
void templates_free(Templates *templates);

/* Takes the reference. No template of this name may be installed. */
void templates_add(Templates *templates, Template *template);
/* Watches a snapshot, whose base remains on disk while there is a reference to it. */
void templates_follow(Templates *templates, Template *snapshot);
/* Releases the reference. */
void templates_remove(Templates *templates, Template *template);
/* The installed template of this name, or NULL. */
Template *templates_find(const Templates *templates, const char *name);
/* All that are installed, sorted by name; not owned. */
GList *templates_list(const Templates *templates);

/* A reference to the template that the machine of this record runs from. It is not installed: an
 * installed template of the same name may be another version. */
Template *templates_adopt(Templates *templates, const Record *record);
/* The versions (NAME-KEY) to which there is a reference. */
char **templates_in_use(const Templates *templates);
