/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authority: asynchronous queries of polkit.
 *
 * The first query connects to polkit. If that fails, the next query tries again, so that the daemon
 * also works if polkit is started later.
 */
#include "authority.h"

#include <polkit/polkit.h>

#include "error.h"

struct Authority {
    PolkitAuthority *polkit; /* NULL until connected */
    GHashTable *waiting;     /* uid → number of pending queries */
    void (*changed)(gpointer data);
    gpointer changed_data;
};

typedef struct {
    Authority *authority;
    Peer *peer;
    char *action;
    PolkitDetails *details;
    PolkitCheckAuthorizationFlags flags;
} PolkitQuestion;

/* --- pending queries per user --- */

static guint
waiting_of(const Authority *authority, guint32 uid)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(authority->waiting, GUINT_TO_POINTER(uid)));
}

static void
set_waiting(Authority *authority, guint32 uid, guint count)
{
    if (count > 0)
        g_hash_table_insert(authority->waiting, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(authority->waiting, GUINT_TO_POINTER(uid));
}

static void
authority_clear(gpointer data)
{
    g_hash_table_unref(((Authority *)data)->waiting);
}

static void
question_free(gpointer data)
{
    PolkitQuestion *question = data;
    guint32 uid = question->peer->viewer.uid;

    set_waiting(question->authority, uid, waiting_of(question->authority, uid) - 1);
    g_rc_box_release_full(question->authority, authority_clear);
    peer_unref(question->peer);
    g_object_unref(question->details);
    g_free(question->action);
    g_free(question);
}

/* --- asking --- */

static void
refuse(GTask *task, const char *format, const char *why)
{
    const PolkitQuestion *question = g_task_get_task_data(task);
    g_autofree char *reason = g_strdup_printf(format, why);

    g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
                            "You may not do this (%s): %s", question->action, reason);
    g_object_unref(task);
}

static void
on_changed(Authority *authority)
{
    authority->changed(authority->changed_data);
}

static void
on_checked(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    const PolkitQuestion *question = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(PolkitAuthorizationResult) answer =
        polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), result, &error);

    if (!answer) {
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            on_changed(question->authority); /* previous replies may be out of date */
        refuse(task, "polkit could not be asked: %s", error->message);
    } else if (polkit_authorization_result_get_is_authorized(answer)) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    } else {
        refuse(task, "polkit's rules do not permit it%s",
               polkit_authorization_result_get_is_challenge(answer)
                   ? " without a password, and no user could be asked for one"
                   : "");
    }
}

static void
check(GTask *task)
{
    const PolkitQuestion *question = g_task_get_task_data(task);
    g_autoptr(PolkitSubject) subject = polkit_system_bus_name_new(question->peer->name);

    polkit_authority_check_authorization(question->authority->polkit, subject, question->action,
                                         question->details, question->flags,
                                         g_task_get_cancellable(task), on_checked, task);
}

static void
take_polkit(Authority *authority, PolkitAuthority *polkit)
{
    if (authority->polkit)
        return;
    authority->polkit = g_object_ref(polkit);
    g_signal_connect_swapped(polkit, "changed", G_CALLBACK(on_changed), authority);
    /* A restarted polkit does not report the changes of rules while it was not running. */
    g_signal_connect_swapped(polkit, "notify::owner", G_CALLBACK(on_changed), authority);
}

static void
on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Authority *authority = ((PolkitQuestion *)g_task_get_task_data(task))->authority;
    g_autoptr(GError) error = NULL;
    g_autoptr(PolkitAuthority) polkit = polkit_authority_get_finish(result, &error);

    if (!polkit) {
        refuse(task, "polkit could not be asked: %s", error->message);
        return;
    }
    take_polkit(authority, polkit);
    check(task);
}

static PolkitDetails *
make_details(const char *const *details)
{
    PolkitDetails *made = polkit_details_new();

    for (; *details; details += 2)
        polkit_details_insert(made, details[0], details[1]);
    return made;
}

void
authority_ask_async(Authority *authority, Peer *peer, const char *action,
                    const char *const *details, gboolean interactive, GAsyncReadyCallback callback,
                    gpointer data)
{
    GTask *task = g_task_new(NULL, peer->left, callback, data);
    guint waiting = waiting_of(authority, peer->viewer.uid);
    PolkitQuestion *question;

    if (waiting >= AUTHORITY_WAITING_MAX) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                                "%u calls of user %u already wait for polkit; try again later",
                                AUTHORITY_WAITING_MAX, peer->viewer.uid);
        g_object_unref(task);
        return;
    }
    set_waiting(authority, peer->viewer.uid, waiting + 1);
    question = g_new0(PolkitQuestion, 1);
    question->authority = g_rc_box_acquire(authority);
    question->peer = peer_ref(peer);
    question->action = g_strdup(action);
    question->details = make_details(details);
    question->flags = interactive ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                                  : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE;
    g_task_set_task_data(task, question, question_free);
    if (authority->polkit)
        check(task);
    else
        polkit_authority_get_async(/* cancellable= */ NULL, on_connected, task); /* for all peers */
}

gboolean
authority_ask_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* --- life --- */

Authority *
authority_new(void (*changed)(gpointer data), gpointer data)
{
    Authority *authority = g_rc_box_new0(Authority);

    authority->waiting = g_hash_table_new(NULL, NULL);
    authority->changed = changed;
    authority->changed_data = data;
    return authority;
}

void
authority_free(Authority *authority)
{
    if (!authority)
        return;
    if (authority->polkit)
        g_signal_handlers_disconnect_by_data(authority->polkit, authority);
    g_clear_object(&authority->polkit);
    g_rc_box_release_full(authority, authority_clear); /* pending queries may hold references */
}
