/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * callers: callers that wait for a machine of one template, in turn between users.
 *
 * A user's callers are served in the order of their calls, but a user with many of them gets one
 * machine before the next user gets one.
 * Each is a GTask. It leaves the queue when it is next, when its cancellable is cancelled, or after
 * CALLERS_WAIT_S.
 */
#pragma once

#include "host.h"
#include "template.h"

typedef struct Callers Callers;

/* A caller waits no longer than this; D-Bus clients give up after 25 s. */
#define CALLERS_WAIT_S 20
/* Callers that may wait at the same time. */
#define CALLERS_MAX 256
#define CALLERS_USER_MAX 64 /* of one user */

Callers *callers_new(Host *host, Template *template);
/* Nobody may wait any more. */
void callers_free(Callers *callers);

guint callers_count(const Callers *callers);
/* Whether their template is ready, so that memory is kept for them (host->waiting). Not at first.
 */
void callers_set_served(Callers *callers, gboolean are_served);
/* Takes the reference to the task. CLOCHE_ERROR_BUSY when too many wait, for which the task is then
 * left to the caller. */
gboolean callers_add(Callers *callers, guint32 owner, GTask *task, GError **error);
/* Removes the task of the user whose turn it is, which is the caller's then; NULL: nobody waits. */
GTask *callers_next(Callers *callers);
/* Returns the error to everybody who waits. */
void callers_fail(Callers *callers, const GError *error);
