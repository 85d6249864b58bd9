/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call: one method call, from the guard to its answer.
 *
 * A handler unpacks, calls the core and answers with exactly one of call_answer(),
 * call_answer_with_fds() and call_fail(), each of which frees the call. While it waits,
 * call->peer->left is cancelled when the caller leaves.
 */
#pragma once

#include <gio/gunixfdlist.h>

#include "core.h"
#include "message.h"
#include "options.h"
#include "peers.h"
#include "process.h"
#include "windows.h"

typedef struct Server Server;
typedef struct Method Method;

/* What polkit has to permit before a call goes on. */
typedef struct {
    const char *action; /* NULL: nothing */
    char **details;     /* key, value, … */
} GuardQuestion;

/* What CreateSandbox and RunCode make. */
typedef struct {
    CreateRequest request;
    char *name;        /* the request's */
    guint64 timeout_s; /* that the caller asked for: the sandbox's, or the code's */
} NewSandbox;

typedef struct {
    Server *server;
    Core *core;
    Windows *windows; /* a reference */
    Peer *peer;
    const Method *method;
    MessageAddress address; /* of its answer */
    gboolean is_answered;   /* while polkit was asked */
    gboolean is_handling;   /* the handler uses the arguments */
    gboolean is_freed;      /* it has answered the call */
    GHashTable *lasting;    /* the server's, where the call is counted; NULL: it is not */
    gboolean may_ask_user;  /* the caller permits that polkit asks for a password */
    char *path;             /* of the object */
    /* The message's, which are kept until the handler returns: a caller chooses how large they are,
     * and a call may last for ever. */
    GVariant *parameters;
    GVariant *options; /* the last argument, checked; NULL: the method has no options */
    GArray *fds;       /* or NULL */
    NewSandbox new_sandbox;
    NetworkRequest network;   /* of CreateSandbox, RunCode and SetNetwork; no policy: not given */
    gboolean lists_all_users; /* of ListSandboxes */
    GuardQuestion question;
    gboolean has_access;  /* polkit has permitted to create, use or manage */
    gboolean has_create;  /* to create, where has_access is to use */
    gboolean has_network; /* and the network */
    gboolean asks_own;    /* the question is about what the caller has or makes */
    Viewer viewer;        /* the caller, with what polkit permits for this call */
    Sandbox *sandbox;     /* the object's; valid until the handler returns; NULL for the manager */
    Process *process;     /* the same; NULL unless the object is a process */
} Call;

/* Who may call a method. Without a row in the table: nobody. */
typedef enum {
    ACCESS_NOBODY,
    ACCESS_ANYBODY,  /* what it shows is the caller's own, or nobody's */
    ACCESS_CREATOR,  /* makes a sandbox: call->new_sandbox */
    ACCESS_SANDBOX,  /* of the object, whose owner or manager the caller is */
    ACCESS_NAMED,    /* the same, of the sandbox whose id is the first argument */
    ACCESS_SNAPSHOT, /* the same, of the snapshot whose id is the first argument */
    ACCESS_LISTER,   /* the caller's own; with call->lists_all_users, for those who manage others */
} Access;

struct Method {
    const char *interface, *method;
    Access access;
    const Option *options; /* keys of the last argument, up to a NULL key; NULL: it has none */
    void (*handle)(Call *call, GVariant *parameters);
    gsize weight_max; /* of the arguments, see message_weight() */
    /* Fills the fields of the call that the guard reads, or NULL. */
    gboolean (*unpack)(Call *call, GError **error);
    gboolean is_short; /* it ends soon: a user with DISPATCH_LASTING_MAX calls may make it, too */
    guint fds_max;     /* descriptors that it takes */
    /* It does not use the machine of the sandbox whose object is called. */
    gboolean without_machine;
    /* It is for paused sandboxes, too: it neither fails nor resumes one. */
    gboolean is_for_paused;
    gboolean makes_sandboxes; /* of the sandbox whose object is called */
};

/* Takes what it needs of the invocation. */
Call *call_new(Server *server, Core *core, Windows *windows, GDBusMethodInvocation *invocation,
               Peer *peer, const Method *method);
/* Calls the handler, which unpacks the arguments; they are freed when it returns. Counts a call
 * that goes on in `lasting`: uid → number of calls. */
void call_handle(Call *call, GHashTable *lasting);
/* Frees a call that was answered. */
void call_free(Call *call);
/* `value`: the tuple of the answers, floating; or NULL for none. */
void call_answer(Call *call, GVariant *value);
/* The same with descriptors, which `value` names by their index in `fds`. Takes `fds`. */
void call_answer_with_fds(Call *call, GVariant *value, GUnixFDList *fds);
/* Returns a copy of the descriptor that the caller gave under this index; -1 with an error. */
int call_dup_fd(Call *call, int index, GError **error);
/* Takes the error, which may be of any domain. */
void call_fail(Call *call, GError *error);
/* Answers a call that goes on without an answer. Takes the error. */
void call_refuse(Call *call, GError *error);

/* Returns the path, which is the first argument; NULL: the call has failed. */
char *call_unpack_path(Call *call, GVariant *parameters);
/* Sets `ret_ms` to the option `timeout` in milliseconds, if there is one. */
gboolean call_unpack_timeout(Call *call, guint64 *ret_ms, GError **error);
