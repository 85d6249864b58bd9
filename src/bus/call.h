/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call: one method call, from the guard to its answer.
 *
 * A handler unpacks, calls the core and answers, with exactly one of the call_… functions below,
 * each of which frees the call. While it waits, call->peer->left tells that the caller is gone.
 */
#pragma once

#include <gio/gunixfdlist.h>

#include "core.h"
#include "options.h"
#include "peers.h"
#include "process.h"

typedef struct Server Server;
typedef struct Method Method;

/* What polkit has to permit before a call goes on. */
typedef struct {
    const char *action; /* NULL: nothing */
    char **details;     /* key, value, … */
} GuardQuestion;

typedef struct {
    Server *server;
    Core *core;
    GDBusMethodInvocation *invocation; /* NULL: it was answered while polkit was asked */
    Peer *peer;
    const Method *method;
    GuardQuestion question;
    gboolean asks_own; /* the question is about what the caller has or makes */
    Viewer viewer;     /* as whom the caller sees in this call */
    guint32 charged;   /* with the process that is under way */
    Sandbox *sandbox;  /* the object's; good until the handler returns; NULL for the manager */
    Process *process;  /* the same; NULL unless the object is a process */
    char *id;          /* of the sandbox, or NULL */
} Call;

/* `value`: the tuple of the answers, floating or NULL for none. */
void call_answer(Call *call, GVariant *value);
/* The same with descriptors, which `value` names by their index in `fds`. Takes `fds`. */
void call_answer_with_fds(Call *call, GVariant *value, GUnixFDList *fds);
/* A copy of the descriptor that the caller gave under this index; -1 with an error. */
int call_dup_fd(Call *call, int index, GError **error);
/* Takes the error, which may be of any domain. */
void call_fail(Call *call, GError *error);

/* Who may call a method. Without a row in the table: nobody. */
typedef enum {
    ACCESS_NOBODY,
    ACCESS_ANYBODY, /* what it shows is the caller's own, or nobody's */
    ACCESS_CREATOR, /* makes a sandbox: the last argument has the options */
    ACCESS_SANDBOX, /* of the object, whose owner or manager the caller is */
    ACCESS_NAMED,   /* the same, of the sandbox whose id is the first argument */
    ACCESS_LISTER,  /* the caller's own; with the option all-users, of who manages others */
} Access;

struct Method {
    const char *interface, *method;
    Access access;
    void (*handle)(Call *call, GVariant *parameters);
};

void guard_question_clear(GuardQuestion *question);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuardQuestion, guard_question_clear)
GuardQuestion guard_ask(const Method *method, Core *core, const Peer *peer, const char *path,
                        GVariant *parameters);
/* The answer was yes: what of it holds for later calls, and for this one. */
void guard_remember(const Method *method, const GuardQuestion *question, Peer *peer,
                    Viewer *viewer);
/* Whether it is about what the caller has or makes, and a refusal may be told. */
gboolean guard_is_about_own(const GuardQuestion *question);
/* The id of the sandbox that the object is of, and the number of its process (0: it is none): a new
 * string; NULL: it is no sandbox's. */
char *guard_object_id(const char *path, guint32 *ret_process);

/* NULL: there is no row. */
const Method *guard_find(const char *interface, const char *method);
/* All rows, for the test that compares them with the interface's XML. */
const Method *guard_methods(gsize *ret_count);
/* The actions that polkit may be asked about, for the test that compares them with its policy. */
const char *const *guard_actions(gsize *ret_count);

void manager_create_sandbox(Call *call, GVariant *parameters);
void manager_run_code(Call *call, GVariant *parameters);
void manager_get_sandbox(Call *call, GVariant *parameters);
void manager_list_sandboxes(Call *call, GVariant *parameters);
void manager_kill_sandbox(Call *call, GVariant *parameters);
void manager_list_templates(Call *call, GVariant *parameters);
void manager_get_quota(Call *call, GVariant *parameters);
void manager_get_managed_objects(Call *call, GVariant *parameters);

void sandbox_run(Call *call, GVariant *parameters);
void sandbox_run_code(Call *call, GVariant *parameters);
void sandbox_stream_code(Call *call, GVariant *parameters);
void sandbox_create_context(Call *call, GVariant *parameters);
void sandbox_list_contexts(Call *call, GVariant *parameters);
void sandbox_restart_context(Call *call, GVariant *parameters);
void sandbox_interrupt_context(Call *call, GVariant *parameters);
void sandbox_remove_context(Call *call, GVariant *parameters);
void sandbox_start(Call *call, GVariant *parameters);
void sandbox_open_terminal(Call *call, GVariant *parameters);
void sandbox_list_processes(Call *call, GVariant *parameters);
void sandbox_read_file(Call *call, GVariant *parameters);
void sandbox_write_file(Call *call, GVariant *parameters);
void sandbox_append(Call *call, GVariant *parameters);
void sandbox_list_directory(Call *call, GVariant *parameters);
void sandbox_stat(Call *call, GVariant *parameters);
void sandbox_make_directory(Call *call, GVariant *parameters);
void sandbox_move(Call *call, GVariant *parameters);
void sandbox_copy(Call *call, GVariant *parameters);
void sandbox_remove(Call *call, GVariant *parameters);
void sandbox_chmod(Call *call, GVariant *parameters);
void sandbox_chown(Call *call, GVariant *parameters);
void sandbox_read_link(Call *call, GVariant *parameters);
void sandbox_watch(Call *call, GVariant *parameters);
void sandbox_download(Call *call, GVariant *parameters);
void sandbox_upload(Call *call, GVariant *parameters);
void sandbox_open_port(Call *call, GVariant *parameters);
void sandbox_list_ports(Call *call, GVariant *parameters);
void sandbox_set_timeout(Call *call, GVariant *parameters);
void sandbox_kill(Call *call, GVariant *parameters);

void process_signal(Call *call, GVariant *parameters);
void process_kill(Call *call, GVariant *parameters);
void process_attach(Call *call, GVariant *parameters);
void process_wait(Call *call, GVariant *parameters);
void process_close_input(Call *call, GVariant *parameters);
void process_resize(Call *call, GVariant *parameters);

/* Whoever owns a call's sandbox is charged with what begins; ends with core_end_process(call->core,
 * call->charged). */
gboolean call_begin_process(Call *call, GError **error);
/* The options, which are the last argument, and the path, which is the first; NULL: the call has
 * failed. */
char *call_unpack_path(Call *call, GVariant *parameters, const Option *known,
                       GVariant **ret_options);
/* The option `timeout` in milliseconds, 0 when there is none. */
gboolean call_unpack_timeout(Call *call, GVariant *options, guint64 *ret_ms, GError **error);

/* org.freedesktop.DBus.Properties of all. */
void properties_get(Call *call, GVariant *parameters);
void properties_get_all(Call *call, GVariant *parameters);
