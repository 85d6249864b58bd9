/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create: from a request to a sandbox that runs. */
#pragma once

#include <gio/gio.h>

#include "core-base.h"
#include "template.h"

typedef struct {
    NetPolicy *policy;
    GArray *secrets; /* of int: the file of each secret's value, borrowed; -1: it has none */
} NetworkRequest;

typedef struct {
    const char *template; /* NULL: the default one */
    const char *snapshot; /* id; NULL: it begins from the template */
    Template *from;       /* set by core_fork_async(): it begins from this snapshot */
    const char *name;     /* "": none */
    guint64 timeout_s;
    char **metadata;               /* key, value, …, sorted by key */
    char **environment;            /* NAME=value, sorted */
    guint vcpus;                   /* 0: the template's */
    guint64 memory_mib;            /* 0: the template's */
    const char *idempotency_key;   /* NULL: none */
    const NetworkRequest *network; /* NULL: the template's */
    gboolean is_one_shot;          /* set by core_run_code_async() */
    gboolean pauses_on_timeout;    /* its timeout ends it otherwise */
    gboolean resumes_for_calls;    /* while it is paused, they fail otherwise */
} CreateRequest;

void core_create_async(Core *core, guint32 owner, const CreateRequest *request,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* Returns the sandbox's id as a new string. */
char *core_create_finish(Core *core, GAsyncResult *result, GError **error);
