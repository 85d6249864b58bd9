/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call: one method call, from the guard to its answer.
 *
 * A handler unpacks, calls the core and answers, with exactly one of the call_… functions below,
 * each of which frees the call. While it waits, call->peer->left tells that the caller is gone.
 */
#pragma once

#include "core.h"
#include "peers.h"

typedef struct Server Server;

typedef struct {
    Server *server;
    Core *core;
    GDBusMethodInvocation *invocation;
    Peer *peer;
    Sandbox *sandbox; /* the object's; good until the handler returns; NULL for the manager */
} Call;

/* `value`: the tuple of the answers, floating or NULL for none. */
void call_answer(Call *call, GVariant *value);
/* Takes the error, which may be of any domain. */
void call_fail(Call *call, GError *error);

/* Who may call a method. Without a row in the table: nobody. */
typedef enum {
    ACCESS_NOBODY,
    ACCESS_ANYBODY, /* what it shows or makes is the caller's own */
    ACCESS_OWNER,   /* whoever may see the sandbox */
} Access;

typedef struct {
    const char *interface, *method;
    Access access;
    void (*handle)(Call *call, GVariant *parameters);
} Method;

/* NULL: there is no row. */
const Method *guard_find(const char *interface, const char *method);
/* All rows, for the test that compares them with the interface's XML. */
const Method *guard_methods(gsize *ret_count);

void manager_create_sandbox(Call *call, GVariant *parameters);
void manager_run_code(Call *call, GVariant *parameters);
void manager_get_sandbox(Call *call, GVariant *parameters);
void manager_list_sandboxes(Call *call, GVariant *parameters);
void manager_kill_sandbox(Call *call, GVariant *parameters);
void manager_list_templates(Call *call, GVariant *parameters);
void manager_get_managed_objects(Call *call, GVariant *parameters);

void sandbox_run(Call *call, GVariant *parameters);
void sandbox_run_code(Call *call, GVariant *parameters);
void sandbox_set_timeout(Call *call, GVariant *parameters);
void sandbox_kill(Call *call, GVariant *parameters);

/* org.freedesktop.DBus.Properties of both. */
void properties_get(Call *call, GVariant *parameters);
void properties_get_all(Call *call, GVariant *parameters);
