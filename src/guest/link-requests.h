/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link-requests: the requests of a link that start no process, and wait for OK or ERROR. */
#pragma once

#include <gio/gio.h>

#include "wire.h"

typedef struct {
    GHashTable *tasks; /* guint32 number → GTask, owned */
} LinkRequests;

void link_requests_init(LinkRequests *requests);
void link_requests_clear(LinkRequests *requests);

/* Takes the task, which gets a boolean or an error. */
void link_requests_add(LinkRequests *requests, guint32 number, GTask *task);
/* Takes the task out of the table; NULL: there is none. */
GTask *link_requests_steal(LinkRequests *requests, guint32 number);
/* Answers all with `error`. A caller may call this function again, or free the link. */
void link_requests_fail_all(LinkRequests *requests, const GError *error);

/* Answers the task with an OK or an ERROR, and frees it. FALSE: the frame is malformed. */
gboolean link_requests_answer(GTask *task, const WireHeader *header, const guint8 *payload);
